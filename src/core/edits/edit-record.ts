/**
 * One edit as the log keeps it. What others see of it is kept just as it travels in EDITS, so that a subscriber that lags is served by
 * copying bytes; what only the server needs stands behind it.
 *
 * | offset | size | meaning                                                                                       |
 * |--------|------|-----------------------------------------------------------------------------------------------|
 * | 0      | 1    | version of this layout, 1                                                                     |
 * | 1      | 4    | length of the public part, big-endian                                                         |
 * | 5      |      | public part: the edit's map as others get it, rule [E31]; its last key is `chk`               |
 * |        |      | private part: MessagePack `[wid, wseq, digest, status, reads, writes]`                        |
 */
import { hash } from 'node:crypto';
import { readChanges } from '../../../protocol/edit-changes.ts';
import type { OpResult } from '../../../protocol/edit-ops.ts';
import { BflyError } from '../../../protocol/errors.ts';
import type { WireMap } from '../../../protocol/messages.ts';
import { pack, unpack } from '../../../protocol/msgpack.ts';
import type { EditOutcome, LoggedRecord } from './edit-request.ts';
import type { Scope } from './scope.ts';

const LAYOUT = 1;
const HEAD_BYTES = 5;
/** Bytes of a link of the digest chain. */
export const CHK_BYTES = 8;
/** `chk` and a bin of 8 bytes, the end of every public part. */
const CHK_FIELD_BYTES = 4 + 2 + CHK_BYTES;

/** An edit that is about to be kept. */
export interface NewRecord extends Omit<LoggedRecord, 'chk'> {
  readonly status: EditOutcome['status'];
  /** 8 bytes of the ops as they came. */
  readonly digest: Uint8Array;
  readonly scope: Scope;
}

/** What the server keeps of an edit besides what everybody sees. */
export interface PrivatePart {
  readonly wid: Uint8Array;
  readonly wseq: number;
  readonly digest: Uint8Array;
  readonly status: EditOutcome['status'];
  readonly scope: Scope;
}

/** First bytes of a SHA-256. Owned. */
export function shortHash(bytes: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(hash('sha256', bytes, 'buffer').subarray(0, length));
}

/**
 * Encodes an edit, and links it to the one before.
 *
 * @param previous chk of the edit before, 8 zeros for the first.
 * @returns owned bytes: the whole value for the log, the public part in it, its chk.
 */
export function encodeRecord(
  record: NewRecord,
  previous: Uint8Array,
): { readonly value: Uint8Array; readonly publicPart: Uint8Array; readonly chk: Uint8Array } {
  const { seq, time, user, wid, ops, results, changes, note } = record;
  const map = {
    seq,
    time,
    user: { id: user.id, name: user.name },
    w: shortHash(wid, 4),
    ops,
    results,
    changes,
    ...(note === undefined ? {} : { note }),
    chk: new Uint8Array(CHK_BYTES),
  };
  const packed = pack(map).slice();
  const chk = chainHash(previous, packed.subarray(0, packed.length - CHK_FIELD_BYTES));
  packed.set(chk, packed.length - CHK_BYTES);
  const rest = pack([wid, record.wseq, record.digest, record.status, record.scope.reads, record.scope.writes]);
  const value = new Uint8Array(HEAD_BYTES + packed.length + rest.length);
  value[0] = LAYOUT;
  new DataView(value.buffer).setUint32(1, packed.length);
  value.set(packed, HEAD_BYTES);
  value.set(rest, HEAD_BYTES + packed.length);
  return { value, publicPart: value.subarray(HEAD_BYTES, HEAD_BYTES + packed.length), chk };
}

/** A link of the chain: rule [E31]. */
function chainHash(previous: Uint8Array, edit: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(previous.length + edit.length);
  bytes.set(previous);
  bytes.set(edit, previous.length);
  return shortHash(bytes, CHK_BYTES);
}

/** Whether a public part follows on the edit whose chk is `previous`. */
export function isChained(publicPart: Uint8Array, previous: Uint8Array): boolean {
  const expected = chainHash(previous, publicPart.subarray(0, publicPart.length - CHK_FIELD_BYTES));
  return Buffer.compare(expected, chkOf(publicPart)) === 0;
}

/** The edit's map as it travels. Borrowed from `value`. @throws INTERNAL where the value is no record of ours. */
export function publicPartOf(value: Uint8Array): Uint8Array {
  const length = value[0] === LAYOUT ? new DataView(value.buffer, value.byteOffset).getUint32(1) : -1;
  if (length < CHK_FIELD_BYTES || HEAD_BYTES + length > value.length)
    throw new BflyError('INTERNAL', 'an edit in the log is damaged');
  return value.subarray(HEAD_BYTES, HEAD_BYTES + length);
}

/** The link of the chain that a public part ends with. Borrowed. */
export function chkOf(publicPart: Uint8Array): Uint8Array {
  return publicPart.subarray(publicPart.length - CHK_BYTES);
}

/** What only the server sees. Bytes are borrowed from `value`. */
export function privatePartOf(value: Uint8Array): PrivatePart {
  const rest = unpack(value.subarray(HEAD_BYTES + publicPartOf(value).length));
  // Only `encodeRecord` writes these values.
  const [wid, wseq, digest, status, reads, writes] = rest as [
    Uint8Array,
    number,
    Uint8Array,
    EditOutcome['status'],
    string[],
    string[],
  ];
  return { wid, wseq, digest, status, scope: { reads, writes } };
}

/** A whole edit. Its bytes are borrowed from `value`. */
export function decodeRecord(value: Uint8Array): LoggedRecord & { readonly status: EditOutcome['status'] } {
  const map = unpack(publicPartOf(value)) as {
    readonly seq: number;
    readonly time: number;
    readonly user: { readonly id: string; readonly name: string };
    readonly ops: readonly WireMap[];
    readonly results: readonly OpResult[];
    readonly changes: unknown;
    readonly note?: string;
    readonly chk: Uint8Array;
  }; // only `encodeRecord` writes these values
  const { wid, wseq, status } = privatePartOf(value);
  return { ...map, changes: readChanges(map.changes), wid, wseq, status };
}

/** The public part as the author of an edit gets it: with `wid` and `wseq` instead of `w`. Owned. */
export function authorPart(publicPart: Uint8Array, wid: Uint8Array, wseq: number): Uint8Array {
  const { seq, time, user, w: _w, ...rest } = unpack(publicPart) as Record<string, unknown>;
  return pack({ seq, time, user, wid, wseq, ...rest }).slice();
}
