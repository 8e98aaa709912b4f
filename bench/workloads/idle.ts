/** What an idle subscribed socket costs a server in memory. */
import type { ServerProcess } from '../support/child.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { openSubscribers } from './edits.ts';

/** @param path undefined: a rival that subscribes by itself. @returns bytes of the server's resident set a socket. */
export async function measureIdle(server: ServerProcess, path: string | undefined, sockets: number): Promise<number> {
  // A few first: what is made once is not counted.
  const few = await openIdle(server.port, path, 100);
  await sleep(500);
  const before = Number(await server.ask('rss'));
  const all = await openIdle(server.port, path, sockets);
  await sleep(2_000);
  const after = Number(await server.ask('rss'));
  for (const socket of [...few, ...all]) socket.close();
  return (after - before) / sockets;
}

async function openIdle(port: number, path: string | undefined, count: number): Promise<RawSocket[]> {
  if (path !== undefined) return openSubscribers(port, path, count, () => {});
  const sockets: RawSocket[] = [];
  for (let n = 0; n < count; n++) sockets.push(await RawSocket.open(port, '/', '', () => {}));
  return sockets;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
