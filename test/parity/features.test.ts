/** Butterfly's questions to tables, as parity.md 14 numbers them: over sockets, and of the DatabaseLayer itself. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClientMessage } from '../../protocol/messages.ts';
import { type Box, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { loadUws } from '../../src/access/transport/uws-transport.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { DatabaseLayer } from '../../src/database/tables.ts';
import type { Source } from '../../src/image/source.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { Probe } from '../support/probe.ts';
import {
  CHANNEL,
  catalogueOf,
  DATASET,
  DS_SOMATA,
  DS_SYNAPSES,
  loadFolder,
  TableFolders,
} from '../support/table-files.ts';
import { startTestServer, type TestServer, type TestVolume } from '../support/test-server.ts';

const folders = new TableFolders();
afterAll(() => folders.removeAll());

/** Voxel values of the channel: id 10 in the box below, 5 (no neuron) at one voxel, else 0. */
const TEN: Box = [100, 10, 1, 103, 12, 2];
const SHAPE: Vec3 = [512, 64, 4];
const BARE = 'lab/fly/bare/seg';

function labels(): Uint8Array {
  const voxels = new Uint32Array(volumeOf(SHAPE));
  for (let z = TEN[2]; z < TEN[5]; z++)
    for (let y = TEN[1]; y < TEN[4]; y++)
      for (let x = TEN[0]; x < TEN[3]; x++) voxels[(z * SHAPE[1] + y) * SHAPE[0] + x] = 10;
  voxels[0] = 5;
  return new Uint8Array(voxels.buffer);
}

/** Planes ten times as far apart as voxels: the coarser levels halve x and y alone, as Butterfly's resolutions do. */
function flat(source: Source): Source {
  return {
    info: { ...source.info, mips: source.info.mips.map((mip) => ({ ...mip, voxel: [4, 4, 40] })) },
    read: source.read.bind(source),
    close: source.close.bind(source),
  };
}

const volume: TestVolume = {
  ...{
    path: CHANNEL,
    data: labels(),
    shape: SHAPE,
    dtype: 'uint32',
    type: 'segmentation',
    chunk: [32, 16, 4],
    wrap: flat,
  },
};

