/**
 * Butterfly over a store, whose event loop is watched, and which serves a volume of files too, as an image and as cells. Arguments: the
 * store's folder, the transport, the cache in bytes, the volume. Over the process channel `reset` begins a watch and `delay` tells what it
 * saw: p99 and max, ms.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { startBenchServer } from '../support/bench-server.ts';
import { reportPort } from '../support/child.ts';

const [, , , volume = ''] = process.argv.slice(2);
const shown = { path: volume, voxel: [8, 8, 8] } as const;
const channels = [
  { ...shown, name: 'em', type: 'image' as const },
  { ...shown, name: 'cells', type: 'segmentation' as const },
];
const datasets = volume === '' ? [] : [{ name: 'volume', channels }];
const server = await startBenchServer(process.argv.slice(2), {
  catalogue: { experiments: [{ name: 'bench', samples: [{ name: 'files', datasets }] }] },
  allowedPaths: volume === '' ? [] : [volume],
  limits: { pulls: 64 },
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
