/** The data source `bfly://ADDRESS`: a volume of this server over its socket, and the bodies of its segments, alive. */
import type { DataSourceProvider } from 'neuroglancer/unstable/datasource/index.js';
import type { LiveChannel } from '../../../client/index.ts';
import type { PastView } from '../volume/past-moment.ts';
import { chunkUrl } from './chunk-store.ts';
import { LiveGraph } from './live-graph.ts';
import { readAddress } from './volume-address.ts';

/** Scheme of what users write in the source of a layer. */
export const LIVE_SCHEME = 'bfly';

/** Address of a volume in the URL of a layer's source; undefined where it is none of ours. */
export function addressOf(url: string): string | undefined {
  return /^bfly:\/\/(.+?)\/*$/.exec(url)?.[1];
}

/**
 * @param open gives the channel of a path, followed; undefined where it has no bodies that could change. @param past see `LiveGraph`.
 */
export function liveSourceProvider(
  open: (path: string) => Promise<LiveChannel | undefined>,
  past: PastView,
): DataSourceProvider {
  return {
    scheme: LIVE_SCHEME,
    description: 'Volume of this Butterfly server',
    async get(options) {
      const address = options.providerUrl.replace(/^\/+|\/+$/g, '');
      const { path, at, map } = readAddress(address);
      const url = `${chunkUrl(address)}|neuroglancer-precomputed:`;
      const [base, channel] = await Promise.all([
        options.registry.get({ ...options, url }),
        at === undefined && map === 'base' ? open(path) : undefined,
      ]);
      const subsources = base.subsources.filter(({ subsource }) => subsource.local === undefined);
      if (channel === undefined) return { ...base, subsources };
      const graph = { id: 'graph', default: true, subsource: { segmentationGraph: new LiveGraph(channel, past) } };
      return { ...base, subsources: [...subsources, graph] };
    },
  };
}
