/** Rows of tables as annotations and as properties of segments, read back as the format's text says. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Row } from '../../../protocol/edit-ops.ts';
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts';
import type { WireMap } from '../../../protocol/messages.ts';
import { precomputedRoute } from '../../../src/access/http/precomputed-route.ts';
import { assembleCore } from '../../../src/core/assemble.ts';
import { ALL_RIGHTS } from '../../../src/core/rights.ts';
import { MemoryDatabase } from '../../../src/database/memory-database.ts';
import { columnsOf, type SynapseColumns } from '../../../src/database/table-columns.ts';
import { DatabaseLayer } from '../../../src/database/tables.ts';
import { openArraySource } from '../../../src/image/array-source.ts';
import { InlineTileMaker } from '../../../src/image/inline-tile-maker.ts';
import { SILENT_LOG } from '../../../src/utility/log.ts';
import { ask } from '../../support/ask-route.ts';
import { seededRandom, testSeed } from '../../support/seed.ts';

const PATH = 'lab/fly/cube/ids';
const OFFSET = [1_000, -50, 0] as const;
const SHAPE = [400, 300, 20] as const;

interface Spatial {
  readonly key: string;
  readonly grid_shape: readonly [number, number, number];
  readonly chunk_size: readonly [number, number, number];
  readonly limit: number;
}
interface Info {
  readonly annotation_type: string;
  readonly dimensions: Readonly<Record<string, readonly [number, string]>>;
  readonly lower_bound: readonly number[];
  readonly upper_bound: readonly number[];
  readonly relationships: readonly { readonly id: string; readonly key: string }[];
  readonly by_id: { readonly key: string };
  readonly spatial: readonly Spatial[];
}

let stop = async (): Promise<void> => {};
afterEach(() => stop());

/** A segmentation with tables, served. */
async function serve(rows: { readonly synapses?: readonly Row[]; readonly neurons?: readonly Row[] } = {}) {
  const database = new MemoryDatabase();
  const tables = new DatabaseLayer({ database, log: SILENT_LOG });
  const { synapses = [], neurons = [] } = rows;
  if (synapses.length > 0) await tables.addSynapses(PATH, columnsOf('synapse', synapses) as SynapseColumns);
  if (neurons.length > 0) await tables.addNeurons(PATH, columnsOf('neuron', neurons));
  const data = new Uint8Array(4 * SHAPE[0] * SHAPE[1] * SHAPE[2]);
  const maker = new InlineTileMaker(async () => {
    const source = await openArraySource({
      ...{ data, shape: SHAPE, offset: OFFSET, voxel: [4, 4, 40], dtype: 'uint32', type: 'segmentation' },
    });
    return { info: { ...source.info, fingerprint: PATH }, read: source.read.bind(source), close: async () => {} };
  });
  const channels = [{ path: PATH, spec: { path: PATH } }];
  const { core, logs } = assembleCore({
    ...{ database, maker, channels, tables, cacheBytes: 2 ** 20, limits: DEFAULT_LIMITS, log: SILENT_LOG },
  });
  const channel = await core.updateQuery({ path: PATH });
  stop = () => logs.close();
  let wseq = 0;
  const submit = async (...ops: WireMap[]): Promise<void> => {
    const request = { wid: new Uint8Array(16).fill(7), wseq: ++wseq, base: null, ops, bulk: () => Promise.reject() };
    await logs.logOf(channel)?.log.submit(request, { user: { id: 'ada', name: 'Ada' }, rights: ALL_RIGHTS });
  };
  const routes = [precomputedRoute(core)];
  const page = (name: string) => ask(routes, `/precomputed/${PATH}/${name}`);
  const infoOf = async (kind: string): Promise<Info> => JSON.parse((await page(`annotations/${kind}/info`)).text);
  return { core, page, infoOf, submit };
}

/** A list of annotations, of so many floats each. */
function readList(bytes: Uint8Array, floats: number): Map<bigint, readonly number[]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = Number(view.getBigUint64(0, true));
  expect(bytes.length).toBe(8 + count * (4 * floats + 8));
  const found = new Map<bigint, readonly number[]>();
  for (let i = 0; i < count; i++) {
    const at = 8 + i * 4 * floats;
    const numbers = Array.from({ length: floats }, (_, n) => view.getFloat32(at + 4 * n, true));
    found.set(view.getBigUint64(8 + count * 4 * floats + 8 * i, true), numbers);
  }
  expect(found.size).toBe(count);
  return found;
}

/** Names of all cells of a level. */
function* cellsOf({ grid_shape: [nx, ny, nz] }: Spatial): Generator<readonly [number, number, number]> {
  for (let k = 0; k < nz; k++) for (let j = 0; j < ny; j++) for (let i = 0; i < nx; i++) yield [i, j, k];
}

