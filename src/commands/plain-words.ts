/** Errors in the words of the command line. */
import { plainWordsIn } from '../client/plain-words.ts';

const WORDS = plainWordsIn({
  frames: {
    LIST: 'bfly ls',
    INFO: 'bfly info',
    HISTORY: 'bfly history',
    SUBSCRIBE: 'bfly watch',
    PULL: 'bfly pull',
    CUTOUT: 'bfly pull',
    UNIQUE: 'bfly unique',
    FEATURE: 'a question for features',
    EDIT: 'edit',
    EDITS: 'edits',
    BULK: 'array of voxels',
    TILE: 'tile',
    SNAP: 'snapshot',
    AUTH: 'a new token',
    HELLO: 'the greeting',
    WELCOME: 'the answer to the greeting',
  },
  phrases: [
    [/; LIST shows what there is/g, '; see bfly ls'],
    [/\bINFO tells it\b/g, 'bfly info tells it'],
    [/\bseq must be the seq of an edit; there is no (\d+)/g, 'there is no edit $1; see bfly history'],
  ],
});

/** See `PlainWords.message`. */
export const plainWords = WORDS.message;

/** See `PlainWords.error`. */
export const inPlainWords = WORDS.error;
