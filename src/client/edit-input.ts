/** The ops of an edit as users write them, and as they travel. Rules [E5]..[E9]. */
import type { Seed, TableName } from '../../protocol/edit-ops.ts';
import { BflyError, type Box, boxShape, type VoxelArray, volumeOf, type WireMap } from '../../protocol/index.ts';

/** An id of a segment or row, or `{ new: k }`: the id that op k (from 0) of the same edit created. */
export type Id = bigint | number | { readonly new: number };
/** Ids, each a bigint or an integer up to 2⁵³-1. */
export type Ids = readonly Id[] | BigUint64Array;

/** A row of a `put`. Without `key` the server assigns one. Other fields: rule [E7]; ids as bigint or integer. */
export interface RowInput {
  readonly key?: bigint | number;
  readonly [field: string]: unknown;
}

/**
 * One op of an edit.
 *
 * @example
 * { op: 'merge', ids: [17n, 23n] }
 * { op: 'write', box: [0, 0, 0, 8, 8, 4], voxels: new Uint32Array(256) }
 * { op: 'put', table: 'annotation', rows: [{ kind: 'point', points: [5, 6, 7], text: 'here' }] }
 */
export type EditOp =
  /** All become one body. */
  | { readonly op: 'merge'; readonly ids: Ids }
  /** These leave their bodies and form one new body. */
  | { readonly op: 'cleave'; readonly ids: Ids }
  /** Voxels of a base id get a new id: those under `mask`, or those nearer to seeds of group 2 than of group 1. */
  | {
      readonly op: 'split';
      readonly id: Id;
      readonly box: Box;
      /** Run lengths over the box, see `encodeMask`. */
      readonly mask?: Uint8Array;
      readonly seeds?: readonly Seed[];
    }
  /** Declares a numbered part of an id, or moves its box. */
  | { readonly op: 'region'; readonly id: Id; readonly region: number; readonly box: Box | null }
  /** Voxels of mip 0 get values: one `value` for all, or `voxels`. */
  | {
      readonly op: 'write';
      readonly box: Box;
      /** Run lengths over the box, see `encodeMask`; without it every voxel is written. */
      readonly mask?: Uint8Array;
      readonly value?: number | bigint | 'new' | { readonly new: number };
      /** Of the channel's dtype, x fastest: one for each voxel that is written. Copied. */
      readonly voxels?: VoxelArray;
    }
  | { readonly op: 'put'; readonly table: TableName; readonly rows: readonly RowInput[]; readonly create?: boolean }
  | { readonly op: 'delete'; readonly table: TableName; readonly keys: readonly (bigint | number)[] | BigUint64Array }
  /** Takes an edit out of force; undoing that undo is the redo. */
  | { readonly op: 'undo'; readonly seq: number }
  | { readonly op: 'meta'; readonly key: string; readonly value: unknown };

/** Voxels that travel in BULK frames besides an EDIT. Rule [E12]. */
export interface BulkVoxels {
  /** What the op calls them. */
  readonly bulk: number;
  readonly box: Box;
  /** Raw voxels, little-endian. Owned, never written again. */
  readonly bytes: Uint8Array;
}

/** Ops as they travel. Owned: what the caller does to its own afterwards changes nothing. */
export interface WireOps {
  readonly ops: readonly WireMap[];
  readonly bulks: readonly BulkVoxels[];
}

/** Whole boxes of more bytes than this travel in BULK frames. */
export const BULK_FROM = 256 * 1_024;
/** Bytes of voxels of one `write`, rule [E12]. */
const MAX_BULK = 16 * 1_024 * 1_024;
/** Lists of more ids than this travel as bytes, rule [F15]. */
const BIN_FROM = 16;
const MAX_OPS = 1_024;
const U64 = 1n << 64n;

/**
 * Copies ops into the form in which they travel.
 *
 * @param nextBulk names voxels that are too large to stand in the EDIT. @param bulkFrom see `BULK_FROM`.
 * @throws BflyError BAD_REQUEST, TOO_LARGE; the server checks what only it can know.
 */
export function wireOps(input: readonly EditOp[], nextBulk: () => number, bulkFrom = BULK_FROM): WireOps {
  if (input.length === 0 || input.length > MAX_OPS) throw bad('ops must be 1 to 1,024 ops');
  const bulks: BulkVoxels[] = [];
  const place = (box: Box, bytes: Uint8Array): number | undefined => {
    if (bytes.length <= bulkFrom) return undefined;
    const bulk = nextBulk();
    bulks.push({ bulk, box, bytes });
    return bulk;
  };
  const ops = input.map((op, index) => wireOp(op, `ops[${index}]`, place));
  return { ops, bulks };
}

