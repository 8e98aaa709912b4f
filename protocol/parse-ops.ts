/** The ops of an EDIT, from decoded maps to typed and checked values. Rules [E1], [E5]..[E11]. What needs a channel is checked elsewhere. */
import {
  badOp,
  type DeleteOp,
  type IdRef,
  type MetaOp,
  OP_NAMES,
  type Op,
  type OpName,
  type PutOp,
  type RegionOp,
  type Seed,
  type SplitOp,
  TABLES,
  type TableName,
  type UndoOp,
  type WriteOp,
} from './edit-ops.ts';
import { BflyError } from './errors.ts';
import { readArray, readBox, readId64, readInt, readSize, readU32 } from './fields.ts';
import type { WireMap } from './messages.ts';
import { ownValue, parseRow, readIds } from './parse-rows.ts';
import { type Box, boxShape, volumeOf } from './volume.ts';
import { countMask } from './voxel-mask.ts';

const MAX_META_KEY = 256;

/** What an op creates: an id of voxels, an alias, or nothing. */
type Creation = 'base' | 'alias' | undefined;

/** What the ops before this one created, by their index. */
interface Place {
  readonly index: number;
  readonly map: WireMap;
  readonly created: readonly Creation[];
}

/**
 * Reads the ops of an EDIT. Rows and metadata are owned; masks and voxels are views of the bytes that the maps hold.
 *
 * @param ops as decoded: ids are numbers, bigints, or `bin` of little-endian u64 in place of a list. Float tokens in integer fields were
 *   refused before ([E6]).
 * @throws BflyError BAD_REQUEST with `{op, field}` in `details`.
 */
export function parseOps(ops: readonly WireMap[]): readonly Op[] {
  const [only] = ops;
  // Most edits: nothing comes behind it that could refer to what it creates.
  if (only !== undefined && ops.length === 1) return [parseOp({ index: 0, map: only, created: NONE_CREATED })];
  const created: Creation[] = [];
  return ops.map((map, index) => {
    const op = parseOp({ index, map, created });
    created.push(creationOf(op));
    return op;
  });
}

const NONE_CREATED: readonly Creation[] = [];

function creationOf(op: Op): Creation {
  if (op.op === 'split' || (op.op === 'write' && op.value === 'new')) return 'base';
  return op.op === 'region' ? 'alias' : undefined;
}

function parseOp(place: Place): Op {
  const { index, map } = place;
  const name = map['op'] as OpName; // what is none of them comes to the default
  switch (name) {
    case 'merge':
    case 'cleave':
      return { op: name, ids: refs(place) };
    case 'split':
      return parseSplit(place);
    case 'region':
      return parseRegion(place);
    case 'write':
      return parseWrite(place);
    case 'put':
      return parsePut(place);
    case 'delete':
      return parseDelete(place);
    case 'undo':
      return { op: 'undo', seq: field(place, 'seq', readSize) } satisfies UndoOp;
    case 'meta':
      return parseMeta(place);
    default:
      throw badOp(index, 'op', `must be one of ${OP_NAMES.join(', ')}`);
  }
}

/** Reads a field; what it throws names the op. */
function field<T>({ index, map }: Place, name: string, read: (value: unknown, field: string) => T): T {
  try {
    return read(map[name], `ops[${index}].${name}`);
  } catch (error) {
    if (!(error instanceof BflyError)) throw error;
    const message = error.message.startsWith('ops[') ? error.message : `ops[${index}].${error.message}`;
    throw new BflyError(error.code, message, { details: { op: index, field: name } });
  }
}

function isSet({ map }: Place, name: string): boolean {
  return map[name] !== undefined && map[name] !== null;
}

function isReference(value: unknown): value is { readonly new: unknown } {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'new') && !(value instanceof Uint8Array);
}

/** `{new: k}`, if op k comes before and creates an id of a legal kind. */
function reference(
  { index, created }: Place,
  name: string,
  value: { readonly new: unknown },
  isBase: boolean,
): { new: number } {
  const k = value.new;
  const creation = typeof k === 'number' && Number.isInteger(k) && k < index ? created[k] : undefined;
  if (typeof k === 'number' && creation !== undefined && !(isBase && creation === 'alias')) return { new: k };
  const makers = isBase ? 'split or write "new"' : 'split, region or write "new"';
  throw badOp(index, name, `must name an earlier op that creates an id, by {new: its index}: a ${makers}`);
}

function refs(place: Place): readonly IdRef[] {
  return field(place, 'ids', (value, name): readonly IdRef[] => {
    if (value instanceof Uint8Array) return readIds(value, name);
    return readArray(value, name, Number.POSITIVE_INFINITY).map((id) =>
      isReference(id) ? reference(place, 'ids', id, false) : readId64(id, name),
    );
  });
}

