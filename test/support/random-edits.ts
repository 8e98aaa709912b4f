/** Edits at random, for fast-check: small ids, so that everything meets everything. */
import fc from 'fast-check';
import type { IdRef, NewRow, Op, TableName } from '../../protocol/edit-ops.ts';
import { TABLES } from '../../protocol/edit-ops.ts';
import type { VoxelOutcome } from '../../protocol/edit-state.ts';

/** An op with its numbers left open: what they name depends on the edits before it. */
interface Plan {
  readonly kind: 'merge' | 'cleave' | 'split' | 'region' | 'write' | 'put' | 'delete' | 'undo' | 'meta';
  readonly numbers: readonly number[];
  readonly flag: boolean;
}

/** Edits, each a list of open ops. */
export type Plans = readonly (readonly Plan[])[];

/** How often each kind of op comes. */
export type Weights = Readonly<Partial<Record<Plan['kind'], number>>>;

/** Everything, with bodies and undos most. */
export const ALL_KINDS: Weights = {
  merge: 6,
  cleave: 4,
  undo: 7,
  split: 1,
  region: 2,
  write: 1,
  put: 2,
  delete: 1,
  meta: 1,
};
/** Bodies alone. */
export const BODY_KINDS: Weights = { merge: 5, cleave: 4, undo: 6 };

/** Random edits, up to so many. */
export function plansOf(maxEdits: number, weights: Weights): fc.Arbitrary<Plans> {
  const kinds = Object.entries(weights).map(([kind, weight]) => ({
    weight: weight ?? 0,
    arbitrary: fc.constant(kind as Plan['kind']),
  }));
  const plan: fc.Arbitrary<Plan> = fc.record({
    kind: fc.oneof(...kinds),
    numbers: fc.array(fc.nat(1_000), { minLength: 4, maxLength: 8 }),
    flag: fc.boolean(),
  });
  return fc.array(fc.array(plan, { minLength: 1, maxLength: 3 }), { maxLength: maxEdits, size: 'max' });
}

/** Ids that plans name: 0, small ones, new ones to come, and some beyond 32 and 53 bits. */
export const SOME_IDS = [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 21n, 22n, 25n, 2n ** 32n + 1n, 2n ** 63n + 5n];
const BOX = [0, 0, 0, 2, 2, 2] as const;

/** The ops of one edit, and what their voxels came to. `seq` is the one that the edit will have. */
export function opsOf(
  plans: readonly Plan[],
  seq: number,
): { readonly ops: readonly Op[]; readonly voxels: ReadonlyMap<number, VoxelOutcome> } {
  const ops: Op[] = [];
  const voxels = new Map<number, VoxelOutcome>();
  for (const [index, plan] of plans.entries()) {
    const op = opOf(plan, seq, ops);
    ops.push(op);
    const [a = 0, b = 0] = plan.numbers;
    if ((op.op === 'split' || op.op === 'write') && a % 4 !== 0)
      voxels.set(index, { voxels: a, touched: [[b % 2, [b % 3, 0, 0, 4, 4, 4]]] });
  }
  return { ops, voxels };
}

function opOf({ kind, numbers, flag }: Plan, seq: number, before: readonly Op[]): Op {
  const [a = 0, b = 0, c = 0] = numbers;
  switch (kind) {
    case 'merge':
    case 'cleave':
      return { op: kind, ids: numbers.slice(0, 1 + (a % numbers.length)).map((n) => idOf(n, before, false)) };
    case 'split':
      return { op: 'split', id: idOf(a, before, true), box: BOX, mask: new Uint8Array([0, 1]) };
    case 'write':
      return { op: 'write', box: BOX, value: flag ? 'new' : 0n };
    case 'region':
      return {
        op: 'region',
        id: idOf(a, before, true),
        region: b % 3,
        box: flag ? [0, 0, 0, 1 + (c % 3), 1, 1] : null,
      };
    case 'put':
      return {
        op: 'put',
        table: tableOf(a),
        rows: numbers.slice(1, 2 + (b % 2)).map((n) => rowOf(tableOf(a), n)),
        create: flag,
      };
    case 'delete':
      return { op: 'delete', table: tableOf(a), keys: [BigInt(b % 6)] };
    case 'undo':
      // Mostly a known seq; now and then 0 or one to come.
      return { op: 'undo', seq: a % 17 === 0 ? (flag ? 0 : seq) : 1 + (a % Math.max(1, seq - 1)) };
    case 'meta':
      return { op: 'meta', key: `m${a % 2}`, value: flag ? b : null };
  }
}

function idOf(n: number, before: readonly Op[], isBase: boolean): IdRef {
  if (n % 5 === 0) {
    const makers = [...before.keys()].filter((k) => {
      const op = before[k];
      return op?.op === 'split' || (op?.op === 'write' && op.value === 'new') || (op?.op === 'region' && !isBase);
    });
    const maker = makers[n % Math.max(1, makers.length)];
    if (maker !== undefined) return { new: maker };
  }
  return SOME_IDS[n % SOME_IDS.length] as bigint;
}

function tableOf(n: number): TableName {
  return TABLES[n % TABLES.length] as TableName;
}

function rowOf(table: TableName, n: number): NewRow {
  const key = n % 3 === 0 && table !== 'neuron' ? {} : { key: BigInt(n % 6) };
  if (table === 'neuron') return { ...key, key: BigInt(n % 30), point: [n, 0.5, 2], name: `n${n}` };
  if (table === 'synapse') return { ...key, pre: BigInt(n % 30), post: BigInt(n % 23), point: [n, 1, 2] };
  return { ...key, kind: 'point', points: [n, 1, 2], ids: [BigInt(n % 28)], props: { deep: [n, 'x'] } };
}
