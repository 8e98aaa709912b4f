/** Small requests, many under way, beside a bare echo of the same request. */
import { encodeClient } from '../../protocol/encode.ts';
import { FrameType } from '../../protocol/messages.ts';
import { RawSocket } from '../support/raw-socket.ts';
import type { Rate } from './pull.ts';

const CONNECTIONS = 8;
const UNDER_WAY = 32;

/** Asks for INFO, or has the same bytes echoed. @returns answers a second. */
export async function measureRequests(port: number, path: string, echo: boolean, seconds: number): Promise<Rate> {
  let answers = 0;
  const hello = encodeClient({ kind: 'HELLO', id: 1, v: [1], client: 'bench', feat: [] }).slice();
  // Ids of three bytes are as long as each other, so one frame is made and its id rewritten.
  const frame = encodeClient({ kind: 'INFO', id: 1_000, path }).slice();
  const open = async (): Promise<RawSocket> => {
    let id = 1_000;
    const ask = (socket: RawSocket): void => {
      id = id >= 65_000 ? 1_000 : id + 1;
      frame[3] = id >> 8;
      frame[4] = id;
      socket.send(frame);
    };
    const socket = await RawSocket.open(port, echo ? '/' : '/v1', 'bfly.v1', (head, _length, self) => {
      const type = head[1] === 0xcc ? head[2] : head[1];
      if (type === FrameType.ERROR) throw new Error(`the server answered ${Buffer.from(head).toString('latin1')}`);
      if (type === FrameType.HELLO + FrameType.REPLY) for (let n = 0; n < UNDER_WAY; n++) ask(self);
      else {
        answers++;
        ask(self);
      }
    });
    if (echo) for (let n = 0; n < UNDER_WAY; n++) ask(socket);
    else socket.send(hello);
    return socket;
  };
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, open));
  await sleep(400);
  const from = answers;
  const start = performance.now();
  await sleep(seconds * 1_000);
  const perSecond = (answers - from) / ((performance.now() - start) / 1_000);
  for (const socket of sockets) socket.close();
  return { perSecond };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
