/** A server with the viewer's page, built from the sources, on real volumes: FIB-25, EM and 3,337 watershed segments, 250³, 10 nm. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadUws } from '../../src/access/transport/uws-transport.ts';
import { type RunningServer, startServer } from '../../src/server.ts';
import { readConfig } from '../../src/utility/config.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { bundleViewer } from '../../src/viewer/bundle.ts';
import { inflateShared, SHARED_DATA } from './shared-data.ts';

/** Paths of the channels. */
export const EM = 'fly/medulla/fib25/em';
export const SEGMENTS = 'fly/medulla/fib25/segmentation';

/** A server that can be stopped and started again on the same port and store. */
export interface ViewerServer {
  readonly port: number;
  /** Folder of the built page. */
  readonly viewer: string;
  /** The running one. */
  readonly server: RunningServer;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

/** Builds the page and starts the server. @param options of the server besides. */
export async function startViewerServer(
  options: Partial<Parameters<typeof startServer>[0]> = {},
): Promise<ViewerServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bfly-viewer-'));
  const viewer = path.join(folder, 'viewer');
  await Promise.all([
    bundleViewer(path.resolve(import.meta.dirname, '../../src/viewer/page'), viewer),
    inflateShared('fib25-training2/oversegmented_stack_labels.h5.gz', path.join(folder, 'labels.h5')),
    writeFile(path.join(folder, 'fib.yaml'), configOf(folder)),
  ]);
  const { catalogue } = await readConfig({ file: path.join(folder, 'fib.yaml') });
  const start = (port: number): Promise<RunningServer> =>
    startServer({
      ...{
        host: '127.0.0.1',
        port,
        dataDir: path.join(folder, 'data'),
        cacheBytes: 2 ** 28,
        log: SILENT_LOG,
        catalogue,
      },
      ...{ transport: loadUws().missing === undefined ? 'uws' : 'ws', demo: false, viewer, graceMs: 0 },
      allowedPaths: [folder, SHARED_DATA],
      ...options,
    });
  let server = await start(0);
  let isUp = true;
  const { port } = server;
  const stop = async (): Promise<void> => {
    if (isUp) await server.stop();
    isUp = false;
  };
  return {
    ...{ port, viewer },
    get server() {
      return server;
    },
    stop,
    async start() {
      server = await start(port);
      isUp = true;
    },
    async close() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function configOf(folder: string): string {
  const channel = (name: string, at: string, more: string): string =>
    `{name: ${name}, path: ${at}, voxel: [10, 10, 10], ${more}}`;
  const em = channel('em', path.join(SHARED_DATA, 'fib25-training2/grayscale_maps'), 'data-type: image');
  const labels = channel('segmentation', path.join(folder, 'labels.h5'), 'dataset: stack, data-type: segmentation');
  const dataset = `{name: fib25, path: ${folder}, channels: [${em}, ${labels}]}`;
  return `bfly: {experiments: [{name: fly, samples: [{name: medulla, datasets: [${dataset}]}]}]}\n`;
}
