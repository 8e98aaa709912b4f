/** The HTTP side of a server, put together: all its routes, and what they need. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Author } from '../../core/rights.ts';
import type { MeshFolders } from '../../utility/mesh-folders.ts';
import type { SessionHub } from '../session/session-hub.ts';
import { isOriginAllowed, type OriginPolicy } from '../transport/upgrade.ts';
import { healthRoute, type ReadyChecks, readyRoute } from './health.ts';
import { legacyRoutes } from './legacy-api-routes.ts';
import type { HttpBounds } from './load.ts';
import { ServerMetrics } from './metrics.ts';
import { metricsRoute } from './metrics-route.ts';
import { openApiRoute } from './openapi.ts';
import { pagesRoute } from './pages.ts';
import { precomputedRoute } from './precomputed-route.ts';
import type { Route } from './route.ts';
import { HttpRouter, type RouterHome } from './router.ts';
import { ViewerFolder } from './viewer-folder.ts';
import { assetsRoute } from './viewer-route.ts';
import { zarrRoutes } from './zarr-routes.ts';

/** What the HTTP side needs besides the sessions' home. */
export interface WebOptions {
  /** What must be well before the server is ready. */
  readonly ready?: ReadyChecks;
  /** Pages that may write without a token. */
  readonly origins?: OriginPolicy;
  readonly bounds?: Partial<HttpBounds>;
  /** What `/metrics` tells; default: without what only others could count. Ends with the router. */
  readonly metrics?: ServerMetrics;
  /** Folders of meshes; unset: those of the sources alone. */
  readonly meshes?: MeshFolders;
  /** Folder of the built viewer, which need not be there yet; unset: the server has none. */
  readonly viewer?: string;
}

/** Puts the HTTP side of a server together. */
export function openWeb(hub: SessionHub, options: WebOptions = {}): HttpRouter {
  const metrics = options.metrics ?? new ServerMetrics();
  const web = new HttpRouter(routesOf(hub, metrics, options), homeOf(hub, metrics, options), options);
  metrics.watch({ hub, core: hub.core, web });
  return web;
}

/** Every family of pages of a server. A new one is a line here, and its pages lines of `openapi-*.ts`. */
function routesOf(hub: SessionHub, metrics: ServerMetrics, options: WebOptions): Route[] {
  const { ready = {}, meshes, viewer } = options;
  const folder = viewer === undefined ? undefined : new ViewerFolder(viewer);
  return [
    pagesRoute(hub.core, hub.server, folder && { folder, framers: framersOf(options) }),
    ...(folder === undefined ? [] : [assetsRoute(folder)]),
    healthRoute(),
    readyRoute({ running: () => !hub.leaving, ...ready }),
    metricsRoute(metrics),
    openApiRoute(hub.server),
    precomputedRoute(hub.core, meshes),
    ...zarrRoutes(hub.core),
    ...legacyRoutes({ core: hub.core, limits: hub.limits, ...(meshes === undefined ? {} : { meshes }) }),
  ];
}

/** Nothing else can stand in a list of a header without ending it. */
const ORIGIN = /^https?:\/\/[\w.:[\]-]+$/;

/** Pages that may connect may show the viewer too; `*` is no page that anybody named. */
function framersOf({ origins }: WebOptions): string[] {
  return (origins?.allowed ?? []).filter((origin) => ORIGIN.test(origin));
}

function homeOf(
  hub: SessionHub,
  metrics: ServerMetrics,
  { origins = { allowed: [], loopback: true } }: WebOptions,
): RouterHome {
  const { authority, limits, log, now, time, tokenFailures } = hub;
  return {
    ...{ authority, limits, log, now, time, tokenFailures },
    get leaving() {
      return hub.leaving;
    },
    holds: (path, author) => holds(hub, path, author),
    onAnswer: metrics.onAnswer,
    onClose: () => metrics.close(),
    mayWrite: (origin, host) => isOriginAllowed(origin, host, origins),
  };
}

function holds({ core }: SessionHub, path: string, { rights }: Author): boolean {
  try {
    return core.getGroups(path, '', 1, (channel) => rights.allows('read', channel)).entries.length > 0;
  } catch (error) {
    if (error instanceof BflyError) return false;
    throw error;
  }
}
