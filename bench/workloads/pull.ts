/** Pulls of raw tiles over eight connections, beside a bare server that pushes messages of the same size. */
import { encodeClient } from '../../protocol/encode.ts';
import { type ClientMessage, FrameType } from '../../protocol/messages.ts';
import { TILE_TYPE } from '../../protocol/tile-frame.ts';
import { type Box, boxShape, type EncodingName, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { withOwnShare } from '../support/duel.ts';
import { GAPS, type Load, runLoadClient, shareOf, templateOf } from '../support/load-client.ts';
import { RawSocket } from '../support/raw-socket.ts';

/** Connections of a load. */
export const CONNECTIONS = 8;
const WINDOW = 4 * 1024 * 1024;

/** What a client saw in its measured time. */
export interface Rate {
  readonly perSecond: number;
  /** Of messages or bodies. */
  readonly framesPerSecond?: number;
  /** Share of a core that the client used. */
  readonly clientShare?: number | undefined;
}

/**
 * Pulls a whole volume over and over.
 *
 * @param payloadBytes of all its tiles in that encoding; where it is left out, those of raw uint8.
 * @returns bytes of TILE messages a second, and how many.
 */
export function measurePulls(
  port: number,
  path: string,
  shape: Vec3,
  seconds: number,
  encoding: EncodingName = 'raw',
  payloadBytes = volumeOf(shape),
): Promise<Rate> {
  const box: Box = [0, 0, 0, ...shape];
  const ask = (id: number): ClientMessage => ({
    ...{ kind: 'PULL', id, path, mip: 0, box, enc: [encoding], order: 'scan', win: WINDOW },
  });
  return measureStreams(port, payloadBytes, seconds, ask);
}

/** Asks for a box as one CUTOUT over and over. @returns bytes of TILE messages a second. */
export function measureCutouts(port: number, path: string, box: Box, seconds: number): Promise<Rate> {
  const frame = 256 * 1024;
  const ask = (id: number): ClientMessage => ({ kind: 'CUTOUT', id, path, mip: 0, box, win: WINDOW, frame });
  return measureStreams(port, volumeOf(boxShape(box)), seconds, ask);
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

/** Streams of `payloadBytes` each, taken by the C client where there is one. */
async function measureStreams(port: number, payloadBytes: number, seconds: number, ask: Ask): Promise<Rate> {
  const credit = templateOf(creditOf(GAPS.L, GAPS.I, GAPS.S));
  const words = [templateOf(HELLO), templateOf(ask(GAPS.I)), credit, WINDOW, payloadBytes];
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
  let frames = 0;
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
        frames++;
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
  return overTime(open, () => [bytes, frames], seconds);
}

/** Takes what a bare server pushes, messages of `messageBytes`. @returns bytes a second. */
export async function measurePush(port: number, messageBytes: number, seconds: number): Promise<Rate> {
  const load = await runLoadClient('push', port, CONNECTIONS, seconds, [messageBytes]);
  if (load !== undefined) return perSecondOf(load);
  let bytes = 0;
  let frames = 0;
  const open = (): Promise<RawSocket> =>
    RawSocket.open(port, '/', 'x', (_head, length) => {
      bytes += length;
      frames++;
    });
  return overTime(open, () => [bytes, frames], seconds);
}

/** Bytes a second of what the C client saw. */
export const perSecondOf = (load: Load): Rate => ({
  perSecond: load.bytes / load.seconds,
  framesPerSecond: load.frames / load.seconds,
  clientShare: shareOf(load),
});

async function overTime(
  open: () => Promise<RawSocket>,
  count: () => readonly [bytes: number, frames: number],
  seconds: number,
): Promise<Rate> {
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, open));
  await sleep(400);
  const before = count();
  const { elapsed, clientShare } = await withOwnShare(async () => {
    const start = performance.now();
    await sleep(seconds * 1_000);
    return { elapsed: (performance.now() - start) / 1_000 };
  });
  const [bytes, frames] = count();
  for (const socket of sockets) socket.close();
  await sleep(50);
  return { perSecond: (bytes - before[0]) / elapsed, framesPerSecond: (frames - before[1]) / elapsed, clientShare };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
