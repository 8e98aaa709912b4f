/** Which route a path belongs to: the one whose prefix is the longest that fits, by whole segments. */
import type { Route } from './route.ts';

interface Branch {
  route: Route | undefined;
  depth: number;
  readonly branches: Map<string, Branch>;
}

/** A route, and how many segments of the path are its prefix. */
export interface RouteMatch {
  readonly route: Route;
  readonly depth: number;
}

/** All routes of a server. `/` takes what no other takes. */
export class RouteTable {
  readonly #root: Branch = { route: undefined, depth: 0, branches: new Map() };

  /** @throws Error for a prefix that is none, or stands twice: a mistake in the program. */
  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#add(route);
  }

  find(segments: readonly string[]): RouteMatch | undefined {
    let branch: Branch | undefined = this.#root;
    let found: Branch = branch;
    for (let i = 0; i < segments.length; i++) {
      branch = branch.branches.get(segments[i] as string);
      if (branch === undefined) break;
      if (branch.route !== undefined) found = branch;
    }
    return found.route === undefined ? undefined : { route: found.route, depth: found.depth };
  }

  #add(route: Route): void {
    if (!/^\/$|^(\/[\w.~-]+)+$/.test(route.prefix)) throw new Error(`${route.prefix} is no prefix of a route`);
    let branch = this.#root;
    for (const segment of route.prefix.split('/').filter((part) => part !== '')) {
      const next: Branch = branch.branches.get(segment) ?? {
        route: undefined,
        depth: branch.depth + 1,
        branches: new Map(),
      };
      branch.branches.set(segment, next);
      branch = next;
    }
    if (branch.route !== undefined) throw new Error(`two routes have the prefix ${route.prefix}`);
    branch.route = route;
  }
}
