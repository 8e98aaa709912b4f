/** The ops of an EDIT, as typed values. Rules [E1], [E5]..[E12]. Reading is here; what they mean is in `edit-state.ts`. */
import { BflyError } from './errors.ts';
import type { WireMap } from './messages.ts';
import type { Box } from './volume.ts';

/** An id of an op: a number, or the id that an earlier op of the same EDIT created. */
export type IdRef = bigint | { readonly new: number };

/** Tables that rows stand in. */
export const TABLES = ['neuron', 'synapse', 'annotation'] as const;
/** Name of a table. */
export type TableName = (typeof TABLES)[number];

/** A row of a table. `key` is a uint64; other fields: rule [E7]. Never changed once it is made. */
export interface Row {
  readonly key: bigint;
  readonly [field: string]: unknown;
}

/** A row of a `put`, whose key the server may have to assign. */
export type NewRow = Omit<Row, 'key'> & { readonly key?: bigint };

/** Kinds of shapes of an annotation. */
export const ANNOTATION_KINDS = ['point', 'line', 'box', 'ellipsoid', 'polyline'] as const;

/** One seed of a `split`: a voxel and its group, 1 or 2. */
export type Seed = readonly [x: number, y: number, z: number, group: number];

export type MergeOp = { readonly op: 'merge'; readonly ids: readonly IdRef[] };
export type CleaveOp = { readonly op: 'cleave'; readonly ids: readonly IdRef[] };
export type SplitOp = {
  readonly op: 'split';
  readonly id: IdRef;
  readonly box: Box;
  /** Run lengths, rule [E8]; exactly one of `mask` and `seeds` is set. */
  readonly mask?: Uint8Array;
  readonly seeds?: readonly Seed[];
};
export type RegionOp = {
  readonly op: 'region';
  readonly id: IdRef;
  /** 0..2⁵³-1; 0 is the whole id, whose alias is the id. */
  readonly region: number;
  readonly box: Box | null;
};
export type WriteOp = {
  readonly op: 'write';
  readonly box: Box;
  readonly mask?: Uint8Array;
  /** Exactly one of `value`, `values` and `bulk` is set. A bigint where it came as an integer. */
  readonly value?: number | bigint | 'new' | { readonly new: number };
  /** Little-endian voxels, rule [E9]. */
  readonly values?: Uint8Array;
  readonly bulk?: number;
};
export type PutOp = {
  readonly op: 'put';
  readonly table: TableName;
  readonly rows: readonly NewRow[];
  readonly create: boolean;
};
export type DeleteOp = { readonly op: 'delete'; readonly table: TableName; readonly keys: readonly bigint[] };
export type UndoOp = { readonly op: 'undo'; readonly seq: number };
export type MetaOp = { readonly op: 'meta'; readonly key: string; readonly value: unknown };

/** One op of an EDIT. */
export type Op = MergeOp | CleaveOp | SplitOp | RegionOp | WriteOp | PutOp | DeleteOp | UndoOp | MetaOp;
/** Name of an op. */
export type OpName = Op['op'];

/** Every op there is. */
export const OP_NAMES: readonly OpName[] = [
  'merge',
  'cleave',
  'split',
  'region',
  'write',
  'put',
  'delete',
  'undo',
  'meta',
];

/** Result of an op, nil where it has none. Rule [E5]. Integers may be numbers or bigints. */
export type OpResult = WireMap | null;

/** The BAD_REQUEST of an op: names the op's index and field in `details`. Rule [E11]. */
export function badOp(
  index: number,
  field: string,
  legal: string,
  code: 'BAD_REQUEST' | 'OUT_OF_BOUNDS' | 'TOO_LARGE' | 'LIMIT' | 'NOT_FOUND' | 'UNSUPPORTED' = 'BAD_REQUEST',
): BflyError {
  return new BflyError(code, `ops[${index}].${field} ${legal}`, { details: { op: index, field } });
}