const point = (x: number, y: number, z: number): number[] => [x, y, z];

describe('synapses as annotations', () => {
  it('are points in voxels of the finest level, between the bounds of the volume', async () => {
    const { infoOf } = await serve({ synapses: [{ key: 3n, pre: 1n, post: 2n, point: point(1_010, -40, 5) }] });
    expect(await infoOf('synapse')).toEqual({
      '@type': 'neuroglancer_annotations_v1',
      dimensions: { x: [4e-9, 'm'], y: [4e-9, 'm'], z: [expect.closeTo(4e-8, 15), 'm'] },
      lower_bound: OFFSET,
      upper_bound: [1_400, 250, 20],
      annotation_type: 'POINT',
      properties: [],
      relationships: [
        { id: 'pre', key: 'rel_pre' },
        { id: 'post', key: 'rel_post' },
      ],
      by_id: { key: 'by_id' },
      spatial: [{ key: 'spatial0', grid_shape: [1, 1, 1], chunk_size: SHAPE, limit: 4_096 }],
    });
  });

  it('stand in one cell of one level each, however many there are', async () => {
    const random = seededRandom(testSeed('annotations in cells'));
    // Some of them outside the volume.
    const place = (): number[] => [900 + 600 * random(), -80 + 360 * random(), 24 * random() - 2].map(Math.floor);
    const synapses = Array.from({ length: 30_000 }, (_, i) => ({
      ...{ key: BigInt(i) * 977n, pre: 1n, post: 2n, point: place() },
    }));
    const { page, infoOf } = await serve({ synapses });
    const { spatial, lower_bound } = await infoOf('synapse');
    expect(spatial.length).toBeGreaterThan(1);
    const all = new Map<bigint, readonly number[]>();
    const wrong: unknown[] = [];
    for (const level of spatial) {
      let most = 0;
      for (const cell of cellsOf(level)) {
        const found = readList((await page(`annotations/synapse/${level.key}/${cell.join('_')}`)).bytes, 3);
        most = Math.max(most, found.size);
        for (const [key, at] of found) {
          if (all.has(key)) wrong.push([level.key, cell, key, 'again']);
          all.set(key, at);
          for (const axis of [0, 1, 2] as const) {
            const low = (lower_bound[axis] as number) + cell[axis] * level.chunk_size[axis];
            const isLow = cell[axis] === 0 || (at[axis] as number) >= Math.fround(low);
            const isHigh =
              cell[axis] === level.grid_shape[axis] - 1 || (at[axis] as number) < low + level.chunk_size[axis];
            if (!isLow || !isHigh) wrong.push([level.key, cell, key, at]);
          }
        }
      }
      expect(wrong).toEqual([]);
      // As many as the level says, but for chance and for what lies outside.
      expect(most).toBeLessThan(2 * level.limit);
    }
    expect(all.size).toBe(synapses.length);
    expect(all).toEqual(new Map(synapses.map(({ key, point }) => [key, point])));
    for (const name of ['spatial0/1_0_0', 'spatial9/0_0_0', 'spatial0/0_0', 'spatial0/00_0_0', 'spatial/0_0_0'])
      expect([name, (await page(`annotations/synapse/${name}`)).status]).toEqual([name, 404]);
  });

  it('are found by their keys, with both neurons, and by their neurons', async () => {
    const { page } = await serve({
      synapses: [
        { key: 3n, pre: 1n, post: 2n ** 63n + 5n, point: point(1, 2, 3) },
        { key: 4n, pre: 1n, post: 9n, point: point(4, 5, 6) },
      ],
    });
    const one = (await page('annotations/synapse/by_id/3')).bytes;
    const view = new DataView(one.buffer);
    expect([one.length, view.getFloat32(8, true)]).toEqual([12 + 2 * 12, 3]);
    expect([view.getUint32(12, true), view.getBigUint64(16, true)]).toEqual([1, 1n]);
    expect([view.getUint32(24, true), view.getBigUint64(28, true)]).toEqual([1, 2n ** 63n + 5n]);
    const related = async (name: string) => [...readList((await page(`annotations/synapse/${name}`)).bytes, 3).keys()];
    expect((await related('rel_pre/1')).sort()).toEqual([3n, 4n]);
    expect(await related('rel_post/9')).toEqual([4n]);
    expect(await related('rel_post/1')).toEqual([]);
    for (const name of [
      'by_id/18446744073709551619',
      'by_id/5',
      'by_id/x',
      'by_id/99999999999999999999',
      'by_id',
      'rel_mid/1',
      'rel_pre/-1',
      '',
    ])
      expect([name, (await page(`annotations/synapse/${name}`)).status]).toEqual([name, 404]);
  });
});

