/**
 * Butterfly over a store, whose event loop is watched, and which serves a volume of files too, as an image
 * and as cells. Arguments: the store's folder, the transport, the cache in bytes, the volume. Over the process channel `reset` begins a watch and `delay` tells what it saw: p99 and max, ms.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { startServer } from '../../src/server.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { reportPort } from '../support/child.ts';

const [dataDir = '', transport = 'uws', cacheBytes = '0', volume = ''] = process.argv.slice(2);
const shown = { path: volume, voxel: [8, 8, 8] } as const;
const channels = [
  { ...shown, name: 'em', type: 'image' as const },
  { ...shown, name: 'cells', type: 'segmentation' as const },
];
const datasets = volume === '' ? [] : [{ name: 'volume', channels }];
const server = await startServer({
  host: '127.0.0.1',
  port: 0,
  dataDir,
  transport: transport === 'ws' ? 'ws' : 'uws',
  cacheBytes: Number(cacheBytes),
  log: SILENT_LOG,
  catalogue: { experiments: [{ name: 'bench', samples: [{ name: 'files', datasets }] }] },
  demo: false,
  allowedPaths: volume === '' ? [] : [volume],
  limits: {
    ...{ framesPerSecond: 1e9, framesBurst: 1e9, controlPerSecond: 1e9, pulls: 64 },
    ...{ editsPerSecond: 1e9, editsBurst: 1e9, connectionsPerAddress: 100_000, unwelcomed: 100_000 },
  },
  graceMs: 0,
});
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
process.on('message', (question) => {
  if (question === 'reset') {
    delay.reset();
    process.send?.(0);
  }
  if (question === 'delay') process.send?.({ p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 });
});
reportPort(server.port, () => server.stop());
