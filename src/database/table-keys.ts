/**
 * Keys and values in the sub-database `rows`. Integers in keys are big-endian.
 *
 * Base rows: what the JSON files of a dataset hold, in pages of up to 336 rows, each row twice: in order of keys, and in order of space;
 * each synapse twice more: in order of the segments that it is from, and to.
 * A table has a number of its own (the record `next-table` counts), which is never given to another; loading anew takes a new one.
 *
 * | offset | size | meaning                                                                  |
 * |--------|------|--------------------------------------------------------------------------|
 * | 0      | 4    | 0: no path has this number                                               |
 * | 4      | 4    | number of the table                                                      |
 * | 8      | 1    | 1 page in order of keys, 2 in order of space, 3 of `pre`, 4 of `post`    |
 * | 9      | 8    | in order of space: place code of the page's first row, see `spatial-index.ts`; of pre and post: that of the page's first row |
 * | 9 / 17 | 8    | key of the page's first row                                              |
 *
 * Value: a page, see `table-page.ts`.
 *
 * Overlay: the rows of a channel that edits changed.
 *
 * | offset | size | meaning                                                                  |
 * |--------|------|--------------------------------------------------------------------------|
 * | 0      | 4    | number of the channel                                                    |
 * | 4      | 1    | kind: 0 counters, 1 row, 2 place of a row                                |
 * | 5      | 1    | table: its index in `TABLES`; the key of the counters ends before it     |
 * | 6      | 1    | place: class of sizes, see `spatial-index.ts`                            |
 * | 7      | 8    | place: place code of the row's lower corner                              |
 * | 6 / 15 | 8    | key of the row                                                           |
 *
 * Values: counters: MessagePack, see `channel-tables.ts`; row: MessagePack, nil where the row is gone; place: x, y, z of the lower
 * corner of what the row's points fill, and where the upper one is another, that too: float64, little-endian.
 */
import { TABLES, type TableName } from '../../protocol/edit-ops.ts';
import { channelKey, type KeyRange, rowsRange } from './keys.ts';

/** In the place of a channel's number. */
const BASE = 0;

/** Orders that base rows are kept in. */
export const PageOrder = { KEY: 1, SPACE: 2, PRE: 3, POST: 4 } as const;
export type PageOrderKind = (typeof PageOrder)[keyof typeof PageOrder];
/** Orders of synapses by a segment. */
export type SegmentOrder = typeof PageOrder.PRE | typeof PageOrder.POST;

const OverlayKind = { COUNTERS: 0, ROW: 1, PLACE: 2 } as const;

/** A key: some bytes, then 64-bit numbers. */
function keyOf(head: Uint8Array, ...tail: readonly bigint[]): Uint8Array {
  const key = new Uint8Array(head.length + 8 * tail.length);
  const view = new DataView(key.buffer);
  key.set(head);
  tail.forEach((part, i) => {
    view.setBigUint64(head.length + 8 * i, part);
  });
  return key;
}

function baseHead(table: number, order: PageOrderKind): Uint8Array {
  return Uint8Array.of(...channelKey(BASE), ...channelKey(table), order);
}

function overlayHead(channel: number, ...more: readonly number[]): Uint8Array {
  const head = new Uint8Array(4 + more.length);
  head.set(channelKey(channel));
  head.set(more, 4);
  return head;
}

/** The keys that begin with these bytes. */
function within(prefix: Uint8Array): KeyRange {
  const end = prefix.slice();
  // The last byte is an order, a table or a class: never 255.
  end[end.length - 1] = (end[end.length - 1] as number) + 1;
  return { start: prefix, end };
}

/** The least key above this one. */
export function keyBehind(key: Uint8Array): Uint8Array {
  const behind = new Uint8Array(key.length + 1);
  behind.set(key);
  return behind;
}

/** Key of a page whose first row has this key. */
export function keyPage(table: number, key: bigint): Uint8Array {
  return keyOf(baseHead(table, PageOrder.KEY), key);
}

/** Key of a page whose first row has this place and key. */
export function spacePage(table: number, code: bigint, key: bigint): Uint8Array {
  return keyOf(baseHead(table, PageOrder.SPACE), code, key);
}

/** Key of a page whose first row has this segment and key. */
export function segmentPage(table: number, order: SegmentOrder, segment: bigint, key: bigint): Uint8Array {
  return keyOf(baseHead(table, order), segment, key);
}

/** All pages of a table in one order. */
export function pageRange(table: number, order: PageOrderKind): KeyRange {
  return within(baseHead(table, order));
}

/** All there is of a base table. */
export function baseRange(table: number): KeyRange {
  return { start: pageRange(table, PageOrder.KEY).start, end: pageRange(table, PageOrder.POST).end };
}

/** Key of a channel's counters. */
export function countersKey(channel: number): Uint8Array {
  return overlayHead(channel, OverlayKind.COUNTERS);
}

/** Key of a changed row. */
export function overlayRowKey(channel: number, table: TableName, key: bigint): Uint8Array {
  return keyOf(overlayHead(channel, OverlayKind.ROW, TABLES.indexOf(table)), key);
}

/** Key of a changed row's place. */
export function placeKey(channel: number, table: TableName, sizeClass: number, code: bigint, key: bigint): Uint8Array {
  return keyOf(overlayHead(channel, OverlayKind.PLACE, TABLES.indexOf(table), sizeClass), code, key);
}

/** The changed rows of a table. */
export function overlayRows(channel: number, table: TableName): KeyRange {
  return within(overlayHead(channel, OverlayKind.ROW, TABLES.indexOf(table)));
}

const MAX_KEY = (1n << 64n) - 1n;

/** Places of one class of sizes whose codes are from `first` up to `last`, both included. */
export function placeRange(
  channel: number,
  table: TableName,
  sizeClass: number,
  first: bigint,
  last: bigint,
): KeyRange {
  return {
    start: placeKey(channel, table, sizeClass, first, 0n),
    end: keyBehind(placeKey(channel, table, sizeClass, last, MAX_KEY)),
  };
}

/** Everything of a channel's overlay: rows, places, counters. */
export function overlayRange(channel: number): KeyRange {
  return rowsRange(channel);
}

/** The row's key at the end of the key of a row or place. */
export function rowKeyIn(key: Uint8Array): bigint {
  return new DataView(key.buffer, key.byteOffset, key.byteLength).getBigUint64(key.length - 8);
}
