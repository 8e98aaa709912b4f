/** `/api/entity_feature`: cases 67 to 72 of the parity list, by number, over HTTP. Over sockets: `features.test.ts`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lineTransports } from '../support/line-server.ts';
import { channelUrl, ParityFolder, ParityServer } from '../support/parity-server.ts';

let folder: ParityFolder;
beforeAll(async () => {
  folder = await ParityFolder.make();
});
afterAll(() => folder.remove());

describe.each(lineTransports('entity features'))('entity features over %s', (kind) => {
  let server: ParityServer;
  beforeAll(async () => {
    server = await ParityServer.start(kind, folder.path);
  });
  afterAll(() => server.stop());

  const url = (feature: string, query: string, channel = 'ds/seg') =>
    channelUrl('entity_feature', channel, `feature=${feature}&${query}`);
  const ask = (feature: string, query = '', channel?: string) => server.json(url(feature, query, channel));
  const FULL = 'x=0&y=0&z=0&width=1000&height=1000&depth=1000';

  it('[parity 67] is_neuron and is_synapse are the bare words true and false', async () => {
    for (const id of [10, 20, 30, 40, 99])
      expect(await server.text(url('is_neuron', `id=${id}`))).toEqual([200, 'true']);
    expect(await server.text(url('is_neuron', 'id=5'))).toEqual([200, 'false']);
    for (const id of [0, 3]) expect(await ask('is_synapse', `id=${id}`)).toBe(true);
    for (const id of ['4', '-1', '18446744073709551616']) expect(await ask('is_synapse', `id=${id}`)).toBe(false);
  });

  it('[parity 67] a missing or broken id or box is named, and so are the legal features', async () => {
    for (const feature of [
      'is_synapse',
      'is_neuron',
      'synapse_keypoint',
      'neuron_keypoint',
      'synapse_parent',
      'neuron_children',
    ])
      expect(await server.text(url(feature, FULL))).toEqual([400, 'The id None is not an integer.']);
    expect(await server.text(url('is_neuron', 'id=x'))).toEqual([400, 'The id x is not an integer.']);
    expect(await server.text(url('synapse_ids', ''))).toEqual([400, 'The z None is not an integer.']);
    expect(await server.text(url('neuron_children', 'id=10&z=0'))).toEqual([400, 'The y None is not an integer.']);
    expect(await server.text(url('synapse_ids', 'x=0&y=0&z=0&width=-1&height=1'))).toEqual([
      400,
      'The width -1 is not positive.',
    ]);
    const [status, text] = await server.text(url('is_axon', ''));
    expect([status, text]).toEqual([400, expect.stringMatching(/^The feature is_axon is not in \['synapse_ids'/)]);
    const eight =
      'is_synapse is_neuron synapse_keypoint neuron_keypoint synapse_parent neuron_children synapse_ids all_neurons';
    for (const feature of eight.split(' ')) expect(text).toContain(`'${feature}'`);
  });

  it('[parity 68] keypoints are in voxels of the resolution, z as it is', async () => {
    expect(await ask('neuron_keypoint', 'id=10')).toEqual({ z: 9, y: 90, x: 900 });
    expect(await ask('neuron_keypoint', 'id=10&resolution=2')).toEqual({ z: 9, y: 22, x: 225 });
    expect(await ask('neuron_keypoint', 'id=20')).toEqual({ z: 0, y: 10, x: 100 });
    for (const id of [30, 40]) expect(await ask('neuron_keypoint', `id=${id}`)).toEqual({ z: 3, y: 40, x: 400 });
    expect(await ask('neuron_keypoint', 'id=99')).toEqual({ z: 7, y: 70, x: 700 });
    expect(await ask('neuron_keypoint', 'id=5')).toEqual({});
    expect(await ask('synapse_keypoint', 'id=1&resolution=3')).toEqual({ z: 1, y: 2, x: 25 });
    for (const id of [4, -1]) expect(await ask('synapse_keypoint', `id=${id}`)).toEqual({});
  });

  it('[parity 69] synapse_parent tells the two neurons', async () => {
    expect(await ask('synapse_parent', 'id=0')).toEqual({
      synapse_id: 0,
      synapse_parent_pre: 10,
      synapse_parent_post: 20,
    });
    expect(await ask('synapse_parent', 'id=2')).toMatchObject({ synapse_parent_pre: 10, synapse_parent_post: 10 });
    expect(await ask('synapse_parent', 'id=4')).toEqual({});
  });

  it('[parity 70] neuron_children tells what a neuron is to each synapse of a box, or of everything', async () => {
    for (const box of ['', FULL]) {
      expect(await ask('neuron_children', `id=10&${box}`)).toEqual({ 0: 1, 1: 2, 2: 3 });
      expect(await ask('neuron_children', `id=20&${box}`)).toEqual({ 0: 2, 1: 1 });
      expect(await ask('neuron_children', `id=30&${box}`)).toEqual({ 3: 1 });
      for (const id of [99, -1]) expect(await ask('neuron_children', `id=${id}&${box}`)).toEqual({});
    }
    expect(await ask('neuron_children', 'id=10&x=0&y=0&z=0&width=201&height=21&depth=2')).toEqual({ 0: 1, 1: 2 });
    expect(await ask('neuron_children', 'id=10&x=0&y=0&z=0&width=200&height=20&depth=1')).toEqual({ 0: 1 });
  });

  it('[parity 71] synapse_ids lists those of a box, whose ends are outside', async () => {
    expect(await ask('synapse_ids', FULL)).toEqual([0, 1, 2, 3]);
    expect(await ask('synapse_ids', 'x=100&y=10&z=0&width=100&height=10')).toEqual([0]);
    expect(await ask('synapse_ids', 'x=100&y=10&z=0&width=101&height=11&depth=2')).toEqual([0, 1]);
    const third = 'resolution=3&x=12&y=1&z=0&width=26&height=3&depth=3';
    expect(await ask('synapse_ids', third)).toEqual([0, 1, 2]);
    expect(await server.text(url('synapse_ids', `${FULL}&format=yaml`))).toEqual([200, '- 0\n- 1\n- 2\n- 3\n']);
  });

  it('[parity 72] all_neurons lists them, and a dataset without tables has none', async () => {
    expect(await ask('all_neurons')).toEqual([10, 20, 30, 40, 99]);
    expect(await ask('all_neurons', '', 'seg')).toEqual([]);
    expect(await ask('synapse_ids', FULL, 'seg')).toEqual([]);
    expect(await ask('neuron_children', 'id=10', 'seg')).toEqual({});
    expect(await ask('synapse_parent', 'id=0', 'seg')).toEqual({});
    expect(await ask('is_neuron', 'id=10', 'seg')).toBe(false);
  });

  it('[parity 72] tables are answered though the file of the channel is missing', async () => {
    expect(await ask('all_neurons', '', 'gone')).toEqual([]);
    expect(await ask('neuron_keypoint', 'id=10&resolution=2', 'gone')).toEqual({});
  });

  it('neuron_ids and voxel_list, which had been lost or promised, look at voxels', async () => {
    expect(await ask('neuron_ids', FULL)).toEqual([]);
    const list = { x: [4, 5, 6, 7], y: [0, 0, 0, 0], z: [1, 1, 1, 1] };
    expect(await ask('voxel_list', `id=13000&${FULL}`)).toEqual(list);
    expect(await ask('voxel_list', `id=13000&resolution=1&${FULL}`)).toEqual({ x: [2, 3], y: [0, 0], z: [1, 1] });
    expect(await ask('voxel_list', `id=13001&${FULL}`)).toEqual({ x: [], y: [], z: [] });
  });
});