/** Puts voxels into a BULK. @returns its name; undefined where they are few enough to stand in the op. */
type Place = (box: Box, bytes: Uint8Array) => number | undefined;

function wireOp(op: EditOp, at: string, place: Place): WireMap {
  switch (op.op) {
    case 'merge':
    case 'cleave':
      return { op: op.op, ids: wireIds(op.ids, `${at}.ids`) };
    case 'split':
      return {
        op: op.op,
        id: wireId(op.id, `${at}.id`),
        box: [...op.box],
        ...(op.mask === undefined ? {} : { mask: op.mask.slice() }),
        ...(op.seeds === undefined ? {} : { seeds: op.seeds.map((seed) => [...seed]) }),
      };
    case 'region':
      return {
        op: op.op,
        id: wireId(op.id, `${at}.id`),
        region: op.region,
        box: op.box === null ? null : [...op.box],
      };
    case 'write':
      return wireWrite(op, at, place);
    case 'put':
      return {
        op: op.op,
        table: op.table,
        rows: op.rows.map((row, i) => wireRow(row, `${at}.rows[${i}]`)),
        ...(op.create === true ? { create: true } : {}),
      };
    case 'delete':
      return { op: op.op, table: op.table, keys: wireIds(op.keys, `${at}.keys`) };
    case 'undo':
      return { op: op.op, seq: op.seq };
    case 'meta':
      return { op: op.op, key: op.key, value: structuredClone(op.value) };
    default:
      throw bad(`${at}.op must be merge, cleave, split, region, write, put, delete, undo or meta`);
  }
}

function wireWrite(op: Extract<EditOp, { op: 'write' }>, at: string, place: Place): WireMap {
  const { box, mask, value, voxels } = op;
  const common = { op: 'write', box: [...box], ...(mask === undefined ? {} : { mask: mask.slice() }) };
  if ((value === undefined) === (voxels === undefined)) throw bad(`${at} must have one of value and voxels`);
  if (voxels === undefined) return { ...common, value: structuredClone(value) };
  const volume = volumeOf(boxShape(box));
  if (mask === undefined && voxels.length !== volume)
    throw bad(`${at}.voxels must have one voxel for each of the ${volume} of the box`);
  const bytes = littleEndian(voxels);
  if (bytes.length > MAX_BULK)
    throw new BflyError('TOO_LARGE', `${at}.voxels has ${bytes.length} bytes; one write takes ${MAX_BULK}`);
  // A BULK is a whole box: what stands under a mask has no place in it.
  const bulk = mask === undefined ? place(box, bytes) : undefined;
  return { ...common, ...(bulk === undefined ? { values: bytes } : { bulk }) };
}

/** Voxels as bytes, owned. Typed arrays of every machine that runs this are little-endian. */
function littleEndian(voxels: VoxelArray): Uint8Array {
  return new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength).slice();
}

function wireRow(row: RowInput, at: string): WireMap {
  const { key, ...rest } = row;
  const copy: Record<string, unknown> = structuredClone(rest);
  return key === undefined ? copy : { key: wireId(key, `${at}.key`), ...copy };
}

function wireId(id: Id, at: string): bigint | { readonly new: number } {
  if (typeof id === 'bigint' && id >= 0n && id < U64) return id;
  if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0) return BigInt(id);
  if (typeof id === 'object' && id !== null && Number.isInteger(id.new)) return { new: id.new };
  throw bad(`${at} must be an integer from 0 to 2^64-1; above 2^53-1 a bigint`);
}

/** Ids as they travel: rule [F15]. @throws BflyError BAD_REQUEST. */
export function wireIds(ids: Ids, at: string): readonly unknown[] | Uint8Array {
  const wired: (bigint | { readonly new: number })[] = [];
  for (const id of ids) wired.push(wireId(id, at));
  const plain = wired.filter((id) => typeof id === 'bigint');
  if (wired.length <= BIN_FROM || plain.length < wired.length) return wired;
  return new Uint8Array(BigUint64Array.from(plain).buffer);
}

function bad(message: string): BflyError {
  return new BflyError('BAD_REQUEST', message);
}
