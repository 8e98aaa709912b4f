/** Butterfly's own APIs together: they share the room that their answers take. */
import { legacyApiRoute } from './legacy-api.ts';
import { LegacyWork } from './legacy-api-work.ts';
import { ndRoute } from './nd-route.ts';
import { type PreOptions, preRoute } from './pre-route.ts';
import type { Route } from './route.ts';

/** Makes the routes `/api`, `/nd` and `/pre`. */
export function legacyRoutes(options: PreOptions): readonly Route[] {
  const shared = { work: new LegacyWork(), ...options };
  return [legacyApiRoute(shared), ndRoute(shared), preRoute(shared)];
}
