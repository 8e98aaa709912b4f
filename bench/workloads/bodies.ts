/** Bodies of plain HTTP over eight connections, taken by the client that takes our pulls. */
import { runLoadClient } from '../support/load-client.ts';
import { CONNECTIONS, perSecondOf, type Rate } from './pull.ts';
import { measureHttp } from './wrk.ts';

/** Requests `paths` of a server over and over; without a C compiler by wrk. @returns bytes of bodies a second. */
export async function measureBodies(port: number, paths: readonly string[], seconds: number): Promise<Rate> {
  const load = await runLoadClient('http', port, CONNECTIONS, seconds, paths);
  return load === undefined
    ? { perSecond: (await measureHttp(port, paths, seconds)).bytesPerSecond }
    : perSecondOf(load);
}