function baseRef(place: Place): IdRef {
  const value = place.map['id'];
  return isReference(value) ? reference(place, 'id', value, true) : field(place, 'id', readId64);
}

/** The one of some fields that is set. */
function oneOf(place: Place, names: readonly string[]): string {
  const set = names.filter((name) => isSet(place, name));
  const [only] = set;
  if (only !== undefined && set.length === 1) return only;
  const wrong = set[1] ?? names[0] ?? '';
  throw badOp(place.index, wrong, `must stand alone: exactly one of ${names.join(', ')} is given`);
}

function mask(place: Place, box: Box): Uint8Array {
  return field(place, 'mask', (value) => {
    if (!(value instanceof Uint8Array)) throw badOp(place.index, 'mask', 'must be bytes (bin): LEB128 run lengths');
    countMask(value, volumeOf(boxShape(box)));
    return value;
  });
}

function parseSplit(place: Place): SplitOp {
  const id = baseRef(place);
  const box = field(place, 'box', readBox);
  if (oneOf(place, ['mask', 'seeds']) === 'mask') return { op: 'split', id, box, mask: mask(place, box) };
  return { op: 'split', id, box, seeds: field(place, 'seeds', (value, name) => readSeeds(value, name, place.index)) };
}

function readSeeds(value: unknown, name: string, index: number): readonly Seed[] {
  const seeds = readArray(value, name, 65_536).map((seed): Seed => {
    if (!Array.isArray(seed) || seed.length !== 4)
      throw badOp(index, 'seeds', 'must hold voxels and their groups, [x, y, z, group]');
    const at = (axis: number): number => readInt(seed[axis], `${name}: each coordinate`, -0x8000_0000, 0x7fff_ffff);
    return [at(0), at(1), at(2), readInt(seed[3], `${name}: each group`, 1, 2)];
  });
  if (seeds.length === 0) throw badOp(index, 'seeds', 'must hold at least one seed');
  return seeds;
}

function parseRegion(place: Place): RegionOp {
  const id = baseRef(place);
  const region = field(place, 'region', readSize);
  return { op: 'region', id, region, box: isSet(place, 'box') ? field(place, 'box', readBox) : null };
}

function parseWrite(place: Place): WriteOp {
  const box = field(place, 'box', readBox);
  const masked = isSet(place, 'mask') ? { mask: mask(place, box) } : {};
  switch (oneOf(place, ['value', 'values', 'bulk'])) {
    case 'value':
      return { op: 'write', box, ...masked, value: readVoxel(place) };
    case 'values': {
      const { values } = place.map;
      if (!(values instanceof Uint8Array))
        throw badOp(place.index, 'values', 'must be bytes (bin): voxels, little-endian');
      return { op: 'write', box, ...masked, values };
    }
    default:
      return { op: 'write', box, ...masked, bulk: field(place, 'bulk', readU32) };
  }
}

function readVoxel(place: Place): NonNullable<WriteOp['value']> {
  const { value } = place.map;
  if (isReference(value)) return reference(place, 'value', value, true);
  if (value === 'new' || typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return Number.isSafeInteger(value) ? BigInt(value) : value;
  throw badOp(place.index, 'value', 'must be a finite number, "new", or {new: k}');
}

function table({ index, map }: Place): TableName {
  const found = TABLES.find((name) => name === map['table']);
  if (found !== undefined) return found;
  throw badOp(index, 'table', `must be one of ${TABLES.join(', ')}`);
}

function parsePut(place: Place): PutOp {
  const { index, map } = place;
  const name = table(place);
  const { create } = map;
  if (isSet(place, 'create') && typeof create !== 'boolean') throw badOp(index, 'create', 'must be true or false');
  const rows = field(place, 'rows', (value, at) => readArray(value, at, Number.POSITIVE_INFINITY));
  return {
    op: 'put',
    table: name,
    rows: rows.map((row, i) => parseRow(row, name, index, i)),
    create: create === true,
  };
}

function parseDelete(place: Place): DeleteOp {
  return { op: 'delete', table: table(place), keys: field(place, 'keys', readIds) };
}

function parseMeta(place: Place): MetaOp {
  const { key } = place.map;
  if (typeof key !== 'string' || key.length === 0 || key.length > MAX_META_KEY)
    throw badOp(place.index, 'key', `must be a string of 1 to ${MAX_META_KEY} characters`);
  // Metadata travels as a map, and no map may hold this key: rule [F4].
  if (key === '__proto__') throw badOp(place.index, 'key', 'must be another name than __proto__');
  return { op: 'meta', key, value: field(place, 'value', ownValue) ?? null };
}
