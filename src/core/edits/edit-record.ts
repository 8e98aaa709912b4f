/**
 * One edit as the log keeps it. What others see of it is kept just as it travels in EDITS, so that a subscriber that lags is served by
 * copying bytes; what only the server needs stands behind it.
 *
 * | offset | size | meaning                                                                                       |
 * |--------|------|-----------------------------------------------------------------------------------------------|
 * | 0      | 1    | version of this layout, 1                                                                     |
 * | 1      | 4    | length of the public part, big-endian                                                         |
 * | 5      |      | public part: the edit's map as others get it, rule [E31]; its last key is `chk`               |
 * |        | 16   | wid                                                                                           |
 * |        | 8    | wseq, float64, big-endian                                                                     |
 * |        | 1    | 1: the status is "noop"                                                                       |
 * |        |      | names that the edit reads, a line each; an empty line; names that it writes (UTF-8)           |
 */
import { hash } from 'node:crypto';
import { readChanges } from '../../../protocol/edit-changes.ts';
import type { OpResult } from '../../../protocol/edit-ops.ts';
import { BflyError } from '../../../protocol/errors.ts';
import { MessageWriter } from '../../../protocol/message-writer.ts';
import type { WireMap } from '../../../protocol/messages.ts';
import { pack, unpack } from '../../../protocol/msgpack.ts';
import { wireChanges } from '../../../protocol/wire-lists.ts';
import type { User } from '../rights.ts';
import type { EditOutcome, LoggedRecord } from './edit-request.ts';
import { type Scope, wellFormed } from './scope.ts';

const LAYOUT = 1;
const HEAD_BYTES = 5;
/** Bytes of a link of the digest chain. */
export const CHK_BYTES = 8;
/** `chk` and a bin of 8 bytes, the end of every public part. */
const CHK_FIELD = Uint8Array.of(0xa3, 0x63, 0x68, 0x6b, 0xc4, CHK_BYTES);
const CHK_FIELD_BYTES = CHK_FIELD.length + CHK_BYTES;
const WID_BYTES = 16;
const PRIVATE_HEAD_BYTES = WID_BYTES + 8 + 1;

/** An edit that is about to be kept. */
export interface NewRecord extends Omit<LoggedRecord, 'chk'> {
  readonly status: EditOutcome['status'];
  /** What others see of the wid: 4 bytes. */
  readonly w: Uint8Array;
  /** The ops as MessagePack, where they are at hand. */
  readonly packedOps?: Uint8Array;
  readonly scope: Scope;
}

/** What the server keeps of an edit besides what everybody sees. */
export interface PrivatePart {
  /** Borrowed from the value. */
  readonly wid: Uint8Array;
  readonly wseq: number;
  readonly status: EditOutcome['status'];
}

/** First bytes of a SHA-256. Owned. */
export function shortHash(bytes: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(hash('sha256', bytes, 'buffer').subarray(0, length));
}

/** The key and value of a map's field, up to where the value's own bytes begin. */
function field(name: string, ...tokens: readonly number[]): Uint8Array {
  return Uint8Array.of(0xa0 | name.length, ...Buffer.from(name), ...tokens);
}
const SEQ = field('seq', 0xcf);
const MAP_OF_8 = Uint8Array.of(0x88, ...SEQ);
const MAP_OF_9 = Uint8Array.of(0x89, ...SEQ);
const TIME = field('time', 0xcf);
const USER = field('user');
const W = field('w', 0xc4, 4);
const OPS = field('ops');
const RESULTS = field('results');
const CHANGES = field('changes');
const NOTE = field('note');
const NEW_LINE = 0x0a;

/** Users as MessagePack: few write at a time, and each writes much. */
const packedUsers = new WeakMap<User, Uint8Array>();

function packUser(user: User): Uint8Array {
  let packed = packedUsers.get(user);
  if (packed === undefined) {
    packed = pack({ id: user.id, name: user.name }).slice();
    packedUsers.set(user, packed);
  }
  return packed;
}

/**
 * Where records are made, many in one buffer: an array of its own costs as much as half of all that is done with one. They live until
 * their commit is over.
 */
const out = new MessageWriter(256 * 1024);

/**
 * Encodes an edit, and links it to the one before.
 *
 * @param previous chk of the edit before, 8 zeros for the first.
 * @returns the whole value for the log, and views of the public part in it and of its chk: never written again, but their buffer is
 *   shared with other edits, so who keeps them longer than the edit takes makes a copy.
 */
