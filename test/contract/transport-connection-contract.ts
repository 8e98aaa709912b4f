import { afterEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../src/access/transport/transport.ts';
import { maskedFrame, OPCODE, readClose } from '../support/raw-websocket.ts';
import { deferred, Harness, type HarnessOptions } from '../support/transport-harness.ts';

const KiB = 1024;

/** Messages, closing and faults. */
export function connectionContract(kind: 'ws' | 'uws'): void {
  const started: Harness[] = [];
  const start = async (options: HarnessOptions = {}): Promise<Harness> => {
    const harness = await Harness.start(kind, options);
    started.push(harness);
    return harness;
  };
  afterEach(async () => {
    for (const harness of started.splice(0)) await harness.stop();
  });

  describe('messages', () => {
    it.each([0, 1, 125, 126, 65_535, 65_536, 300_000])('carries %i bytes there and back', async (length) => {
      const harness = await start();
      const { client, side } = await harness.pair();
      const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 7) & 255));
      side.onMessage = (message) => side.connection.send(message);
      client.sendBinary(bytes);
      const came = await client.nextMessage();
      expect(came?.opcode).toBe(OPCODE.binary);
      expect(came?.payload.equals(bytes)).toBe(true);
      expect(Buffer.from(side.messages.all[0] ?? []).equals(bytes)).toBe(true);
    });

    it('gives messages as plain Uint8Arrays, whose slice copies', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      const slice = deferred<boolean>();
      side.onMessage = (bytes) => slice.resolve(bytes.slice().buffer !== bytes.buffer && !Buffer.isBuffer(bytes));
      client.sendBinary(Buffer.from('x'));
      expect(await slice.promise).toBe(true);
    });

    it('tells text from binary', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      client.sendText('grüezi');
      expect(await side.texts.next()).toBe('grüezi');
      expect(side.messages.all.length).toBe(0);
    });

    it.each([0, 1, 125, 126, 65_535, 65_536, 300_000])('sends a text of %i bytes, between binaries', async (length) => {
      const harness = await start();
      const { client, side } = await harness.pair();
      const text = Buffer.from(length < 2 ? 'x'.repeat(length) : `ü${'x'.repeat(length - 2)}`);
      const borrowed = new Uint8Array(text);
      side.connection.send(Buffer.from('before'));
      side.connection.sendText(borrowed);
      borrowed.fill(0);
      side.connection.send(Buffer.from('behind'));
      expect((await client.nextMessage())?.payload.toString()).toBe('before');
      const came = await client.nextMessage();
      expect(came?.opcode).toBe(OPCODE.text);
      expect(came?.payload.equals(text)).toBe(true);
      expect((await client.nextMessage())?.payload.toString()).toBe('behind');
    });

    it('sends a text of some size from inside drained, and nothing once it is over', async () => {
      const harness = await start();
      const { client, side } = await harness.pair({ paused: true });
      const drained = deferred<void>();
      const text = Buffer.alloc(200 * KiB, 'y');
      fillBuffers(side.connection);
      side.onDrained = () => {
        side.onDrained = () => {};
        side.connection.sendText(text);
        drained.resolve();
      };
      client.resume();
      await drained.promise;
      let message = await client.nextMessage();
      while (message?.opcode === OPCODE.binary) message = await client.nextMessage();
      expect(message?.payload.equals(text)).toBe(true);
      client.destroy();
      await side.closes.next();
      side.connection.sendText(text);
      side.connection.ping();
      expect(side.connection.bufferedBytes()).toBe(0);
    });

    it('pings a client', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      side.connection.ping();
      expect(await client.next()).toMatchObject({ opcode: OPCODE.ping, payload: Buffer.alloc(0) });
      client.sendFrame(OPCODE.pong, Buffer.alloc(0));
      client.sendBinary(Buffer.from('x'));
      expect((await side.messages.next()).length).toBe(1);
    });

    it('joins the fragments of a client, also with a ping between them and a head in pieces', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      client.sendFrame(OPCODE.binary, Buffer.alloc(70_000, 1), false);
      client.sendFrame(OPCODE.ping, Buffer.from('?'));
      client.sendFrame(OPCODE.continuation, Buffer.alloc(0), false);
      client.sendFrame(OPCODE.continuation, Buffer.alloc(5, 2), true);
      const whole = await side.messages.next();
      expect(Buffer.from(whole).equals(Buffer.concat([Buffer.alloc(70_000, 1), Buffer.alloc(5, 2)]))).toBe(true);
      const frame = maskedFrame(OPCODE.binary, Buffer.alloc(300, 3));
      client.socket.setNoDelay(true);
      for (const [from, to] of [
        [0, 1],
        [1, 3],
        [3, 100],
        [100, undefined],
      ] as const) {
        client.socket.write(frame.subarray(from, to));
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect((await side.messages.next()).length).toBe(300);
    });

    it('sends messages in their order, tiles among them, each as one message', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      const tiles = [64, 65, 100, 1000, 64 + 16 * KiB, 64 + 64 * KiB, 64 + 700 * KiB].map((length, i) =>
        Buffer.alloc(length, i + 1),
      );
      side.connection.cork(() => {
        for (const tile of tiles) {
          side.connection.sendTile(new Uint8Array(tile));
          side.connection.send(Buffer.from([tile.length & 255]));
        }
      });
      for (const tile of tiles) {
        expect((await client.nextMessage())?.payload.equals(tile)).toBe(true);
        expect((await client.nextMessage())?.payload).toEqual(Buffer.from([tile.length & 255]));
      }
    });

    it('has copied a message, and the first 64 bytes of a tile, when the call returns', async () => {
      const harness = await start();
      const { client, side } = await harness.pair({ paused: true });
      fillBuffers(side.connection);
      const before = side.connection.bufferedBytes();
      const small = new Uint8Array(1000).fill(1);
      side.connection.send(small);
      small.fill(99);
      const tile = new Uint8Array(64 + 1000).fill(2);
      side.connection.sendTile(tile);
      tile.fill(98, 0, 64);
      if (side.connection.copiesOnSend) tile.fill(97, 64);
      expect(side.connection.bufferedBytes()).toBeGreaterThanOrEqual(before + 2064);
      client.resume();
      let message = await client.nextMessage();
      while (message?.payload.length === 1024 * KiB) message = await client.nextMessage();
      expect(message?.payload.equals(Buffer.alloc(1000, 1))).toBe(true);
      expect((await client.nextMessage())?.payload.equals(Buffer.alloc(1064, 2))).toBe(true);
    });

    it('answers a ping', async () => {
      const harness = await start();
      const { client } = await harness.pair();
      client.sendFrame(OPCODE.ping, Buffer.from('are you there'));
      expect(await client.next()).toMatchObject({ opcode: OPCODE.pong, payload: Buffer.from('are you there') });
    });

    it('cuts a client that pings on and never reads', async () => {
      const harness = await start();
      const { client, side } = await harness.pair({ paused: true });
      fillBuffers(side.connection);
      for (let i = 0; i < 200; i++) client.sendFrame(OPCODE.ping, Buffer.alloc(125));
      expect((await side.closes.next()).code).toBe(1006);
    });
  });

  describe('wrong messages end their connection only', () => {
    it.each([
      ['a reserved bit', Buffer.from([0xf2, 0x81, 0, 0, 0, 0, 7])],
      ['an unknown opcode', Buffer.from([0x83, 0x81, 0, 0, 0, 0, 7])],
      ['a long ping', maskedFrame(OPCODE.ping, Buffer.alloc(200))],
      ['a continuation of nothing', maskedFrame(OPCODE.continuation, Buffer.from('x'))],
      ['a message longer than allowed', maskedFrame(OPCODE.binary, Buffer.alloc(1001))],
      ['fragments longer than allowed', fragments(600, 600)],
      ['text that is not UTF-8', maskedFrame(OPCODE.text, Buffer.from([0xff, 0xfe]))],
    ])('%s', async (_name, bytes) => {
      const harness = await start({ maxMessageBytes: 1000 });
      const other = await harness.pair();
      const { client, side } = await harness.pair();
      client.socket.write(bytes);
      const close = side.closes.next();
      // Like any client, this one closes when the server does.
      const frame = await client.next();
      if (frame?.opcode === OPCODE.close) client.destroy();
      expect((await close).code).toBe(1006);
      expect([side.messages.all.length, side.texts.all.length]).toEqual([0, 0]);
      other.client.sendBinary(Buffer.alloc(1000));
      expect((await other.side.messages.next()).length).toBe(1000);
      expect(other.side.closes.all.length).toBe(0);
    });
  });

  it('never hands on an unmasked frame as it was sent, and serves the others', async () => {
    const harness = await start();
    const other = await harness.pair();
    const { client, side } = await harness.pair();
    client.socket.write(Buffer.concat([Buffer.from([0x82, 6]), Buffer.from('secret')]));
    // ws ends the connection; uWebSockets.js looks at no mask bit and takes the first bytes for the mask.
    if (kind === 'ws') expect((await client.next())?.opcode).toBe(OPCODE.close);
    other.client.sendBinary(Buffer.from('x'));
    await other.side.messages.next();
    expect(side.messages.all.map((bytes) => Buffer.from(bytes).toString())).not.toContain('secret');
  });

  describe('closing', () => {
    it("tells the server the client's code and reason, 1005 for none and 1006 for a cut", async () => {
      const harness = await start();
      const told = async (end: (client: Awaited<ReturnType<Harness['pair']>>['client']) => void) => {
        const { client, side } = await harness.pair();
        end(client);
        return side.closes.next();
      };
      expect(await told((client) => client.sendClose(4999, 'enough'))).toEqual({ code: 4999, reason: 'enough' });
      expect(await told((client) => client.sendClose())).toEqual({ code: 1005, reason: '' });
      expect((await told((client) => client.destroy())).code).toBe(1006);
    });

    it('sends a close frame behind everything, and ends the connection', async () => {
      const harness = await start();
      const { client, side } = await harness.pair({ paused: true });
      for (let i = 0; i < 8; i++) side.connection.send(new Uint8Array(1024 * KiB).fill(i));
      side.connection.close(4301, 'shutting down');
      expect(side.closes.all.length).toBe(0);
      client.resume();
      for (let i = 0; i < 8; i++) expect((await client.nextMessage())?.payload[5]).toBe(i);
      expect(readClose(await client.next())).toEqual({ code: 4301, reason: 'shutting down' });
      client.sendClose(4301);
      await client.gone;
      expect(await side.closes.next()).toEqual({ code: 4301, reason: 'shutting down' });
    });

    it.each(['in open', 'in message', 'in a cork', 'in a cork in message', 'on its own'])(
      'ends the connection at once when closed %s, also after a late verdict',
      async (where) => {
        const harness = await start({
          upgrade: async (_request, accept) => accept,
          onOpen: ({ connection }) => {
            if (where === 'in open') connection.close(4005, 'no');
          },
        });
        const { client, side } = await harness.pair();
        const close = (): void => side.connection.close(4005, 'no');
        if (where === 'in message') side.onMessage = close;
        if (where === 'in a cork in message') side.onMessage = () => side.connection.cork(close);
        if (where === 'in a cork') side.connection.cork(close);
        if (where === 'on its own') close();
        client.sendBinary(Buffer.from('x'));
        const began = performance.now();
        expect(readClose(await client.next())).toEqual({ code: 4005, reason: 'no' });
        client.sendClose(4005);
        await client.gone;
        expect(performance.now() - began).toBeLessThan(2_000);
        expect(await side.closes.next()).toEqual({ code: 4005, reason: 'no' });
      },
    );

    it.each([
      ['x'.repeat(200), 'x'.repeat(123)],
      ['ü'.repeat(100), 'ü'.repeat(61)],
      [`x${'€'.repeat(60)}`, `x${'€'.repeat(40)}`],
      [`xy${'🦋'.repeat(40)}`, `xy${'🦋'.repeat(30)}`],
      ['a\ud800b', 'a\ufffdb'],
    ])('cuts a reason to 123 bytes between characters: %s', async (long, short) => {
      const harness = await start();
      const { client, side } = await harness.pair();
      side.connection.close(4003, long);
      expect(readClose(await client.next())).toEqual({ code: 4003, reason: short });
    });

    it('never sends a code that may not be sent', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      side.connection.close(1006, '');
      expect(readClose(await client.next()).code).toBe(4303);
    });

    it('cuts a client that never takes its close frame', async () => {
      const harness = await start({ timings: { closeMs: 100 } });
      const { client, side } = await harness.pair({ paused: true });
      const sent = fillBuffers(side.connection);
      side.connection.close(4308, 'dead');
      expect(await side.closes.next()).toEqual({ code: 4308, reason: 'dead' });
      client.resume();
      await client.gone;
      expect(client.bytes).toBeLessThan(sent);
    });

    it('calls closed once and nothing after it, and never inside a call of its own', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      client.sendBinary(Buffer.from('1'));
      await side.messages.next();
      const inside: number[] = [];
      side.connection.cork(() => {
        side.connection.terminate();
        side.connection.terminate();
        side.connection.close(4001, '');
        inside.push(side.closes.all.length);
      });
      client.sendBinary(Buffer.from('2'));
      await side.closes.next();
      await client.gone;
      await harness.pair();
      expect(inside).toEqual([0]);
      expect(side.order).toEqual(['message', 'closed']);
    });

    it('hands on nothing between close and closed', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      side.connection.close(4301, '');
      client.sendBinary(Buffer.from('late'));
      client.sendText('later');
      client.sendClose(4301);
      await side.closes.next();
      expect(side.order).toEqual(['closed']);
    });

    it('has only no-ops after closed', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      let corked = 0;
      const everything = (): void => {
        const { connection } = side;
        connection.send(Buffer.alloc(100_000));
        connection.sendTile(new Uint8Array(100_000));
        connection.cork(() => corked++);
        connection.close(4001, 'x');
        connection.terminate();
        expect(connection.bufferedBytes()).toBe(0);
        expect(connection.remoteAddress).toBe('127.0.0.1');
      };
      side.onClosed = everything;
      client.destroy();
      await side.closes.next();
      everything();
      expect(corked).toBe(0);
      expect(side.closes.all.length).toBe(1);
      expect(harness.log.errors()).toEqual([]);
    });
  });

  describe('a handler that throws is logged and closes its connection with 4303', () => {
    const fault = (): never => {
      throw new Error('a bug');
    };
    it.each(['open', 'message', 'text', 'drained'])('in %s', async (event) => {
      const harness = await start({
        upgrade: (_request, accept) => (event === 'open' && accept.accept ? { ...accept, open: fault } : accept),
      });
      const client = await harness.client();
      if (event !== 'open') {
        const side = await harness.sides.next();
        if (event === 'message') side.onMessage = fault;
        if (event === 'text') side.onText = fault;
        if (event === 'drained') {
          side.onDrained = fault;
          client.pause();
          while (side.connection.bufferedBytes() === 0) side.connection.send(new Uint8Array(256 * KiB));
          client.resume();
        }
      }
      if (event === 'message') client.sendBinary(Buffer.from('x'));
      if (event === 'text') client.sendText('x');
      let frame = await client.next();
      while (frame?.opcode === OPCODE.binary) frame = await client.next();
      expect(readClose(frame)).toEqual({ code: 4303, reason: 'internal error' });
      expect(harness.log.errors()).toEqual(['a connection handler threw']);
      expect(harness.log.lines.at(-1)?.fields).toMatchObject({ event });
    });

    it('in closed, where it is only logged', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      side.onClosed = fault;
      client.destroy();
      await side.closes.next();
      expect(harness.log.errors()).toEqual(['a connection handler threw']);
    });

    it('in a cork, whose fault comes back to the caller after what was sent has left', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      const work = (): void =>
        side.connection.cork(() => {
          side.connection.send(Buffer.from('before'));
          fault();
        });
      expect(work).toThrow('a bug');
      expect((await client.nextMessage())?.payload.toString()).toBe('before');
      side.connection.send(Buffer.from('after'));
      expect((await client.nextMessage())?.payload.toString()).toBe('after');
    });
  });
}

/** Sends 1 MiB after the other until the kernel's buffers, which grow, can surely take no more; gives how many bytes. */
function fillBuffers(connection: Connection): number {
  let sent = 0;
  for (; connection.bufferedBytes() < 24 * 1024 * KiB; sent += 1024 * KiB) connection.send(new Uint8Array(1024 * KiB));
  return sent;
}

function fragments(...lengths: readonly number[]): Buffer {
  return Buffer.concat(
    lengths.map((length, i) =>
      maskedFrame(i === 0 ? OPCODE.binary : OPCODE.continuation, Buffer.alloc(length), i === lengths.length - 1),
    ),
  );
}
