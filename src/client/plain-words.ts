/** From the words of the protocol, which programs are told errors in, to those of people. Pure. */
import { BflyError } from '../../protocol/errors.ts';

/** How the users of a program call things. */
export interface Dialect {
  /** What is said for the names of frames, as far as its users come across them. */
  readonly frames: Readonly<Record<string, string>>;
  /** Turns of phrase that say more in other words; before those that all programs share. */
  readonly phrases: readonly (readonly [RegExp, string])[];
}

/** What no person is to read. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/, or bin of whole u64/g, ''],
  [/ \(bin\)/g, ''],
  [/\ban int token\b|\bint tokens\b/g, 'whole numbers'],
  [/ (?:of|see) rules? \[[A-Z]\d+\]/g, ''],
  [/ \[[A-Z]\d+\](?:\.\.\[[A-Z]\d+\])?/g, ''],
];

type Ops = readonly { readonly op: string }[];

/** Puts messages and errors into the words of a program. */
export interface PlainWords {
  /**
   * A message in plain words.
   *
   * @param ops of the edit that the message may be about: they are called by what they do, `merge: ids must …`.
   */
  message(message: string, ops?: Ops): string;
  /** The same error in plain words, if it is one that is told on purpose. */
  error(error: unknown, ops?: Ops): unknown;
}

/** Plain words in a dialect. */
export function plainWordsIn({ frames, phrases }: Dialect): PlainWords {
  // Not in names: those stand between slashes, dots, hyphens or quotes.
  const frame = new RegExp(`(?<![\\w/."'-])(${Object.keys(frames).join('|')})(?![\\w/."'-]*[\\w/"'])`, 'g');
  const message = (text: string, ops: Ops = []): string =>
    [...phrases, ...PHRASES]
      .reduce((said, [phrase, plain]) => said.replace(phrase, plain), withPlaces(text, ops))
      .replace(frame, (name) => frames[name] ?? name);
  const inPlain = (error: unknown, ops: Ops = []): unknown => {
    if (!(error instanceof BflyError)) return error;
    const { code, details, retryMs } = error;
    const plain = message(error.message, ops);
    if (plain === error.message) return error;
    return new BflyError(code, plain, {
      ...(details === undefined ? {} : { details }),
      ...(retryMs === undefined ? {} : { retryMs }),
      cause: error,
    });
  };
  return { message, error: inPlain };
}

/** `ops[0].ids[2]` as people say it. */
function withPlaces(message: string, ops: Ops): string {
  // Rows are counted from 1 by people; a message that was put into plain words before is left alone.
  const counted = /\bops\[\d/.test(message)
    ? message.replace(/\brow (\d+)\b/g, (_all, row) => `row ${Number(row) + 1}`)
    : message;
  return counted.replace(/\bops\[(\d+)\](?:\.(\w+(?:\[\d+\])?)(?:\.(\w+))?)?/g, (_all, index, field, inside) => {
    const place = placeOf(Number(index), ops);
    if (field === undefined) return place;
    const [, name = field, row] = /^(\w+)\[(\d+)\]$/.exec(field) ?? [];
    const where = row === undefined ? name : `row ${Number(row) + 1}`;
    return `${place}: ${where}${inside === undefined ? '' : `, ${inside}`}`;
  });
}

function placeOf(index: number, ops: Ops): string {
  const op = ops[index]?.op;
  if (op === undefined) return `part ${index + 1} of the edit`;
  const alike = ops.filter((other) => other.op === op);
  if (alike.length === 1) return op;
  return `${op} ${ops.slice(0, index + 1).filter((other) => other.op === op).length} of ${alike.length}`;
}
