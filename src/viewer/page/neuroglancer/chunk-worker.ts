/** The chunk worker: our store and its socket, then Neuroglancer's own worker. Pixels never cross the page's thread but as textures. */
import { backendOnlyKvStoreProviderRegistry } from 'neuroglancer/unstable/kvstore/backend.js';
import { chunkStoreProvider } from './chunk-store.ts';
import type { ToWorker, WorkerName } from './messages.ts';
import { PixelLine } from './pixel-line.ts';
import { followPriorities } from './priorities.ts';
import { Refetcher } from './refetcher.ts';

const name = JSON.parse(self.name) as WorkerName; // given by `PageContext`
const channel = new BroadcastChannel(name.channel);
const line = new PixelLine(name, (message) => channel.postMessage(message));
const refetcher = new Refetcher();

channel.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  if (data.kind === 'token') line.setToken(data.token);
  else if (data.kind === 'info') line.setInfo(data.address, data.info);
  else if (data.kind === 'lossy') {
    line.isLossy = data.isLossy;
    // What is exact may stay, what is still under way had better come as JPEG.
    refetcher.images((address) => line.mayBeLossy(address), data.isLossy);
  } else if (data.kind === 'dirty') {
    const { path, boxes, seq } = data;
    refetcher.dirty(path, boxes, () => channel.postMessage({ kind: 'fresh', path, seq }));
  } else if (data.kind === 'at') {
    line.setAt(data.path, data.at);
    if (data.boxes === undefined) refetcher.all(data.path);
    else if (data.boxes.length > 0) refetcher.dirty(data.path, data.boxes);
  }
};

backendOnlyKvStoreProviderRegistry.registerBaseKvStoreProvider(({ chunkManager }) => {
  refetcher.watch(chunkManager.queueManager);
  return chunkStoreProvider({
    folder: name.folder,
    token: () => line.token,
    chunk: (address, chunk, signal) => line.fetch(address, chunk, signal),
  });
});
followPriorities();
channel.postMessage({ kind: 'ready' });

import 'neuroglancer/unstable/chunk_worker.bundle.js';
