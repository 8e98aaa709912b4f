/** One client pulls 1 GiB over one connection: with the SDK, or with a bare socket that counts what comes and grants as much. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { encodeClient } from '../../protocol/encode.ts';
import { FrameType } from '../../protocol/messages.ts';
import { TILE_HEADER_BYTES, TILE_TYPE } from '../../protocol/tile-frame.ts';
import { type Box, volumeOf } from '../../protocol/volume.ts';
import { connect } from '../../src/client/node.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { CHANNELS, voxelsOf } from '../support/store.ts';

/** Who pulls. */
export type PullerKind = 'sdk' | 'raw';

/** What a pull took. */
export interface Pulled {
  /** Of voxels. */
  readonly bytes: number;
  readonly seconds: number;
  /** Share of a core that the client used. */
  readonly clientShare: number;
}

const { path: PATH, shape, chunk } = CHANNELS.large;
const VOLUME_BYTES = volumeOf(shape);
const TURNS = 2 ** 30 / VOLUME_BYTES;
/** The largest window: what the SDK comes to on a fast line. */
const WINDOW = 4 * 1024 * 1024;

/** Pulls in a process of its own. */
export async function pullInProcess(kind: PullerKind, port: number): Promise<Pulled> {
  const script = fileURLToPath(new URL('./sdk-pull-child.js', import.meta.url));
  const child = fork(script, [kind, String(port)], { stdio: 'inherit' });
  const [pulled] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the puller ended with ${code}`))),
  ])) as [Pulled];
  return pulled;
}

/** Checks one tile of the SDK. @throws Error where it is not what the store holds. */
export async function checkPull(port: number): Promise<void> {
  const session = await connect(`ws://127.0.0.1:${port}`);
  const box: Box = [64, 128, 64, 64 + chunk[0], 128 + chunk[1], 64 + chunk[2]];
  for await (const tile of session.pull(PATH, { box }))
    if (!Buffer.from(tile.bytes()).equals(voxelsOf(CHANNELS.large, box)))
      throw new Error('the SDK gives another tile than the store holds');
  await session.close();
}

/** Pulls in this process: the volume once to warm up, then 1 GiB. */
export async function pull(kind: PullerKind, port: number): Promise<Pulled> {
  const client = kind === 'sdk' ? await openSdk(port) : await openRaw(port);
  await client.pull();
  const used = process.cpuUsage();
  const start = performance.now();
  let bytes = 0;
  for (let turn = 0; turn < TURNS; turn++) bytes += await client.pull();
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(used);
  await client.close();
  if (bytes !== TURNS * VOLUME_BYTES) throw new Error(`${bytes} bytes came instead of ${TURNS * VOLUME_BYTES}`);
  return { bytes, seconds, clientShare: (user + system) / 1e6 / seconds };
}

interface Client {
  /** Pulls the volume. @returns bytes of voxels. */
  pull(): Promise<number>;
  close(): Promise<void>;
}

async function openSdk(port: number): Promise<Client> {
  const session = await connect(`ws://127.0.0.1:${port}`);
  return {
    async pull() {
      let bytes = 0;
      for await (const tile of session.pull(PATH, { order: 'scan' })) bytes += tile.bytes().length;
      return bytes;
    },
    close: async () => void (await session.close()),
  };
}

async function openRaw(port: number): Promise<Client> {
  let [id, all, ofPull, granted, voxels] = [1, 0, 0, 0, 0];
  let done: (() => void) | undefined;
  const socket = await RawSocket.open(port, '/v1', 'bfly.v1', (head, length, self) => {
    if (head[0] === 0x9e && head[1] === TILE_TYPE) {
      all += length;
      ofPull += length;
      voxels += length - TILE_HEADER_BYTES;
      if (all - granted < WINDOW / 4) return;
      granted = all;
      const grants: [number, number][] = [
        [0, all + WINDOW],
        [id, ofPull + WINDOW],
      ];
      self.send(encodeClient({ kind: 'CREDIT', id: 0, grants }));
      return;
    }
    const type = (head[1] as number) < 0x80 ? head[1] : head[2];
    if (type === FrameType.END || type === FrameType.HELLO + FrameType.REPLY) done?.();
    if (type === FrameType.ERROR) throw new Error(`the server answered ${Buffer.from(head).toString('latin1')}`);
  });
  const answered = (): Promise<void> => new Promise((resolve) => (done = resolve));
  const welcome = answered();
  const sizes = { win: WINDOW, frame: WINDOW };
  socket.send(encodeClient({ kind: 'HELLO', id: 1, v: [1], client: 'bench', feat: ['pull'], ...sizes }));
  await welcome;
  return {
    async pull() {
      [ofPull, voxels] = [0, 0];
      const end = answered();
      const box: Box = [0, 0, 0, ...shape];
      socket.send(encodeClient({ kind: 'PULL', id: ++id, path: PATH, mip: 0, box, order: 'scan', win: WINDOW }));
      await end;
      return voxels;
    },
    close: async () => socket.close(),
  };
}