export function encodeRecord(
  record: NewRecord,
  previous: Uint8Array,
): { readonly value: Uint8Array; readonly publicPart: Uint8Array; readonly chk: Uint8Array } {
  const link = out.begin();
  // The link before stands where the value's head comes: both are followed by the public part.
  out.raw(previous);
  putPublic(record);
  // As text of a character a byte: a Buffer of its own would cost as much as the digest.
  const chk = hash('sha256', out.part(link, out.end - CHK_FIELD.length), 'binary');
  for (let i = 0; i < CHK_BYTES; i++) out.byte(chk.charCodeAt(i));
  const publicBytes = out.end - link - CHK_BYTES;
  out.raw(record.wid);
  out.float64(record.wseq);
  out.byte(record.status === 'noop' ? 1 : 0);
  putLines(record.scope.reads);
  out.byte(NEW_LINE);
  putLines(record.scope.writes);
  const value = out.part(link + CHK_BYTES - HEAD_BYTES);
  value[0] = LAYOUT;
  putUint32(value, 1, publicBytes);
  const publicPart = value.subarray(HEAD_BYTES, HEAD_BYTES + publicBytes);
  return { value, publicPart, chk: chkOf(publicPart) };
}

function putUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

/** All of the public part but the bytes of its `chk`. */
function putPublic({ seq, time, user, w, ops, packedOps, results, changes, note }: NewRecord): void {
  out.raw(note === undefined ? MAP_OF_8 : MAP_OF_9);
  out.uint53(seq);
  out.raw(TIME);
  out.uint53(time);
  out.raw(USER);
  out.raw(packUser(user));
  out.raw(W);
  out.raw(w);
  out.raw(OPS);
  if (packedOps === undefined) out.value(ops);
  else out.raw(packedOps);
  out.raw(RESULTS);
  out.value(results);
  out.raw(CHANGES);
  out.value(wireChanges(changes));
  if (note !== undefined) {
    out.raw(NOTE);
    out.value(note);
  }
  out.raw(CHK_FIELD);
}

/** Names, a line each. Those of metadata may hold anything. */
function putLines(names: readonly string[]): void {
  for (const name of names) {
    out.text(name.startsWith('m') ? encodeURIComponent(wellFormed(name)) : name);
    out.byte(NEW_LINE);
  }
}

/** Whether a public part follows on the edit whose chk is `previous`. */
export function isChained(publicPart: Uint8Array, previous: Uint8Array): boolean {
  const linked = Buffer.concat([previous, publicPart.subarray(0, publicPart.length - CHK_FIELD_BYTES)]);
  return Buffer.compare(shortHash(linked, CHK_BYTES), chkOf(publicPart)) === 0;
}

/** The edit's map as it travels. Borrowed from `value`. @throws INTERNAL where the value is no record of ours. */
export function publicPartOf(value: Uint8Array): Uint8Array {
  const length = value[0] === LAYOUT ? new DataView(value.buffer, value.byteOffset).getUint32(1) : -1;
  if (length < CHK_FIELD_BYTES || HEAD_BYTES + length + PRIVATE_HEAD_BYTES > value.length)
    throw new BflyError('INTERNAL', 'an edit in the log is damaged');
  return value.subarray(HEAD_BYTES, HEAD_BYTES + length);
}

/** The link of the chain that a public part ends with. Borrowed. */
export function chkOf(publicPart: Uint8Array): Uint8Array {
  return publicPart.subarray(publicPart.length - CHK_BYTES);
}

/** What only the server sees, but for the scope. */
export function privatePartOf(value: Uint8Array): PrivatePart {
  const at = HEAD_BYTES + publicPartOf(value).length;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return {
    wid: value.subarray(at, at + WID_BYTES),
    wseq: view.getFloat64(at + WID_BYTES),
    status: value[at + WID_BYTES + 8] === 1 ? 'noop' : 'applied',
  };
}

/** What an edit reads and writes. */
export function scopeOf(value: Uint8Array): Scope {
  const at = HEAD_BYTES + publicPartOf(value).length + PRIVATE_HEAD_BYTES;
  const names = Buffer.from(value.buffer, value.byteOffset + at, value.length - at)
    .toString('utf8')
    .split('\n');
  const gap = names.indexOf('');
  const read = (some: readonly string[]): string[] =>
    some.filter((name) => name !== '').map((name) => (name.startsWith('m') ? decodeURIComponent(name) : name));
  return { reads: read(names.slice(0, gap)), writes: read(names.slice(gap)) };
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
