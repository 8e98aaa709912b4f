/** The ops of an EDIT: where floats may stand in them. Rules [F5] and [E6]. */
import { badField, readArray, readMap } from './fields.ts';
import type { WireMap } from './messages.ts';

/** Fields of ops that hold integers only, nested arrays and maps included. */
const OP_INTEGERS = ['ids', 'id', 'region', 'box', 'seeds', 'seq', 'bulk', 'keys'] as const;
/** Fields of the rows of a `put` that hold integers only. */
const ROW_INTEGERS = ['key', 'pre', 'post', 'ids', 'time'] as const;

/**
 * Reads the ops of an EDIT as they came, and refuses floats in their integer fields.
 *
 * @param strict the ops decoded with every float made a `bin`; the same value as `loose` where the frame holds no float.
 * @throws BflyError BAD_REQUEST with the op's index and field in `details`.
 */
export function readOps(strict: unknown, loose: unknown): readonly WireMap[] {
  const ops = readArray(loose, 'ops', 1_024).map((op) => readMap(op, 'ops: each'));
  if (strict === loose) return ops;
  const strictOps = readArray(strict, 'ops', 1_024);
  for (const [index, op] of ops.entries()) refuseFloats(index, readMap(strictOps[index], 'ops: each'), op);
  return ops;
}

function refuseFloats(index: number, strict: WireMap, loose: WireMap): void {
  const check = (names: readonly string[], a: WireMap, b: WireMap): void => {
    const name = names.find((field) => Object.hasOwn(b, field) && holdsFloat(a[field], b[field]));
    if (name !== undefined)
      throw badField(`ops[${index}].${name}`, 'of integers, sent as int tokens', { op: index, field: name });
  };
  check(OP_INTEGERS, strict, loose);
  const strictRows = strict['rows'];
  const rows = loose['rows'];
  if (!Array.isArray(rows) || !Array.isArray(strictRows)) return;
  for (const [i, row] of rows.entries())
    check(ROW_INTEGERS, readMap(strictRows[i], 'rows: each'), readMap(row, 'rows: each'));
}

/** Whether a float token stood somewhere in a value: there `strict` has bytes and `loose` a number. */
function holdsFloat(strict: unknown, loose: unknown): boolean {
  if (typeof loose === 'number') return typeof strict !== 'number';
  if (typeof loose !== 'object' || loose === null || loose instanceof Uint8Array) return false;
  if (typeof strict !== 'object' || strict === null) return false;
  if (Array.isArray(loose)) return Array.isArray(strict) && loose.some((value, i) => holdsFloat(strict[i], value));
  const parts = strict as WireMap; // an object that is neither array nor bytes came from a map
  return Object.entries(loose).some(([key, value]) => holdsFloat(parts[key], value));
}
