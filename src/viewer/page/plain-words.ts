/** Errors in the words of the page. */
import { plainWordsIn } from '../../client/plain-words.ts';

const WORDS = plainWordsIn({
  frames: {
    LIST: 'the list of volumes',
    INFO: 'what the server says of a volume',
    HISTORY: 'the history',
    PULL: 'reading voxels',
    CUTOUT: 'reading voxels',
    EDIT: 'edit',
    EDITS: 'edits',
    BULK: 'array of voxels',
    TILE: 'tile',
    SNAP: 'state',
    AUTH: 'a new token',
    HELLO: 'the greeting',
  },
  phrases: [
    [/; LIST shows what there is/g, ''],
    [/\bseq must be the seq of an edit; there is no (\d+)/g, 'there is no edit $1'],
  ],
});

/** What an error says, for people. @param ops of the edit that it may be about. */
export function sayError(error: unknown, ops: readonly { readonly op: string }[] = []): string {
  const said = WORDS.message(error instanceof Error ? error.message : String(error), ops);
  return said.charAt(0).toUpperCase() + said.slice(1);
}
