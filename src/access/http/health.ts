/** Whether a server is alive, and whether it can do its work: for those who start and stop servers. */
import type { Route } from './route.ts';

/** What must be well before a server is ready, by name; what is thrown is why it is not. */
export type ReadyChecks = Readonly<Record<string, () => boolean>>;

/** `/healthz`: 200 while the process answers at all. */
export function healthRoute(): Route {
  return {
    prefix: '/healthz',
    isPublic: true,
    handle: ({ segments }) =>
      segments.length > 0 ? undefined : { type: 'text/plain; charset=utf-8', body: 'ok\n', cache: 'no-store' },
  };
}

/** `/readyz`: 200 while every check is true, else 503 and the names of those that are not. */
export function readyRoute(checks: ReadyChecks): Route {
  return {
    prefix: '/readyz',
    isPublic: true,
    handle: ({ segments }) => {
      if (segments.length > 0) return undefined;
      const waiting = Object.entries(checks).flatMap(([name, check]) => (isWell(check) ? [] : [name]));
      const body = `${JSON.stringify({ ready: waiting.length === 0, waiting })}\n`;
      if (waiting.length === 0) return { type: 'application/json', body, cache: 'no-store' };
      return { status: 503, type: 'application/json', body, cache: 'no-store', headers: { 'retry-after': '1' } };
    },
  };
}

function isWell(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}