describe('tables that edits changed', () => {
  it('are annotations as they are now: lines, boxes, ellipsoids and points each of their own', async () => {
    const { page, submit, infoOf } = await serve();
    const row = (key: number, kind: string, points: number[], more: WireMap = {}): WireMap => ({
      ...{ key, kind, points, ...more },
    });
    const rows = [
      row(1, 'point', [1, 2, 3], { ids: [7, 8] }),
      row(2, 'line', [1, 2, 3, 4.5, 5, 6]),
      row(3, 'box', [9, 2, 3, 4, 5, 6]),
      row(4, 'ellipsoid', [2, 2, 2, 6, 4, 2]),
    ];
    await submit({ op: 'put', table: 'annotation', rows });
    const listed = async (kind: string, floats: number) =>
      Object.fromEntries(readList((await page(`annotations/annotation-${kind}/spatial0/0_0_0`)).bytes, floats));
    expect(await listed('point', 3)).toEqual({ 1: [1, 2, 3] });
    expect(await listed('line', 6)).toEqual({ 2: [1, 2, 3, 4.5, 5, 6] });
    expect(await listed('box', 6)).toEqual({ 3: [4, 2, 3, 9, 5, 6] });
    expect(await listed('ellipsoid', 6)).toEqual({ 4: [4, 3, 2, 2, 1, 0] });
    expect((await infoOf('annotation-line')).annotation_type).toBe('LINE');
    expect((await infoOf('annotation-box')).annotation_type).toBe('AXIS_ALIGNED_BOUNDING_BOX');
    expect((await infoOf('annotation-ellipsoid')).annotation_type).toBe('ELLIPSOID');
    const related = await page('annotations/annotation-point/rel_segments/8');
    expect([...readList(related.bytes, 3).keys()]).toEqual([1n]);
    expect((await page('annotations/annotation-line/by_id/1')).status).toBe(404);
    expect((await page('annotations/annotation-point/by_id/1')).status).toBe(200);
    // 2^64 more.
    expect((await page('annotations/annotation-point/by_id/18446744073709551617')).status).toBe(404);
    const tag = related.headers['etag'];
    await submit({ op: 'delete', table: 'annotation', keys: [1] });
    const after = await page('annotations/annotation-point/rel_segments/8');
    expect(readList(after.bytes, 3).size).toBe(0);
    expect(after.headers['etag']).not.toBe(tag);
    for (const name of ['annotations/polyline/info', 'annotations/info', 'annotations/annotation/info'])
      expect([name, (await page(name)).status]).toEqual([name, 404]);
  });

  it('are properties of segments where there are neurons: names, and numbers of synapses', async () => {
    const { page, submit } = await serve({
      neurons: [
        { key: 20n, point: point(1, 1, 1) },
        { key: 2n ** 60n, point: point(2, 2, 2) },
      ],
      synapses: [
        { key: 1n, pre: 20n, post: 2n ** 60n, point: point(1, 2, 3) },
        { key: 2n, pre: 20n, post: 20n, point: point(1, 2, 3) },
      ],
    });
    const read = async () => JSON.parse((await page('segment_properties/info')).text);
    const before = await read();
    expect(before).toEqual({
      '@type': 'neuroglancer_segment_properties',
      inline: {
        ids: ['20', '1152921504606846976'],
        properties: [
          expect.objectContaining({ id: 'outputs', type: 'number', data_type: 'uint32', values: [2, 0] }),
          expect.objectContaining({ id: 'inputs', type: 'number', data_type: 'uint32', values: [1, 1] }),
        ],
      },
    });
    expect(JSON.parse((await page('info')).text).segment_properties).toBe('segment_properties');
    await submit({ op: 'put', table: 'neuron', rows: [{ key: 20, point: [1, 1, 1], name: 'DA1' }] });
    expect((await read()).inline.properties[0]).toEqual({ id: 'label', type: 'label', values: ['DA1', ''] });
  });

  it('are no properties where there is no neuron', async () => {
    const { page } = await serve();
    expect((await page('segment_properties/info')).status).toBe(404);
    expect(JSON.parse((await page('info')).text)).not.toHaveProperty('segment_properties');
  });

  it('are not those of the past', async () => {
    const { core } = await serve({ neurons: [{ key: 20n, point: point(1, 1, 1) }] });
    for (const name of ['annotations/neuron/info', 'segment_properties/info'])
      expect((await ask([precomputedRoute(core)], `/precomputed/${PATH}@0/${name}`)).status).toBe(404);
  });
});