function overSocket(kind: 'ws' | 'uws'): void {
  describe(`FEATURE over ${kind}`, () => {
    let server: TestServer;
    let probe: Probe;
    let id = 1;

    beforeAll(async () => {
      const folder = await folders.make({ 'synapse-connections.json': DS_SYNAPSES, 'neuron-soma.json': DS_SOMATA });
      const database = new MemoryDatabase();
      const tables = new DatabaseLayer({ database, log: SILENT_LOG });
      await tables.loadConfig(catalogueOf(folder));
      const bare = { ...volume, path: BARE };
      server = await startTestServer({ kind, volumes: [volume, bare], database, tables });
      probe = await Probe.hello(server.url, { feat: ['feature'] });
    });
    afterAll(async () => {
      probe.close();
      await server.stop();
    });

    const feature = async (name: string, fields: Partial<Extract<ClientMessage, { kind: 'FEATURE' }>> = {}) => {
      probe.send({ kind: 'FEATURE', id: ++id, path: CHANNEL, feature: name, ...fields });
      const answer = await probe.answer(id);
      return answer.kind === 'FEATURE_OK' ? answer.value : answer;
    };

    it('[parity 67] [I6] tells which ids are neurons and synapses, and asks for the id', async () => {
      for (const key of [10n, 20n, 30n, 40n, 99n]) expect(await feature('is_neuron', { key })).toBe(true);
      expect(await feature('is_neuron', { key: 5n })).toBe(false);
      for (const key of [0n, 3n]) expect(await feature('is_synapse', { key })).toBe(true);
      // -1 wraps to this one; the protocol itself refuses -1 ([F15], malformed.json).
      for (const key of [4n, 2n ** 64n - 1n]) expect(await feature('is_synapse', { key })).toBe(false);
      for (const name of [
        'is_synapse',
        'is_neuron',
        'synapse_keypoint',
        'neuron_keypoint',
        'synapse_parent',
        'neuron_children',
      ])
        expect(await feature(name)).toMatchObject({
          error: 'BAD_REQUEST',
          message: expect.stringContaining('option id'),
        });
    });

    it('[parity 68] [I6] answers points in voxels of the mip, rounded down', async () => {
      expect(await feature('neuron_keypoint', { key: 10n })).toEqual({ z: 9, y: 90, x: 900 });
      expect(await feature('neuron_keypoint', { key: 10n, mip: 2 })).toEqual({ z: 9, y: 22, x: 225 });
      expect(await feature('neuron_keypoint', { key: 20n })).toEqual({ z: 0, y: 10, x: 100 });
      for (const key of [30n, 40n]) expect(await feature('neuron_keypoint', { key })).toEqual({ z: 3, y: 40, x: 400 });
      expect(await feature('neuron_keypoint', { key: 99n })).toEqual({ z: 7, y: 70, x: 700 });
      expect(await feature('neuron_keypoint', { key: 5n })).toEqual({});
      expect(await feature('synapse_keypoint', { key: 1n, mip: 3 })).toEqual({ z: 1, y: 2, x: 25 });
      expect(await feature('synapse_keypoint', { key: 4n })).toEqual({});
    });

    it('[parity 69] [I6] tells which neurons a synapse joins', async () => {
      expect(await feature('synapse_parent', { key: 0n })).toEqual({
        ...{ synapse_id: 0, synapse_parent_pre: 10, synapse_parent_post: 20 },
      });
      expect(await feature('synapse_parent', { key: 2n })).toEqual({
        ...{ synapse_id: 2, synapse_parent_pre: 10, synapse_parent_post: 10 },
      });
      expect(await feature('synapse_parent', { key: 4n })).toEqual({});
    });

    it('[parity 70] [I6] lists the synapses of a neuron, in a box whose end is outside', async () => {
      expect(await feature('neuron_children', { key: 10n })).toEqual({ 0: 1, 1: 2, 2: 3 });
      const everything: Box = [0, 0, 0, 1000, 1000, 1000];
      expect(await feature('neuron_children', { key: 10n, box: everything })).toEqual({ 0: 1, 1: 2, 2: 3 });
      expect(await feature('neuron_children', { key: 20n })).toEqual({ 0: 2, 1: 1 });
      expect(await feature('neuron_children', { key: 30n })).toEqual({ 3: 1 });
      expect(await feature('neuron_children', { key: 99n })).toEqual({});
      expect(await feature('neuron_children', { key: 10n, box: [0, 0, 0, 201, 21, 2] })).toEqual({ 0: 1, 1: 2 });
      expect(await feature('neuron_children', { key: 10n, box: [0, 0, 0, 200, 20, 1] })).toEqual({ 0: 1 });
    });

    it('[parity 71] [I6] lists the synapses of a box of a mip', async () => {
      expect(await feature('synapse_ids')).toEqual([0, 1, 2, 3]);
      expect(await feature('synapse_ids', { box: [100, 10, 0, 200, 20, 1] })).toEqual([0]);
      expect(await feature('synapse_ids', { box: [100, 10, 0, 201, 21, 2] })).toEqual([0, 1]);
      // Each end alone is outside.
      for (const box of [
        [0, 0, 0, 200, 99, 9],
        [0, 0, 0, 999, 20, 9],
        [0, 0, 0, 999, 99, 1],
      ] satisfies Box[])
        expect(await feature('synapse_ids', { box })).toEqual([0]);
      expect(await feature('synapse_ids', { mip: 3, box: [12, 1, 0, 38, 4, 3] })).toEqual([0, 1, 2]);
      expect(await feature('synapse_ids', { mip: 9, box: [0, 0, 0, 1, 1, 1] })).toMatchObject({
        error: 'OUT_OF_BOUNDS',
      });
    });

    it('[parity 72] [I6] lists all neurons, and nothing for a dataset without tables', async () => {
      expect(await feature('all_neurons')).toEqual([10, 20, 30, 40, 99]);
      // By the dataset's own path too.
      expect(await feature('all_neurons', { path: DATASET })).toEqual([10, 20, 30, 40, 99]);
      for (const name of ['all_neurons', 'synapse_ids', 'neuron_ids', 'synapse_rows', 'annotation_rows'])
        expect(await feature(name, { path: BARE })).toEqual([]);
      for (const name of ['neuron_children', 'neuron_keypoint', 'synapse_keypoint', 'synapse_parent'])
        expect(await feature(name, { path: BARE, key: 10n })).toEqual({});
      for (const name of ['is_neuron', 'is_synapse']) expect(await feature(name, { path: BARE, key: 10n })).toBe(false);
    });

    it('[I6] names the legal features for an unknown one, and knows no path that is not there', async () => {
      const unknown = { error: 'BAD_REQUEST', message: expect.stringMatching(/is_synapse.*all_neurons.*voxel_list/) };
      expect(await feature('is_axon')).toMatchObject(unknown);
      expect(await feature('toString')).toMatchObject(unknown);
      expect(await feature('all_neurons', { path: 'lab/fly/ds/other' })).toMatchObject({ error: 'NOT_FOUND' });
      expect(await feature('all_neurons', { path: 'lab/fly' })).toMatchObject({ error: 'BAD_REQUEST' });
    });

    it('[I6] neuron_ids lists the neurons that have voxels in a box', async () => {
      expect(await feature('neuron_ids')).toEqual([10]);
      expect(await feature('neuron_ids', { box: [0, 0, 0, 100, 64, 4] })).toEqual([]);
      expect(await feature('neuron_ids', { path: DATASET })).toMatchObject({ error: 'BAD_REQUEST' });
    });

    it('[I6] voxel_list lists the voxels of an id, by z, y, x, where an answer has room for them', async () => {
      const list = { x: [100, 101, 102, 100, 101, 102], y: [10, 10, 10, 11, 11, 11], z: [1, 1, 1, 1, 1, 1] };
      expect(await feature('voxel_list', { key: 10n })).toEqual(list);
      expect(await feature('voxel_list', { key: 10n, box: [102, 0, 0, 600, 11, 9] })).toEqual({
        x: [102],
        y: [10],
        z: [1],
      });
      expect(await feature('voxel_list', { key: 2n ** 32n + 10n })).toEqual({ x: [], y: [], z: [] });
      expect(await feature('voxel_list', { key: 0n })).toMatchObject({
        ...{ error: 'TOO_LARGE', message: expect.stringContaining('parts of the box') },
      });
    });

    it('[I6] synapse_rows and neuron_rows give the rows of a box', async () => {
      const row = { key: 0, pre: 10, post: 20, point: [100, 10, 0] };
      expect(await feature('synapse_rows', { box: [100, 10, 0, 200, 20, 1] })).toEqual([row]);
      expect(await feature('synapse_rows', { mip: 3, box: [12, 1, 0, 13, 2, 1] })).toEqual([row]);
      expect(await feature('neuron_rows', { box: [900, 90, 9, 901, 91, 10] })).toEqual([
        { key: 10, point: [900, 90, 9] },
      ]);
    });

    it('[I6] shows rows as edits left them, and by the path of the dataset as files have them', async () => {
      const put = [
        { op: 'put', table: 'synapse', rows: [{ key: 1, pre: 99, post: 20, point: [5, 5.5, 1] }] },
        {
          op: 'put',
          table: 'annotation',
          rows: [{ kind: 'box', points: [10, 10, 0, 20, 20, 2], author: 'ada', time: 1 }],
        },
        { op: 'delete', table: 'neuron', keys: [40] },
      ];
      probe.send({
        kind: 'EDIT',
        id: ++id,
        path: CHANNEL,
        wid: new Uint8Array(16).fill(7),
        wseq: 1,
        base: null,
        ops: put,
      });
      expect(await probe.answer(id)).toMatchObject({ kind: 'EDIT_OK', status: 'applied' });
      expect(await feature('synapse_parent', { key: 1n })).toMatchObject({ synapse_parent_pre: 99 });
      expect(await feature('synapse_ids', { box: [0, 0, 0, 201, 21, 2] })).toEqual([0, 1]);
      expect(await feature('synapse_ids', { box: [200, 20, 1, 201, 21, 2] })).toEqual([]);
      expect(await feature('neuron_children', { key: 99n })).toEqual({ 1: 1 });
      expect(await feature('all_neurons')).toEqual([10, 20, 30, 99]);
      expect(await feature('is_neuron', { key: 40n })).toBe(false);
      expect(await feature('annotation_rows', { box: [19, 0, 1, 30, 30, 3] })).toMatchObject([{ kind: 'box' }]);
      expect(await feature('annotation_rows', { box: [21, 0, 0, 30, 30, 3] })).toEqual([]);
      expect(await feature('all_neurons', { path: DATASET })).toEqual([10, 20, 30, 40, 99]);
      probe.send({ kind: 'INFO', id: ++id, path: CHANNEL });
      expect(await probe.answer(id)).toMatchObject({ info: { tables: { neuron: 4, synapse: 4, annotation: 1 } } });
    });
  });
}

