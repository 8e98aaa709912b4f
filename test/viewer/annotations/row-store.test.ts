import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Row } from '../../../src/client/index.ts';
import { type RowSource, RowStore } from '../../../src/viewer/page/annotations/row-store.ts';
import { SHOWN_TABLES, type ShownTable } from '../../../src/viewer/page/annotations/shape.ts';
import { fakeInfo } from '../../support/fake-stage.ts';
import { testRuns, testSeed } from '../../support/seed.ts';

const info = fakeInfo('a/b/c/d');
const EVERYWHERE = { low: [-1e6, -1e6, -1e6], high: [1e6, 1e6, 1e6] } as const;

/** Rows that are certain, and own ones over them. */
class FakeRows implements RowSource {
  readonly sure: Record<ShownTable, Map<bigint, Row>> = { annotation: new Map(), synapse: new Map() };
  /** Undefined: deleted. */
  pending: (readonly [ShownTable, bigint, Row | undefined])[] = [];

  certain(table: ShownTable): Iterable<Row> {
    return this.sure[table].values();
  }

  row(table: ShownTable, key: bigint): Row | undefined {
    const own = this.pending.findLast(([name, id]) => name === table && id === key);
    return own === undefined ? this.sure[table].get(key) : own[2];
  }

  *own(): Generator<readonly [ShownTable, bigint]> {
    for (const [table, key] of this.pending) yield [table, key];
  }

  /** All rows as they are to be shown. */
  shown(): string[] {
    return SHOWN_TABLES.flatMap((table) => {
      const keys = [
        ...this.sure[table].keys(),
        ...this.pending.flatMap(([name, key]) => (name === table ? [key] : [])),
      ];
      return [...new Set(keys)].flatMap((key) => {
        const row = this.row(table, key);
        return row === undefined ? [] : [`${table} ${key} ${row['text']}`];
      });
    }).sort();
  }
}

function rowAt(table: ShownTable, key: bigint, x: number): Row {
  const place = [x, x + 1, 2];
  const text = `at ${x}`;
  return table === 'synapse'
    ? { key, pre: 1n, post: 2n, point: place, text }
    : { key, kind: 'point', points: place, text };
}

function found(store: RowStore): string[] {
  return store
    .near(EVERYWHERE, 10_000)
    .map(({ table, key, row }) => `${table} ${key} ${row['text']}`)
    .sort();
}

function listed(store: RowStore): string[] {
  return SHOWN_TABLES.flatMap((table) =>
    [...store.all(table)].map(({ key, row }) => `${table} ${key} ${row['text']}`),
  ).sort();
}

type Step =
  | readonly ['sure' | 'own', ShownTable, number, number | undefined]
  | readonly ['answer' | 'refuse' | 'flush' | 'rebuild'];

const table = fc.constantFrom(...SHOWN_TABLES);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(
    fc.constantFrom('sure', 'own'),
    table,
    fc.integer({ min: 0, max: 6 }),
    fc.option(fc.nat(90), { nil: undefined }),
  ),
  fc.tuple(fc.constantFrom('answer', 'refuse', 'flush', 'rebuild')),
) as fc.Arbitrary<Step>;

describe('the shapes of a channel', () => {
  it('are its rows with own edits over them, after any edits, answers, refusals and rebuilds', async () => {
    const seed = testSeed('are its rows with own edits over them');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const rows = new FakeRows();
        const store = new RowStore(info, rows, () => Promise.resolve());
        const rebuilds: Promise<boolean>[] = [];
        for (const [name, ...args] of steps) take(rows, store, rebuilds, name, args as unknown as Args);
        await Promise.all(rebuilds);
        store.flush();
        expect(found(store)).toEqual(rows.shown());
        expect(listed(store)).toEqual(rows.shown());
        expect(store.count).toBe(rows.shown().length);
      }),
      { seed, numRuns: testRuns(300) },
    );
  });

  it('stay as they were while all rows are read anew, and show then what changed meanwhile', async () => {
    const rows = new FakeRows();
    for (let key = 0n; key < 5_000n; key++) rows.sure.synapse.set(key, rowAt('synapse', key, Number(key % 90n)));
    const pauses: (() => void)[] = [];
    const store = new RowStore(info, rows, () => new Promise((resolve) => pauses.push(resolve)));
    const first = store.rebuild();
    await drain(pauses);
    await first;
    expect(store.count).toBe(5_000);
    rows.sure.synapse.delete(7n);
    const second = store.rebuild();
    rows.sure.synapse.set(8n, rowAt('synapse', 8n, 77));
    rows.sure.synapse.set(9_999n, rowAt('synapse', 9_999n, 3));
    for (const key of [7n, 8n, 9_999n]) store.mark('synapse', key);
    store.flush();
    expect(store.get('synapse', 7n)).toBeDefined();
    await drain(pauses);
    expect(await second).toBe(true);
    expect(store.get('synapse', 7n)).toBeUndefined();
    expect(store.get('synapse', 8n)?.row['text']).toBe('at 77');
    expect(found(store)).toEqual(rows.shown());
  });

  it('are read by the newest of several rebuilds alone', async () => {
    const rows = new FakeRows();
    for (let key = 0n; key < 3_000n; key++) rows.sure.annotation.set(key, rowAt('annotation', key, 5));
    const pauses: (() => void)[] = [];
    const store = new RowStore(info, rows, () => new Promise((resolve) => pauses.push(resolve)));
    const both = [store.rebuild(), store.rebuild()];
    await drain(pauses);
    expect(await Promise.all(both)).toEqual([false, true]);
    expect(store.count).toBe(3_000);
  });
});

type Args = readonly [ShownTable, number, number | undefined];

function take(rows: FakeRows, store: RowStore, rebuilds: Promise<boolean>[], name: Step[0], args: Args): void {
  const [table, number, x] = args;
  if (name === 'sure') {
    if (x === undefined) rows.sure[table].delete(BigInt(number));
    else rows.sure[table].set(BigInt(number), rowAt(table, BigInt(number), x));
    store.mark(table, BigInt(number));
  } else if (name === 'own') {
    const key = number === 0 ? BigInt(-1 - rows.pending.length) : BigInt(number);
    rows.pending = [...rows.pending, [table, key, x === undefined ? undefined : rowAt(table, key, x)]];
    store.markOwn();
  } else if (name === 'answer' || name === 'refuse') {
    const [first, ...rest] = rows.pending;
    rows.pending = rest;
    if (first !== undefined && name === 'answer') {
      const [of, key, row] = first;
      const given = key < 0n ? 100n - key : key;
      if (row === undefined) rows.sure[of].delete(given);
      else rows.sure[of].set(given, { ...row, key: given });
      store.mark(of, given);
    }
    store.markOwn();
  } else if (name === 'flush') store.flush();
  else rebuilds.push(store.rebuild());
}

/** Lets all pauses end, those too that come meanwhile. */
async function drain(pauses: (() => void)[]): Promise<void> {
  for (let quiet = 0; quiet < 5; quiet++) {
    if (pauses.length > 0) quiet = 0;
    for (const go of pauses.splice(0)) go();
    await Promise.resolve();
  }
}
