/** A router over a real transport for tests, with routes of the test's own. */

import { DEFAULT_LIMITS } from '../../protocol/limits.ts';
import { OPEN_AUTHORITY } from '../../src/access/auth/anonymous.ts';
import type { Authority } from '../../src/access/auth/authority.ts';
import { FailureLimit } from '../../src/access/auth/failure-limit.ts';
import type { HttpBounds } from '../../src/access/http/load.ts';
import type { Route } from '../../src/access/http/route.ts';
import { HttpRouter, type RouterHome } from '../../src/access/http/router.ts';
import type { Transport } from '../../src/access/transport/transport.ts';
import { Harness, MemoryLog } from './transport-harness.ts';

export interface WebServerOptions {
  readonly authority?: Authority;
  readonly home?: Partial<RouterHome>;
  readonly bounds?: Partial<HttpBounds>;
  /** Milliseconds; default: real time. */
  readonly now?: () => number;
  readonly time?: () => number;
  /** Whose bounds do not hold; default: loopback's, which is everybody in tests. */
  readonly isTrusted?: (address: string) => boolean;
}

export interface WebServer {
  readonly port: number;
  readonly router: HttpRouter;
  readonly log: MemoryLog;
  readonly transport: Transport;
  /** The server is on its way out. */
  leave(): void;
  stop(): Promise<void>;
}

/** Starts routes on a free port of loopback. */
export async function startWeb(
  kind: 'ws' | 'uws',
  routes: readonly Route[],
  options: WebServerOptions = {},
): Promise<WebServer> {
  const log = new MemoryLog();
  const now = options.now ?? (() => performance.now());
  let leaving = false;
  const home: RouterHome = {
    authority: options.authority ?? OPEN_AUTHORITY,
    limits: DEFAULT_LIMITS,
    log,
    now,
    time: options.time ?? Date.now,
    tokenFailures: new FailureLimit(now),
    get leaving() {
      return leaving;
    },
    holds: () => false,
    ...options.home,
  };
  const { bounds, isTrusted } = options;
  const router = new HttpRouter(routes, home, {
    ...(bounds === undefined ? {} : { bounds }),
    ...(isTrusted === undefined ? {} : { isTrusted }),
  });
  const harness = await Harness.start(kind, { http: (request) => router.answer(request) });
  return {
    port: harness.port,
    router,
    log,
    transport: harness.transport,
    leave: () => {
      leaving = true;
    },
    async stop() {
      router.close();
      await harness.stop();
    },
  };
}
