/** What a subscriber wants to see of edits. Rules [S12], [S13]. */
import type { Changes } from '../../../protocol/edit-changes.ts';
import { OP_NAMES, type Row, TABLES, type TableName } from '../../../protocol/edit-ops.ts';
import { BflyError } from '../../../protocol/errors.ts';
import { readArray, readBox, readId64, readInt } from '../../../protocol/fields.ts';
import type { WireMap } from '../../../protocol/messages.ts';
import type { Box } from '../../../protocol/volume.ts';
import type { LoggedRecord } from '../../core/edits/edit-request.ts';
import { intersect } from '../../query/box.ts';

/** Ids of a filter, which lives as long as its subscription. */
const MAX_IDS = 4_096;

/** Leaves out ops, touched boxes and rows that do not meet a filter. Everything that is unset is met. */
export class EditFilter {
  readonly #box: Box | undefined;
  readonly #mips: ReadonlySet<number> | undefined;
  readonly #ids: ReadonlySet<bigint> | undefined;
  readonly #kinds: ReadonlySet<string> | undefined;

  /** @param filter as it came. @throws BAD_REQUEST. */
  constructor(filter: WireMap) {
    const { box, mips, ids, kinds } = filter;
    this.#box = isUnset(box) ? undefined : readBox(box, 'filter.box');
    this.#mips = isUnset(mips)
      ? undefined
      : new Set(readArray(mips, 'filter.mips', 256).map((mip) => readInt(mip, 'filter.mips: each', 0, 255)));
    this.#ids = isUnset(ids) ? undefined : new Set(readIds(ids));
    this.#kinds = isUnset(kinds) ? undefined : new Set(readKinds(kinds));
  }

  /** An edit without what the filter leaves out; undefined where nothing is left of it that has to be told. */
  apply(record: LoggedRecord): { readonly ops: LoggedRecord['ops']; readonly changes: Changes } | undefined {
    const { touched, rows, gone, ...rest } = record.changes;
    const kept = record.ops.filter((op) => this.#meetsOp(op, record));
    const keptTouched = touched?.filter(([mip, box]) => this.#meetsTouched(mip, box)) ?? [];
    const changes: Changes = {
      ...rest,
      ...(keptTouched.length === 0 ? {} : { touched: keptTouched }),
      ...this.#keptRows(rows, gone),
    };
    const isEmpty = kept.length === 0 && Object.keys(changes).length === 0;
    return isEmpty ? undefined : { ops: kept, changes };
  }

  /** Whether it leaves nothing out. */
  get isOpen(): boolean {
    return [this.#box, this.#mips, this.#ids, this.#kinds].every((part) => part === undefined);
  }

  /** Whether a row is to be shown. */
  meetsRow(table: TableName, row: Row): boolean {
    if (this.#kinds !== undefined && !this.#kinds.has('put')) return false;
    return this.#meetsPlace(row) && this.#meetsIds(idsOfRow(table, row));
  }

  /** Rows that do not meet the filter are told as gone: they may have met it before. */
  #keptRows(rows: Changes['rows'] = {}, gone: Changes['gone'] = {}): Pick<Changes, 'rows' | 'gone'> {
    const kept: Partial<Record<TableName, readonly Row[]>> = {};
    const left: Partial<Record<TableName, readonly bigint[]>> = {};
    for (const table of TABLES) {
      const met: Row[] = [];
      const keys = [...(gone[table] ?? [])];
      for (const row of rows[table] ?? [])
        if (this.meetsRow(table, row)) met.push(row);
        else keys.push(row.key);
      if (met.length > 0) kept[table] = met;
      if (keys.length > 0) left[table] = keys;
    }
    return {
      ...(Object.keys(kept).length === 0 ? {} : { rows: kept }),
      ...(Object.keys(left).length === 0 ? {} : { gone: left }),
    };
  }

  #meetsOp(op: WireMap, record: LoggedRecord): boolean {
    if (this.#kinds !== undefined && !this.#kinds.has(String(op['op']))) return false;
    const { box, ids, id } = op;
    if (this.#box !== undefined && Array.isArray(box) && intersect(this.#box, box as unknown as Box) === undefined)
      return false;
    if (this.#ids === undefined) return true;
    const named = [...(Array.isArray(ids) ? ids : ids instanceof Uint8Array ? idsOf(ids) : []), id].flatMap(asId);
    if (named.length === 0) return true;
    // Whoever follows a body follows what it becomes.
    const moved = record.changes.joined === undefined ? [] : [...idsOf(record.changes.joined)];
    return this.#meetsIds([...named, ...moved]);
  }

  #meetsTouched(mip: number, box: Box): boolean {
    if (this.#mips !== undefined && !this.#mips.has(mip)) return false;
    if (this.#box === undefined) return true;
    // The filter's box is of mip 0; a coarser one is met where its footprint may be.
    return mip > 0 || intersect(this.#box, box) !== undefined;
  }

  #meetsPlace(row: Row): boolean {
    if (this.#box === undefined) return true;
    const { point, points } = row;
    const flat = Array.isArray(point) ? point : Array.isArray(points) ? points : undefined;
    if (flat === undefined) return true;
    const [x0, y0, z0, x1, y1, z1] = this.#box;
    const low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    for (const [i, value] of flat.entries()) {
      const axis = i % 3;
      low[axis] = Math.min(low[axis] as number, Number(value));
      high[axis] = Math.max(high[axis] as number, Number(value));
    }
    const meets = (axis: number, from: number, to: number): boolean =>
      (low[axis] as number) < to && (high[axis] as number) >= from;
    return meets(0, x0, x1) && meets(1, y0, y1) && meets(2, z0, z1);
  }

  #meetsIds(ids: readonly bigint[]): boolean {
    return this.#ids === undefined || ids.length === 0 || ids.some((id) => this.#ids?.has(id) === true);
  }
}

function isUnset(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

function readIds(value: unknown): bigint[] {
  if (!(value instanceof Uint8Array))
    return readArray(value, 'filter.ids', MAX_IDS).map((id) => readId64(id, 'filter.ids: each'));
  if (value.length % 8 === 0 && value.length <= 8 * MAX_IDS) return idsOf(value);
  throw new BflyError('BAD_REQUEST', `filter.ids must be whole u64, at most ${MAX_IDS}`);
}

function readKinds(value: unknown): string[] {
  return readArray(value, 'filter.kinds', 64).map((kind) => {
    if (typeof kind === 'string' && (OP_NAMES as readonly string[]).includes(kind)) return kind;
    throw new BflyError('BAD_REQUEST', `filter.kinds: each must be one of ${OP_NAMES.join(', ')}`);
  });
}

function idsOf(bytes: Uint8Array): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / 8) }, (_, i) => view.getBigUint64(8 * i, true));
}

function asId(value: unknown): bigint[] {
  if (typeof value === 'bigint') return [value];
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? [BigInt(value)] : [];
}

/** Ids of voxels that a row is about. The key of a neuron is one. */
function idsOfRow(table: TableName, { key, pre, post, ids }: Row): bigint[] {
  return [table === 'neuron' ? key : undefined, pre, post, ...(Array.isArray(ids) ? ids : [])].flatMap(asId);
}
