/** `/metrics`: what a server does, for Prometheus. */
import { isLoopbackPeer } from './load.ts';
import type { ServerMetrics } from './metrics.ts';
import type { Route, WebPeer } from './route.ts';

/** Headers by which a proxy tells that a request is somebody else's. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

/**
 * For programs on the server's own machine, and for tokens with the right admin on everything: how busy a server is, is not for everybody who
 * may read a volume. Without `--auth` everybody has that right.
 */
export function metricsRoute(metrics: ServerMetrics): Route {
  return {
    prefix: '/metrics',
    isPublic: isLocalProgram,
    right: 'admin',
    handle: ({ segments }) =>
      segments.length > 0 ? undefined : { type: metrics.contentType, body: () => metrics.text(), cache: 'no-store' },
  };
}

/** A peer on this machine that is neither a proxy, which stands for others, nor a page in a browser. */
function isLocalProgram({ remoteAddress, header }: WebPeer): boolean {
  return (
    isLoopbackPeer(remoteAddress) &&
    [...FORWARDED, 'origin', 'sec-fetch-site'].every((name) => header(name) === undefined)
  );
}
