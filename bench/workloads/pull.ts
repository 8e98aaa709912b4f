/** Pulls of raw tiles over eight connections, beside a bare server that pushes messages of the same size. */
import { encodeClient } from '../../protocol/encode.ts';
import { type ClientMessage, FrameType } from '../../protocol/messages.ts';
import { TILE_TYPE } from '../../protocol/tile-frame.ts';
import { type Box, boxShape, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { GAPS, type Load, runLoadClient, templateOf } from '../support/load-client.ts';
import { RawSocket } from '../support/raw-socket.ts';

/** Connections of a load. */
export const CONNECTIONS = 8;
const WINDOW = 4 * 1024 * 1024;

/** What a client saw in its measured time. */
export interface Rate {
  readonly perSecond: number;
}

/** Pulls a whole volume of uint8 over and over. @returns bytes of TILE messages a second. */
export function measurePulls(port: number, path: string, shape: Vec3, seconds: number): Promise<Rate> {
  const box: Box = [0, 0, 0, ...shape];
  return measureStreams(port, box, seconds, (id) => ({
    kind: 'PULL',
    id,
    path,
    mip: 0,
    box,
    order: 'scan',
    win: WINDOW,
  }));
}

/** Asks for a box as one CUTOUT over and over. @returns bytes of TILE messages a second. */
export function measureCutouts(port: number, path: string, box: Box, seconds: number): Promise<Rate> {
  const frame = 256 * 1024;
  return measureStreams(port, box, seconds, (id) => ({ kind: 'CUTOUT', id, path, mip: 0, box, win: WINDOW, frame }));
}

const HELLO: ClientMessage = {
  kind: 'HELLO',
  id: 1,
  v: [1],
  client: 'bench',
  feat: ['pull', 'cutout'],
  win: WINDOW,
  frame: WINDOW,
};

type Ask = (id: number) => ClientMessage;

/** Streams of a box, taken by the C client where there is one. */
async function measureStreams(port: number, box: Box, seconds: number, ask: Ask): Promise<Rate> {
  const credit = templateOf(creditOf(GAPS.L, GAPS.I, GAPS.S));
  const words = [templateOf(HELLO), templateOf(ask(GAPS.I)), credit, WINDOW, volumeOf(boxShape(box))];
  const load = await runLoadClient('pull', port, CONNECTIONS, seconds, words);
  return load === undefined ? measureStreamsByNode(port, seconds, ask) : perSecondOf(load);
}

function creditOf(connection: number, id: number, stream: number): ClientMessage {
  return {
    kind: 'CREDIT',
    id: 0,
    grants: [
      [0, connection],
      [id, stream],
    ],
  };
}

async function measureStreamsByNode(port: number, seconds: number, ask: Ask): Promise<Rate> {
  let bytes = 0;
  const open = async (): Promise<RawSocket> => {
    let id = 1;
    let received = 0;
    let streamReceived = 0;
    let granted = 0;
    const pull = (socket: RawSocket): void => {
      id++;
      streamReceived = 0;
      socket.send(encodeClient(ask(id)));
    };
    const socket = await RawSocket.open(port, '/v1', 'bfly.v1', (head, length, self) => {
      if (head[0] === 0x9e && head[1] === TILE_TYPE) {
        bytes += length;
        received += length;
        streamReceived += length;
        if (received - granted < WINDOW / 2) return;
        granted = received;
        self.send(encodeClient(creditOf(received + WINDOW, id, streamReceived + WINDOW)));
        return;
      }
      const type = (head[1] as number) < 0x80 ? head[1] : head[2];
      if (type === FrameType.END || type === FrameType.HELLO + FrameType.REPLY) pull(self);
      if (type === FrameType.ERROR) throw new Error(`the server answered ${Buffer.from(head).toString('latin1')}`);
    });
    socket.send(encodeClient(HELLO));
    return socket;
  };
  return overTime(open, () => bytes, seconds);
}

/** Takes what a bare server pushes. @returns bytes a second. */
export async function measurePush(port: number, seconds: number): Promise<Rate> {
  const load = await runLoadClient('push', port, CONNECTIONS, seconds);
  if (load !== undefined) return perSecondOf(load);
  let bytes = 0;
  const open = (): Promise<RawSocket> =>
    RawSocket.open(port, '/', 'x', (_head, length) => {
      bytes += length;
    });
  return overTime(open, () => bytes, seconds);
}

/** Bytes a second of what the C client saw. */
export const perSecondOf = ({ bytes, seconds }: Load): Rate => ({ perSecond: bytes / seconds });

async function overTime(open: () => Promise<RawSocket>, count: () => number, seconds: number): Promise<Rate> {
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, open));
  await sleep(400);
  const from = count();
  const start = performance.now();
  await sleep(seconds * 1_000);
  const perSecond = (count() - from) / ((performance.now() - start) / 1_000);
  for (const socket of sockets) socket.close();
  await sleep(50);
  return { perSecond };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
