/** What a client must not be able to do to a server, or to others on it. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import type { ClientMessage } from '../../../protocol/messages.ts';
import type { Box } from '../../../protocol/volume.ts';
import { loadUws } from '../../../src/access/transport/uws-transport.ts';
import type { Source } from '../../../src/image/source.ts';
import { Probe } from '../../support/probe.ts';
import {
  patternBytes,
  startTestServer,
  type TestServer,
  type TestServerOptions,
  type TestVolume,
} from '../../support/test-server.ts';

const EM = 'lab/fly/cube/em';
const WHOLE: Box = [0, 0, 0, 128, 128, 128];
/** So much that no rate stands in the way. */
const NO_RATES = { framesPerSecond: 1e9, framesBurst: 1e9, controlPerSecond: 1e9 } as const;
const EPOCH_MISMATCH = 302;

const volume = (fields: Partial<TestVolume> = {}): TestVolume => ({
  path: EM,
  data: patternBytes(128 ** 3),
  shape: [128, 128, 128],
  dtype: 'uint8',
  ...fields,
});

/** A source whose reads wait until they are let go. */
class Held {
  reads = 0;
  #waiting: (() => void)[] = [];
  #open = false;

  readonly wrap = (source: Source): Source => ({
    info: source.info,
    read: async (mip, box) => {
      this.reads++;
      if (!this.#open) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      return source.read(mip, box);
    },
    close: () => source.close(),
  });

  hold(): void {
    this.#open = false;
  }

  letGo(): void {
    this.#open = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Bytes of the heap that are in use after everything that can go has gone. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

const { missing } = loadUws();
if (missing !== undefined) console.warn(`NOT RUN: hostile clients over uWebSockets.js: ${missing}`);

describe.each(missing === undefined ? (['ws', 'uws'] as const) : (['ws'] as const))(
  'a hostile client over %s',
  (kind) => {
    let server: TestServer | undefined;
    const probes: Probe[] = [];

    const start = async (options: Partial<TestServerOptions> = {}): Promise<TestServer> => {
      server = await startTestServer({ kind, volumes: [volume()], ...options });
      return server;
    };
    const hello = async ({ url }: TestServer): Promise<Probe> => {
      const probe = await Probe.hello(url);
      probes.push(probe);
      return probe;
    };
    const cutout = (id: number, fields: Partial<Extract<ClientMessage, { kind: 'CUTOUT' }>> = {}): ClientMessage => ({
      kind: 'CUTOUT',
      id,
      path: EM,
      mip: 0,
      box: WHOLE,
      ...fields,
    });
    const pull = (id: number, fields: Partial<Extract<ClientMessage, { kind: 'PULL' }>> = {}): ClientMessage => ({
      kind: 'PULL',
      id,
      path: EM,
      mip: 0,
      box: WHOLE,
      ...fields,
    });

    afterEach(async () => {
      for (const probe of probes.splice(0)) probe.close();
      await server?.stop(0);
      server = undefined;
    });

    describe('CUTOUTs', () => {
      it('does not keep others from theirs by granting no credit', async () => {
        const running = await start();
        for (let n = 0; n < 4; n++) {
          const idle = await hello(running);
          for (const id of [50, 51]) {
            idle.send(cutout(id));
            await idle.next('CUTOUT_OK', id);
          }
        }
        const other = await hello(running);
        other.send(cutout(7, { box: [0, 0, 0, 16, 16, 16] }));
        expect(await other.next('END', 7)).toMatchObject({ status: 'done' });
        expect(running.hub.use().cutouts).toBe(0);
      });

      it('leaves nothing behind by cancelling those in line, however many', async () => {
        const running = await start({ limits: NO_RATES });
        const probe = await hello(running);
        for (const id of [50, 51]) {
          probe.send(cutout(id));
          await probe.next('CUTOUT_OK', id);
        }
        const before = heapBytes();
        for (let id = 1_000; id < 21_000; id++) {
          probe.send(cutout(id));
          probe.send({ kind: 'CANCEL', id });
          if (id % 100 === 0) await probe.settle();
          if (id % 100 === 0) probe.inbox.length = 0;
        }
        expect(heapBytes() - before).toBeLessThan(4 * 1024 * 1024);
        probe.close();
        await probe.closed;
        await expect.poll(() => running.hub.use()).toMatchObject({ sessions: 0, cutouts: 0 });
      });

      it('starts none of those in line when it goes away', async () => {
        const held = new Held();
        held.letGo();
        const running = await start({ volumes: [volume({ wrap: held.wrap, chunk: [64, 64, 32] })] });
        const probe = await hello(running);
        for (const id of [50, 51]) {
          probe.send(cutout(id, { box: [0, 0, 0, 128, 128, 32] }));
          await probe.next('CUTOUT_OK', id);
        }
        await probe.next('TILE', 50);
        held.hold();
        for (const id of [52, 53, 54]) probe.send(cutout(id, { box: [0, 0, 64, 128, 128, 96], format: 'tiff' }));
        await probe.settle();
        const { reads } = held;
        probe.close();
        await expect.poll(() => running.hub.use()).toMatchObject({ sessions: 0, cutouts: 0 });
        held.letGo();
        await new Promise((resolve) => setImmediate(resolve));
        expect(held.reads).toBe(reads);
      });
    });

    it('leaves nothing behind by cancelling UNIQUEs in line', async () => {
      const held = new Held();
      const running = await start({ volumes: [volume({ wrap: held.wrap })], limits: NO_RATES });
      const probe = await hello(running);
      probe.send({ kind: 'UNIQUE', id: 5, path: EM, mip: 0, box: WHOLE });
      await expect.poll(() => held.reads).toBeGreaterThan(0);
      const before = heapBytes();
      for (let id = 1_000; id < 21_000; id++) {
        probe.send({ kind: 'UNIQUE', id, path: EM, mip: 0, box: WHOLE });
        probe.send({ kind: 'CANCEL', id });
        if (id % 100 === 0) await probe.settle();
        if (id % 100 === 0) probe.inbox.length = 0;
      }
      expect(heapBytes() - before).toBeLessThan(4 * 1024 * 1024);
      probe.send({ kind: 'UNIQUE', id: 6, path: EM, mip: 0, box: WHOLE });
      held.letGo();
      await probe.next('UNIQUE_OK', 5);
      await probe.next('UNIQUE_OK', 6);
    });

    describe('tiles that are not there yet', () => {
      it('are read for pulls that were given up only as many at a time as for open ones', async () => {
        const held = new Held();
        const running = await start({
          volumes: [volume({ wrap: held.wrap, chunk: [16, 16, 16] })],
          limits: { pulls: 4 },
        });
        const probe = await hello(running);
        for (let n = 0; n < 100; n++) {
          const [x, y] = [16 * (n % 8), 16 * (n >> 3)];
          probe.send(pull(100 + n, { box: [x, y % 128, 0, x + 16, (y % 128) + 16, 128] }));
          await probe.next('PULL_OK', 100 + n);
          probe.send({ kind: 'CANCEL', id: 100 + n });
          await probe.next('END', 100 + n);
        }
        // Four that are next to be sent, four read ahead.
        expect(held.reads).toBeLessThanOrEqual(8);
        probe.send(pull(900, { box: [0, 0, 0, 16, 16, 16] }));
        held.letGo();
        expect(await probe.next('END', 900)).toMatchObject({ status: 'done', sent: 1 });
      });

      it('of a coarse level do not set off the reading of everything below at once', async () => {
        const held = new Held();
        const running = await start({ volumes: [volume({ wrap: held.wrap, chunk: [16, 16, 16] })] });
        const probe = await hello(running);
        probe.send(pull(5, { mip: 3 }));
        await probe.next('PULL_OK', 5);
        await expect.poll(() => held.reads).toBeGreaterThan(8);
        await probe.settle();
        expect(held.reads).toBeLessThanOrEqual(64);
        held.letGo();
        expect(await probe.next('END', 5)).toMatchObject({ status: 'done', failed: 0 });
        expect(held.reads).toBe(512);
      });

      it('are not waited for, nor sent, once the connection is being closed, though the client reads nothing of that', async () => {
        const running = await start();
        const probe = await hello(running);
        const ids = Array.from({ length: 16 }, (_, n) => 100 + n);
        probe.socket.pause();
        for (const id of ids) probe.send(pull(id));
        probe.send({ kind: 'CREDIT', id: 0, grants: [0, ...ids].map((id) => [id, 2 ** 40] as const) });
        await expect.poll(() => running.hub.use().bufferedBytes).toBeGreaterThan(512 * 1024);
        probe.sendRaw('text');
        await expect.poll(() => running.hub.use().requests).toBe(0);
      });
    });

    it('[D1] begins at the centre of a box, however far the box sticks out of the volume', async () => {
      const running = await start({ volumes: [volume({ chunk: [64, 64, 64] })] });
      const probe = await hello(running);
      const end = 2 ** 31 - 1;
      probe.send(pull(5, { box: [2, 2, 2, end, end, end] }));
      const { header } = await probe.next('TILE', 5);
      expect([header.x, header.y, header.z]).toEqual([64, 64, 64]);
    });

    it('[D1] is told EPOCH_MISMATCH for an epoch that is not the current one', async () => {
      const running = await start();
      const probe = await hello(running);
      probe.send({ kind: 'INFO', id: 2, path: EM });
      const { info } = await probe.next('INFO_OK', 2);
      if (!('epoch' in info)) throw new Error('INFO of a channel has its epoch');
      const epoch = info.epoch.slice();
      const box: Box = [0, 0, 0, 8, 8, 8];
      const ask = (id: number): void => {
        probe.send(pull(id, { box, epoch }));
        probe.send(cutout(id + 1, { box, epoch }));
        probe.send({ kind: 'UNIQUE', id: id + 2, path: EM, mip: 0, box, epoch });
      };
      ask(10);
      expect([(await probe.answer(10)).kind, (await probe.answer(11)).kind, (await probe.answer(12)).kind]).toEqual([
        'PULL_OK',
        'CUTOUT_OK',
        'UNIQUE_OK',
      ]);
      epoch[0] = (epoch[0] as number) ^ 1;
      ask(20);
      for (const id of [20, 21, 22]) expect(await probe.next('ERROR', id)).toMatchObject({ code: EPOCH_MISMATCH });
    });
  },
);
