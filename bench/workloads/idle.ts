/** What an idle subscribed socket costs a server in memory. */
import type { ServerProcess } from '../support/child.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { openSubscribers, Writer } from './edits.ts';

/** What is made once is not counted. */
const FEW = 100;
const TOLD_WITHIN_MS = 30_000;

/**
 * Counts what `sockets` more of them cost.
 *
 * @param path undefined: a rival that subscribes by itself and tells all what one sends.
 * @returns bytes of the server's resident set a socket.
 * @throws where one of them does not hear of an edit afterwards.
 */
export async function measureIdle(server: ServerProcess, path: string | undefined, sockets: number): Promise<number> {
  let told = 0;
  const onEdit = (): void => {
    told++;
  };
  const few = await openIdle(server.port, path, FEW, onEdit);
  await sleep(500);
  const before = Number(await server.ask('rss'));
  const all = [...few, ...(await openIdle(server.port, path, sockets, onEdit))];
  await sleep(2_000);
  const after = Number(await server.ask('rss'));
  await sendEdit(server.port, path, all);
  for (const until = performance.now() + TOLD_WITHIN_MS; told < all.length; await sleep(50))
    if (performance.now() > until) throw new Error(`${told} of ${all.length} sockets heard of an edit`);
  for (const socket of all) socket.close();
  return (after - before) / sockets;
}

async function openIdle(
  port: number,
  path: string | undefined,
  count: number,
  onEdit: () => void,
): Promise<RawSocket[]> {
  if (path !== undefined)
    return openSubscribers(port, path, count, (_subscriber, edits) => {
      if (edits > 0) onEdit();
    });
  const sockets: RawSocket[] = [];
  for (let n = 0; n < count; n++) sockets.push(await RawSocket.open(port, '/', '', onEdit));
  return sockets;
}

async function sendEdit(port: number, path: string | undefined, sockets: readonly RawSocket[]): Promise<void> {
  if (path === undefined) {
    sockets[0]?.send(new Uint8Array(200));
    return;
  }
  await new Promise<void>((resolve, reject) => {
    const writer: Writer = new Writer(path, () => {
      writer.close();
      resolve();
    });
    writer.open(port).then(() => writer.send(), reject);
  });
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
