/** Bodies of plain HTTP over eight connections, taken by the client that takes our pulls. */
import { runLoadClient } from '../support/load-client.ts';
import { CONNECTIONS, perSecondOf, type Rate } from './pull.ts';
import { measureHttp } from './wrk.ts';

/** Requests `paths` of a server over and over; without a C compiler by wrk. @returns bytes of bodies, and bodies, a second. */
export async function measureBodies(
  port: number,
  paths: readonly string[],
  seconds: number,
): Promise<Rate & { readonly framesPerSecond: number }> {
  const load = await runLoadClient('http', port, CONNECTIONS, seconds, paths);
  if (load !== undefined) return { ...perSecondOf(load), framesPerSecond: load.frames / load.seconds };
  const { bytesPerSecond, requestsPerSecond } = await measureHttp(port, paths, seconds);
  return { perSecond: bytesPerSecond, framesPerSecond: requestsPerSecond };
}
