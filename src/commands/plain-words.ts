/** From the words of the protocol, which programs are told errors in, to those of the command line. */
import { BflyError } from '../../protocol/errors.ts';

/** Names of frames, as far as a person at a terminal can come across them. */
const FRAMES: Readonly<Record<string, string>> = {
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
};
// Not in names: those stand between slashes, dots, hyphens or quotes.
const FRAME = new RegExp(`(?<![\\w/."'-])(${Object.keys(FRAMES).join('|')})(?![\\w/."'-]*[\\w/"'])`, 'g');

/** Turns of phrase that say more in other words. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/; LIST shows what there is/g, '; see bfly ls'],
  [/\bINFO tells it\b/g, 'bfly info tells it'],
  [/\bseq must be the seq of an edit; there is no (\d+)/g, 'there is no edit $1; see bfly history'],
  [/, or bin of whole u64/g, ''],
  [/ \(bin\)/g, ''],
  [/\ban int token\b|\bint tokens\b/g, 'whole numbers'],
  [/ (?:of|see) rules? \[[A-Z]\d+\]/g, ''],
  [/ \[[A-Z]\d+\](?:\.\.\[[A-Z]\d+\])?/g, ''],
];

/**
 * A message in plain words.
 *
 * @param ops of the edit that the message may be about: they are called by what they do, `merge: ids must …`.
 */
export function plainWords(message: string, ops: readonly { readonly op: string }[] = []): string {
  // Rows are counted from 1 by people; a message that was put into plain words before is left alone.
  const counted = /\bops\[\d/.test(message)
    ? message.replace(/\brow (\d+)\b/g, (_all, row) => `row ${Number(row) + 1}`)
    : message;
  const named = counted.replace(/\bops\[(\d+)\](?:\.(\w+(?:\[\d+\])?)(?:\.(\w+))?)?/g, (_all, index, field, inside) => {
    const place = placeOf(Number(index), ops);
    if (field === undefined) return place;
    const [, name = field, row] = /^(\w+)\[(\d+)\]$/.exec(field) ?? [];
    const where = row === undefined ? name : `row ${Number(row) + 1}`;
    return `${place}: ${where}${inside === undefined ? '' : `, ${inside}`}`;
  });
  const said = PHRASES.reduce((text, [phrase, plain]) => text.replace(phrase, plain), named);
  return said.replace(FRAME, (frame) => FRAMES[frame] ?? frame);
}

/** The same error in plain words, if it is one that is told on purpose. */
export function inPlainWords(error: unknown, ops: readonly { readonly op: string }[]): unknown {
  if (!(error instanceof BflyError)) return error;
  const { code, message, details, retryMs } = error;
  const plain = plainWords(message, ops);
  if (plain === message) return error;
  return new BflyError(code, plain, {
    ...(details === undefined ? {} : { details }),
    ...(retryMs === undefined ? {} : { retryMs }),
    cause: error,
  });
}

function placeOf(index: number, ops: readonly { readonly op: string }[]): string {
  const op = ops[index]?.op;
  if (op === undefined) return `part ${index + 1} of the edit`;
  const alike = ops.filter((other) => other.op === op);
  if (alike.length === 1) return op;
  return `${op} ${ops.slice(0, index + 1).filter((other) => other.op === op).length} of ${alike.length}`;
}