overSocket('ws');
const { missing } = loadUws();
if (missing === undefined) overSocket('uws');
else {
  console.warn(`NOT RUN: FEATURE over uWebSockets.js: ${missing}`);
  describe.skip('FEATURE over uws', () => it('needs uWebSockets.js', () => {}));
}

describe('DatabaseLayer', () => {
  afterEach(() => folders.removeAll());
  const PATH = CHANNEL;
  const synapses = (pre: unknown[], post: unknown[], z: unknown[], y = z, x = z) => ({
    ...{ neuron_1: pre, neuron_2: post, synapse_center: { z, y, x } },
  });
  const load = async (content: unknown, somata?: unknown, more = {}) => {
    const files = { 'synapse-connections.json': content, 'neuron-soma.json': somata };
    const given = Object.entries(files).filter(([, value]) => value !== undefined);
    return loadFolder(await folders.make(Object.fromEntries(given)), { more });
  };

  it('[parity 67-72] answers the eight questions', async () => {
    const { tables } = await load(DS_SYNAPSES, DS_SOMATA);
    expect([0n, 3n, 4n, -1n].map((key) => tables.isSynapse(PATH, key))).toEqual([true, true, false, false]);
    expect([10n, 99n, 5n, -1n].map((key) => tables.isNeuron(PATH, key))).toEqual([true, true, false, false]);
    expect(tables.neuronKeypoint(PATH, 10n, [4, 4, 1])).toEqual([225, 22, 9]);
    expect(tables.synapseKeypoint(PATH, 1n, [8, 8, 1])).toEqual([25, 2, 1]);
    expect(tables.synapseKeypoint(PATH, 4n)).toBeUndefined();
    expect(tables.synapseParent(PATH, 2n)).toEqual({ pre: 10n, post: 10n });
    expect([...tables.neuronChildren(PATH, 10n)]).toEqual([
      [0n, 1],
      [1n, 2],
      [2n, 3],
    ]);
    expect([...tables.synapseIds(PATH, [100, 10, 0, 201, 21, 2])]).toEqual([0n, 1n]);
    expect([...tables.allNeurons(PATH)]).toEqual([10n, 20n, 30n, 40n, 99n]);
    expect(tables.getByKey('synapse', PATH, 3n)).toEqual({ key: 3n, pre: 30n, post: 40n, point: [400, 40, 3] });
    expect(tables.getByKey('synapse', PATH, -1n)).toBeUndefined();
  });

  it('[parity 73] a folder without files has no tables', async () => {
    const { tables, log } = await load(undefined);
    expect(tables.getTable('synapse', PATH)).toBeUndefined();
    expect(tables.getTable('neuron', PATH)).toBeUndefined();
    expect(log.lines).toEqual([]);
  });

  const broken: readonly (readonly [what: string, content: unknown, fault: RegExp])[] = [
    ['bad JSON', '{"neuron_1": [1, 2', /^synapse-connections\.json: is not JSON: .* at byte 18$/],
    ['no JSON at all', 'neuron_1,neuron_2\n', /is not JSON: "neuron_1" is no value at byte 0/],
    ['an empty file', '', /is not JSON/],
    ['a list', [1], /must be an object with neuron_1/],
    ['a missing centre', { neuron_1: [1], neuron_2: [2] }, /synapse_center\.z is missing/],
    [
      'a centre without y',
      { neuron_1: [1], neuron_2: [2], synapse_center: { z: [1], x: [1] } },
      /synapse_center\.y is missing/,
    ],
    [
      'lists of different lengths',
      synapses([1, 2], [3, 4], [1, 2], [1, 2], [1]),
      /synapse_center\.x has 1 values and neuron_1 has 2/,
    ],
    ['a float id', synapses([1, 2.5], [3, 4], [1, 2]), /neuron_1\[1\] must be an integer .* not 2\.5/],
    [
      'an id written as a float',
      '{"neuron_1":[1.0],"neuron_2":[1],"synapse_center":{"z":[1],"y":[1],"x":[1]}}',
      /neuron_1\[0\] must/,
    ],
    ['a negative id', synapses([1, 2], [3, -4], [1, 2]), /neuron_2\[1\] must be an integer from 0 to 2\^64-1, not -4/],
    [
      'an id beyond 64 bits',
      '{"neuron_1":[18446744073709551616],"neuron_2":[1],"synapse_center":{"z":[1],"y":[1],"x":[1]}}',
      /neuron_1\[0\]/,
    ],
    ['a name for an id', synapses(['axon'], [1], [1]), /neuron_1\[0\] must be an integer .* not "axon"/],
    ['null for a coordinate', synapses([1], [1], [null]), /synapse_center\.z\[0\] must be a number/],
    ['a list in a list', synapses([[1]], [1], [1]), /neuron_1 must be a list of numbers alone/],
    ['a number for a list', { ...synapses([1], [1], [1]), neuron_1: 1 }, /neuron_1 must be a list of numbers/],
  ];
  for (const [what, content, fault] of broken)
    it(`73 refuses synapses with ${what}, and loads the somata all the same`, async () => {
      const { tables, log } = await load(content, DS_SOMATA);
      expect(log.faults).toEqual([expect.stringMatching(fault)]);
      expect(tables.getTable('synapse', PATH)).toBeUndefined();
      expect([...tables.allNeurons(PATH)]).toEqual([10n, 99n]);
    });

  const brokenSomata: readonly (readonly [what: string, content: unknown, fault: RegExp])[] = [
    ['an object', { neuron_id: 1 }, /^neuron-soma\.json: must be a list of/],
    ['a missing coordinate', [DS_SOMATA[0], { neuron_id: 1, z: 1, y: 1 }], /\[1\]\.x is missing/],
    ['a negative id', [{ ...DS_SOMATA[0], neuron_id: -1 }], /\[0\]\.neuron_id must be an integer/],
    ['a number', [5], /\[0\] must be an object/],
  ];
  for (const [what, content, fault] of brokenSomata)
    it(`73 refuses somata with ${what}, and loads the synapses all the same`, async () => {
      const { tables, log } = await load(DS_SYNAPSES, content);
      expect(log.faults).toEqual([expect.stringMatching(fault)]);
      expect([...tables.synapseIds(PATH)]).toEqual([0n, 1n, 2n, 3n]);
      expect(tables.neuronKeypoint(PATH, 10n)).toEqual([200, 20, 1]);
    });

  it('[parity 73] takes empty lists for tables without rows', async () => {
    const { tables, log } = await load(synapses([], [], []));
    expect(log.faults).toEqual([]);
    expect(tables.getTable('synapse', PATH)?.count).toBe(0);
    expect([...tables.synapseIds(PATH)]).toEqual([]);
    expect(tables.isSynapse(PATH, 0n)).toBe(false);
    expect([...tables.allNeurons(PATH)]).toEqual([]);
  });

  it('[parity 73] loads somata where there are no synapses, from numbers and from strings', async () => {
    const { tables } = await load(undefined, [DS_SOMATA[0], { neuron_id: '99', z: '7', y: '70', x: '700.5' }]);
    expect([...tables.allNeurons(PATH)]).toEqual([10n, 99n]);
    expect(tables.neuronKeypoint(PATH, 99n)).toEqual([700, 70, 7]);
    expect(tables.getByKey('neuron', PATH, 99n)).toEqual({ key: 99n, point: [700.5, 70, 7] });
    expect(tables.getTable('synapse', PATH)).toBeUndefined();
  });

  it('[parity 73] keeps ids of 64 bits exactly', async () => {
    const ids = [2n ** 33n, 2n ** 53n + 1n, 2n ** 64n - 1n, 0n];
    const { tables } = await load(
      `{"neuron_1":[${ids}],"neuron_2":[${ids}],"synapse_center":{"z":[0,1,2,3],"y":[0,1,2,3],"x":[0,1,2,3]}}`,
      `[{"neuron_id": 18446744073709551614, "z": 1, "y": 2, "x": 3}]`,
    );
    expect(ids.map((_, i) => tables.synapseParent(PATH, BigInt(i))?.pre)).toEqual(ids);
    expect([...tables.allNeurons(PATH)]).toEqual([0n, 2n ** 33n, 2n ** 53n + 1n, 2n ** 64n - 2n, 2n ** 64n - 1n]);
    expect(tables.isNeuron(PATH, 2n ** 53n)).toBe(false);
  });

  it('[parity 73] takes other names of files, and another first id', async () => {
    const folder = await folders.make({ 'contacts.json': DS_SYNAPSES, 'cells.json': DS_SOMATA });
    const more = { synapseConnections: 'contacts.json', neuronSoma: 'cells.json', firstSynapse: 5 };
    const { tables } = await loadFolder(folder, { more });
    expect([...tables.synapseIds(PATH)]).toEqual([5n, 6n, 7n, 8n]);
    expect(tables.isSynapse(PATH, 0n)).toBe(false);
    expect([...tables.neuronChildren(PATH, 30n)]).toEqual([[8n, 1]]);
    expect(tables.neuronKeypoint(PATH, 99n)).toEqual([700, 70, 7]);
  });

  it('[parity 73] a channel may have a folder of its own', async () => {
    const shared = await folders.make({ 'synapse-connections.json': DS_SYNAPSES });
    const own = await folders.make({ 'synapse-connections.json': synapses([7], [8], [1]) });
    const channels = [
      { name: 'seg', path: '/nowhere/seg' },
      { name: 'own', path: '/nowhere/own', dpath: own },
    ];
    const { tables } = await loadFolder(shared, { more: { channels } });
    expect([...tables.allNeurons(`${DATASET}/own`)]).toEqual([7n, 8n]);
    expect([...tables.allNeurons(PATH)]).toEqual([10n, 20n, 30n, 40n]);
    expect([...tables.allNeurons(DATASET)]).toEqual([10n, 20n, 30n, 40n]);
  });

  it('[parity 74] puts a neuron at the first synapse that it is post of, else at the first that it is pre of', async () => {
    const targets = await load(synapses([1, 1], [2, 3], [1, 4], [2, 5], [3, 6]));
    expect([1n, 2n, 3n].map((id) => targets.tables.neuronKeypoint(PATH, id))).toEqual([
      [3, 2, 1],
      [3, 2, 1],
      [6, 5, 4],
    ]);
    const cycle = await load(synapses([1, 2], [2, 1], [0, 5], [1, 6], [2, 7]));
    expect([1n, 2n].map((id) => cycle.tables.neuronKeypoint(PATH, id))).toEqual([
      [7, 6, 5],
      [2, 1, 0],
    ]);
  });
});
