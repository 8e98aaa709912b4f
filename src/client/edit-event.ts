/** One edit of a log as users see it. Rule [E31]. */
import { type Changes, readChanges } from '../../protocol/edit-changes.ts';
import type { EditRecord, WireMap } from '../../protocol/index.ts';

/** One edit of a path. Never changed once it is made. */
export interface EditEvent {
  /** Its number in the log of the path, from 1 without gaps. */
  readonly seq: number;
  /** Milliseconds since 1970, UTC. */
  readonly time: number;
  readonly user: { readonly id: string; readonly name: string };
  /** Whether this session made it. */
  readonly mine: boolean;
  /** The ops as they travelled; `readIds` reads their lists of ids. Ops that a filter leaves out are missing. */
  readonly ops: readonly WireMap[];
  /** One for each op, null where it has none. */
  readonly results: readonly unknown[];
  /** What it changed. */
  readonly changes: Changes;
  readonly note?: string;
  /** Own edits: the writer and its number. */
  readonly wid?: Uint8Array;
  readonly wseq?: number;
  /** Edits of others: 4 bytes that tell writers apart. */
  readonly w?: Uint8Array;
  /** Link of the chain of digests. */
  readonly chk?: Uint8Array;
  /** It was too large for the answer: kinds of its ops alone are here. In histories only. */
  readonly cut?: true;
}

/** Whether an edit is this session's, by its writer. */
export type IsMine = (wid: Uint8Array) => boolean;

/**
 * Reads an edit. Its bytes are views of the frame.
 *
 * @throws BflyError BAD_REQUEST where `changes` cannot be read.
 */
export function readEditEvent(record: EditRecord, isMine: IsMine = () => false): EditEvent {
  const { seq, time, user, wid, wseq, w, ops, results, changes, note, chk, cut } = record;
  return {
    seq: typeof seq === 'number' ? seq : 0,
    time: typeof time === 'number' ? time : 0,
    user: readUser(user),
    mine: wid instanceof Uint8Array && isMine(wid),
    ops: Array.isArray(ops) ? ops.filter(isMap) : [],
    results: Array.isArray(results) ? results : [],
    changes: readChanges(changes ?? {}),
    ...(typeof note === 'string' ? { note } : {}),
    ...(wid instanceof Uint8Array ? { wid } : {}),
    ...(typeof wseq === 'number' ? { wseq } : {}),
    ...(w instanceof Uint8Array ? { w } : {}),
    ...(chk instanceof Uint8Array ? { chk } : {}),
    ...(cut === true ? { cut } : {}),
  };
}

function isMap(value: unknown): value is WireMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function readUser(value: unknown): EditEvent['user'] {
  const { id, name } = isMap(value) ? value : {};
  return { id: typeof id === 'string' ? id : '', name: typeof name === 'string' ? name : '' };
}
