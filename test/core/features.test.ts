/** What the tests of parity do not say of FEATURE: long answers, and tables that are still being loaded. */
import { describe, expect, it } from 'vitest';
import type { Row } from '../../protocol/edit-ops.ts';
import { Features } from '../../src/core/features.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { columnsOf, type SynapseColumns } from '../../src/database/table-columns.ts';
import { DatabaseLayer } from '../../src/database/tables.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { CHANNEL } from '../support/table-files.ts';

const NUMBER = 3;
const never = (): never => {
  throw new Error('no voxels are needed');
};

async function open(rows: readonly Row[]) {
  const database = new MemoryDatabase();
  const tables = new DatabaseLayer({ database, log: SILENT_LOG });
  await tables.addSynapses(CHANNEL, columnsOf('synapse', rows) as SynapseColumns);
  // A channel whose source cannot be opened: tables do without it.
  const core = {
    getGroups: () => ({ entries: [] }),
    updateQuery: never,
    findUnique: never,
    openReading: never,
    readBox: never,
  };
  const features = new Features({ core, tables, numberOf: () => NUMBER });
  return { database, tables, features };
}

const line = (count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({ key: BigInt(i), pre: 1n, post: BigInt(i % 2), point: [i, 0, 0] }));

type Value = readonly bigint[] | readonly Row[] | Uint8Array | Readonly<Record<string, number>>;

/** All pages of a feature. */
async function pages(
  features: Features,
  query: { readonly feature: string; readonly [option: string]: unknown },
): Promise<Value[]> {
  const found: Value[] = [];
  let after: bigint | undefined;
  do {
    const position = after === undefined ? {} : { after };
    const answer = await features.answer({ path: CHANNEL, ...query, ...position }, 1_000);
    found.push(answer.value as Value);
    after = answer.after;
  } while (after !== undefined);
  return found;
}

function ids(values: readonly Value[]): bigint[] {
  return values.flatMap((value) =>
    value instanceof Uint8Array ? [...new BigUint64Array(value.buffer)] : (value as bigint[]),
  );
}

describe('FEATURE', () => {
  it('[F15] [I6] gives long lists of ids as bytes, in pages of at most 8,000', async () => {
    const { features } = await open(line(20_001));
    const all = await pages(features, { feature: 'synapse_ids' });
    expect(all.map((value) => (value instanceof Uint8Array ? value.length / 8 : value))).toEqual([8_000, 8_000, 4_001]);
    expect(ids(all)).toEqual(Array.from({ length: 20_001 }, (_, i) => BigInt(i)));
    // As many as a page has: no page follows.
    const boxed = await pages(features, { feature: 'synapse_ids', box: [100, 0, 0, 8_100, 1, 1] });
    expect(boxed.length).toBe(1);
    expect(ids(boxed).at(-1)).toBe(8_099n);
    expect(
      (await pages(features, { feature: 'synapse_ids', box: [100, 0, 0, 8_101, 1, 1] })).map(
        (page) => ids([page]).length,
      ),
    ).toEqual([8_000, 1]);
  });

  it('[I6] gives the synapses of a neuron in pages', async () => {
    const { features } = await open(line(6_000));
    const all = await pages(features, { feature: 'neuron_children', key: 0n });
    expect(all.map((value) => Object.keys(value).length)).toEqual([2_500, 500]);
    const joined = Object.assign({}, ...all) as Record<string, number>;
    expect(joined['0']).toBe(2);
    expect(joined['5998']).toBe(2);
    expect(Object.assign({}, ...(await pages(features, { feature: 'neuron_children', key: 1n })))).toMatchObject({
      0: 1,
      1: 3,
    });
  });

  it('[I6] gives the same pages of a box with so many rows that they are read in order of keys', async () => {
    const { features, database, tables } = await open(line(70_000));
    const moved: Row = { key: 69_000n, pre: 1n, post: 1n, point: [-5, 0, 0] };
    await database.commit({
      entries: tables.channelTables(CHANNEL, NUMBER).overlayWrites({ synapse: [moved] }, { synapse: [3n] }),
    });
    const all = ids(await pages(features, { feature: 'synapse_ids', box: [0, 0, 0, 69_999, 1, 1] }));
    expect(all.length).toBe(69_997);
    expect(all.slice(0, 4)).toEqual([0n, 1n, 2n, 4n]);
    expect(all).not.toContain(69_000n);
    expect(all.at(-1)).toBe(69_998n);
  });

  it('[F10] [I6] gives rows as many at a time as a reply may hold, and names one that no reply may', async () => {
    const { features, database, tables } = await open(line(3));
    const text = 'x'.repeat(10_000);
    const note = (key: number, more: object = {}): Row => ({
      key: BigInt(key),
      kind: 'point',
      points: [key, 0, 0],
      text,
      ...more,
    });
    const notes = Array.from({ length: 13 }, (_, i) => note(i));
    const write = async (rows: Row[]): Promise<void> =>
      database.commit({
        entries: tables.channelTables(CHANNEL, NUMBER).overlayWrites({ annotation: rows }, undefined),
      });
    await write(notes);
    const all = (await pages(features, { feature: 'annotation_rows' })) as (readonly Row[])[];
    expect(all.map((rows) => rows.length)).toEqual([5, 5, 3]);
    expect(all.flat()).toEqual(notes);
    expect(
      ((await pages(features, { feature: 'annotation_rows', box: [3, 0, 0, 5, 1, 1] })) as Row[][]).flat(),
    ).toEqual([notes[3], notes[4]]);
    await write([note(5, { text: text.repeat(7) })]);
    const beyond = features.answer({ path: CHANNEL, feature: 'annotation_rows', after: 4n }, 1);
    await expect(beyond).rejects.toMatchObject({
      code: 'TOO_LARGE',
      details: { key: 5n },
      message: expect.stringContaining('after: 5'),
    });
    const rest = await features.answer({ path: CHANNEL, feature: 'annotation_rows', after: 5n }, 1);
    expect((rest.value as Row[])[0]?.key).toBe(6n);
  });

  it('waits for tables that are being loaded', async () => {
    const { features, tables } = await open(line(3));
    let loaded = (): void => {};
    const loading = new Promise<void>((resolve) => {
      loaded = resolve;
    });
    tables.ready = () => loading;
    let isAnswered = false;
    const answer = features.answer({ path: CHANNEL, feature: 'is_synapse', key: 2n }, 1).then((found) => {
      isAnswered = true;
      return found;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isAnswered).toBe(false);
    loaded();
    expect(await answer).toEqual({ value: true });
  });

  it('ends when it is given up', async () => {
    const { features } = await open(line(30_000));
    const abort = new AbortController();
    abort.abort(new Error('given up'));
    // The box is looked through in slices, and between them it is seen that nobody waits.
    const slow = performance.now.bind(performance);
    let ahead = 0;
    performance.now = () => {
      ahead += 5;
      return slow() + ahead;
    };
    try {
      await expect(features.answer({ path: CHANNEL, feature: 'synapse_ids' }, 1, abort.signal)).rejects.toThrow(
        'given up',
      );
    } finally {
      performance.now = slow;
    }
  });
});
