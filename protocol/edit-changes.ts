/** What an edit changed, as clients apply it without thinking. Rules [E32], [E33]. */
import { type Row, TABLES, type TableName } from './edit-ops.ts';
import { badField, optional, readArray, readBox, readId64, readMap, readSize, withoutUndefined } from './fields.ts';
import { ownValue, readIds, readRow } from './parse-rows.ts';
import type { Box } from './volume.ts';

/** A numbered part of a base id. Rule [E5], `region`. */
export interface Region {
  readonly id: bigint;
  readonly region: number;
  /** Nil: no box. */
  readonly box: Box | null;
  /** The id that merges use for it. */
  readonly alias: bigint;
}

/** Absent parts are empty. */
export interface Changes {
  /** Rows of 2 × u64, little-endian: fromRoot, toRoot; they apply at once. */
  readonly joined?: Uint8Array;
  /** Exactly the members (u64, little-endian) now have this root. Applied after `joined`. */
  readonly parted?: readonly (readonly [root: bigint, members: Uint8Array])[];
  /** Levels and boxes whose voxels changed. */
  readonly touched?: readonly (readonly [mip: number, box: Box])[];
  /** Rows as they are now. */
  readonly rows?: Readonly<Partial<Record<TableName, readonly Row[]>>>;
  /** Keys of rows that are no more. */
  readonly gone?: Readonly<Partial<Record<TableName, readonly bigint[]>>>;
  /** Regions as they are now. */
  readonly regions?: readonly Region[];
  /** Regions that are no more: [id, region]. */
  readonly goneRegions?: readonly (readonly [id: bigint, region: number])[];
  /** Metadata as it is now; nil: the key is no more. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Edits that went out of force, and came back into it. */
  readonly undone?: readonly number[];
  readonly redone?: readonly number[];
}

/** A `changes` map without any change. */
export const NO_CHANGES: Changes = {};

/**
 * Changes as they come on the wire, in their normal form: ids and keys are bigints, bytes are owned. Unknown parts are passed over.
 *
 * @param wire a decoded map; nil = no changes.
 * @throws BflyError BAD_REQUEST where a part is not what it should be.
 */
export function readChanges(wire: unknown): Changes {
  if (wire === undefined || wire === null) return NO_CHANGES;
  const map = readMap(wire, 'changes');
  const seqs = (value: unknown): readonly number[] =>
    readArray(value, 'changes.undone, redone', Number.POSITIVE_INFINITY).map((seq) => readSize(seq, 'seq'));
  const changes: { [K in keyof Changes]: Changes[K] | undefined } = {
    joined: optional(map['joined'], (value) => readWords(value, 'changes.joined', 16)),
    parted: optional(map['parted'], (value) => list(value, 'changes.parted').map(readParted)),
    touched: optional(map['touched'], (value) => list(value, 'changes.touched').map(readTouched)),
    rows: optional(map['rows'], (value) => byTable(value, 'changes.rows', (rows) => list(rows, 'rows').map(readRow))),
    gone: optional(map['gone'], (value) => byTable(value, 'changes.gone', (keys) => readIds(keys, 'keys'))),
    regions: optional(map['regions'], (value) => list(value, 'changes.regions').map(readRegion)),
    goneRegions: optional(map['goneRegions'], (value) => list(value, 'changes.goneRegions').map(readGoneRegion)),
    meta: optional(map['meta'], readMeta),
    undone: optional(map['undone'], seqs),
    redone: optional(map['redone'], seqs),
  };
  return withoutUndefined(changes);
}

/** A region as it comes on the wire, in normal form. @throws BflyError BAD_REQUEST */
export function readRegion(wire: unknown): Region {
  const { id, region, box, alias } = readMap(wire, 'region');
  return {
    id: readId64(id, 'region.id'),
    region: readSize(region, 'region.region'),
    box: optional(box, (value) => readBox(value, 'region.box')) ?? null,
    alias: readId64(alias, 'region.alias'),
  };
}

/** Metadata in normal form: bytes are owned. @throws BflyError BAD_REQUEST */
export function readMeta(wire: unknown): Readonly<Record<string, unknown>> {
  return readMap(ownValue(readMap(wire, 'meta'), 'meta'), 'meta');
}

function list(value: unknown, field: string): readonly unknown[] {
  return readArray(value, field, Number.POSITIVE_INFINITY);
}

/** Owned bytes of whole rows. */
function readWords(value: unknown, field: string, rowBytes: number): Uint8Array {
  if (value instanceof Uint8Array && value.length % rowBytes === 0) return new Uint8Array(value);
  throw badField(field, `bytes (bin) of rows of ${rowBytes}`);
}

function readParted(value: unknown): readonly [bigint, Uint8Array] {
  const [root, members] = list(value, 'changes.parted: each');
  return [readId64(root, 'changes.parted: root'), readWords(members, 'changes.parted: members', 8)];
}

function readTouched(value: unknown): readonly [number, Box] {
  const [mip, box] = list(value, 'changes.touched: each');
  return [readSize(mip, 'changes.touched: mip'), readBox(box, 'changes.touched: box')];
}

function readGoneRegion(value: unknown): readonly [bigint, number] {
  const [id, region] = list(value, 'changes.goneRegions: each');
  return [readId64(id, 'changes.goneRegions: id'), readSize(region, 'changes.goneRegions: region')];
}

function byTable<T>(value: unknown, field: string, read: (part: unknown) => T): Partial<Record<TableName, T>> {
  const map = readMap(value, field);
  const tables: Partial<Record<TableName, T>> = {};
  for (const table of TABLES) if (map[table] !== undefined && map[table] !== null) tables[table] = read(map[table]);
  return tables;
}
