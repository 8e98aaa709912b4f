/** Small requests, many under way, beside a bare echo of the same request. */
import { isDeepStrictEqual } from 'node:util';
import { encodeClient } from '../../protocol/encode.ts';
import { type ClientMessage, FrameType } from '../../protocol/messages.ts';
import { connect } from '../../src/client/node.ts';
import { withOwnShare } from '../support/duel.ts';
import { GAPS, runLoadClient, shareOf, templateOf } from '../support/load-client.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { type BenchChannel, levelOf } from '../support/store.ts';
import { CONNECTIONS, type Rate } from './pull.ts';

const UNDER_WAY = 32;
const HELLO: ClientMessage = { kind: 'HELLO', id: 1, v: [1], client: 'bench', feat: [] };

/** @throws where INFO does not tell what the channel is. */
export async function checkInfo(port: number, channel: BenchChannel): Promise<void> {
  const session = await connect(`ws://127.0.0.1:${port}`);
  try {
    const info = await session.info(channel.path);
    const { shape, chunk } = levelOf(channel);
    const mip = info.kind === 'channel' ? info.mips[0] : undefined;
    const isRight = isDeepStrictEqual([mip?.shape, mip?.chunk], [shape, chunk]);
    if (info.kind !== 'channel' || info.dtype !== channel.dtype || !isRight)
      throw new Error(`INFO of ${channel.path} tells of another channel`);
  } finally {
    await session.close();
  }
}

/** Asks for INFO, or has the same bytes echoed; every answer is looked at. @returns answers a second. */
export async function measureRequests(port: number, path: string, echo: boolean, seconds: number): Promise<Rate> {
  const request = templateOf({ kind: 'INFO', id: GAPS.I, path });
  const load = echo
    ? await runLoadClient('echo', port, CONNECTIONS, seconds, [request, UNDER_WAY])
    : await runLoadClient('ask', port, CONNECTIONS, seconds, [templateOf(HELLO), request, UNDER_WAY]);
  return load === undefined
    ? measureByNode(port, path, echo, seconds)
    : { perSecond: load.frames / load.seconds, clientShare: shareOf(load) };
}

async function measureByNode(port: number, path: string, echo: boolean, seconds: number): Promise<Rate> {
  let answers = 0;
  const hello = encodeClient(HELLO).slice();
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
  const rate = await withOwnShare(async () => {
    const from = answers;
    const start = performance.now();
    await sleep(seconds * 1_000);
    return { perSecond: (answers - from) / ((performance.now() - start) / 1_000) };
  });
  for (const socket of sockets) socket.close();
  return rate;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
