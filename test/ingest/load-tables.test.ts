/** Tables that lie beside volumes, from the folder to the socket. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { discover } from '../../src/ingest/discover.ts';
import { findData } from '../../src/ingest/find-data.ts';
import { type RunningServer, startServer } from '../../src/server.ts';
import { Probe } from '../support/probe.ts';
import { DS_SOMATA, DS_SYNAPSES, KeptLog, TableFolders } from '../support/table-files.ts';
import { labelVolume, writeTiff } from '../support/volume-files.ts';

const folders = new TableFolders();
const PATH = 'root/root/NAME/seg.tif';

describe('a folder with tables beside volumes', () => {
  let server: RunningServer | undefined;
  let probe: Probe | undefined;
  let store = '';
  afterEach(async () => {
    probe?.close();
    await server?.stop();
    await folders.removeAll();
    if (store !== '') await rm(store, { recursive: true, force: true });
    store = '';
  });

  const serve = async (folder: string, log: KeptLog): Promise<Probe> => {
    store ||= await mkdtemp(path.join(tmpdir(), 'bfly-store-'));
    const { experiments } = await discover(folder, findData);
    server = await startServer({
      ...{
        host: '127.0.0.1',
        port: 0,
        dataDir: store,
        transport: 'ws',
        cacheBytes: 2 ** 20,
        log,
        catalogue: { experiments },
      },
      ...{ demo: false, allowedPaths: [folder], graceMs: 100 },
    });
    probe = await Probe.hello(`ws://127.0.0.1:${server.port}/v1`, { feat: ['feature'] });
    return probe;
  };

  it('[I6] is served with its rows, whatever is wrong with one of the files, and again after a restart', async () => {
    const folder = await folders.make({ 'synapse-connections.json': '{', 'neuron-soma.json': DS_SOMATA });
    await writeTiff(path.join(folder, 'seg.tif'), labelVolume([16, 16, 4], [4, 4, 2]));
    const channel = PATH.replace('NAME', path.basename(folder));
    const log = new KeptLog();
    for (let start = 0; start < 2; start++) {
      const client = await serve(folder, log);
      // Asked for at once: the answer waits for the tables.
      client.send({ kind: 'FEATURE', id: 2, path: channel, feature: 'all_neurons' });
      expect(await client.next('FEATURE_OK', 2)).toMatchObject({ value: [10, 99] });
      client.send({ kind: 'INFO', id: 3, path: channel });
      expect(await client.next('INFO_OK', 3)).toMatchObject({ info: { tables: { neuron: 2 } } });
      client.close();
      await server?.stop();
    }
    expect(log.faults.length).toBe(2);
  });

  it('shows the volumes and not the tables, and finds nothing broken', async () => {
    const folder = await folders.make({ 'synapse-connections.json': DS_SYNAPSES, 'neuron-soma.json': DS_SOMATA });
    await writeTiff(path.join(folder, 'seg.tif'), labelVolume([16, 16, 4], [4, 4, 2]));
    const { experiments, skipped } = await discover(folder, findData);
    expect(skipped).toEqual([]);
    const [dataset] = experiments[0]?.samples[0]?.datasets ?? [];
    expect(dataset).toMatchObject({ path: folder, channels: [{ name: 'seg.tif' }] });
  });
});
