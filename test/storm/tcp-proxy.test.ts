import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LineWeather, TcpProxy } from '../support/tcp-proxy.ts';

/** Everything that has come on a socket, and how it ended. */
class Heard {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  bytes = 0;
  ended = false;
  closed = false;
  #wake: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    const wake = (): void => {
      const waiting = this.#wake;
      this.#wake = [];
      for (const resolve of waiting) resolve();
    };
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.bytes += chunk.length;
      wake();
    });
    socket.on('end', () => {
      this.ended = true;
      wake();
    });
    socket.on('close', () => {
      this.closed = true;
      wake();
    });
    socket.on('error', () => {});
  }

  get all(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  async until(test: () => boolean): Promise<void> {
    while (!test()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }
}

const pattern = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8)));

describe('the TCP proxy of the storms', () => {
  let server: Server;
  let proxy: TcpProxy;
  let accepted: Promise<Heard>;

  beforeEach(async () => {
    server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await TcpProxy.open((server.address() as AddressInfo).port);
    accepted = once(server, 'connection').then(([socket]) => new Heard(socket as Socket));
  });
  afterEach(async () => {
    await proxy.close();
    server.close();
  });

  async function pair(weather: LineWeather = {}): Promise<{ client: Heard; far: Heard }> {
    proxy.weather = weather;
    const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return { client: new Heard(socket), far: await accepted };
  }

  it('brings every byte to the other end, in order, both ways, and the end after them', async () => {
    const { client, far } = await pair();
    const bytes = pattern(1_000_000);
    client.socket.end(bytes);
    far.socket.end(bytes.subarray(1));
    await far.until(() => far.ended);
    await client.until(() => client.ended);
    expect(far.all.equals(bytes)).toBe(true);
    expect(client.all.equals(bytes.subarray(1))).toBe(true);
  });

  it('cuts after exactly as many bytes as told', async () => {
    const { client, far } = await pair();
    proxy.cutAfter(() => 12_345);
    far.socket.write(pattern(100_000));
    await client.until(() => client.ended || client.closed);
    await far.until(() => far.ended || far.closed);
    expect(client.all.equals(pattern(12_345))).toBe(true);
    expect(proxy.connections).toBe(0);
  });

  it('holds everything while it is stalled, and loses nothing', async () => {
    const { client, far } = await pair();
    client.socket.write('before');
    await far.until(() => far.bytes === 6);
    proxy.stall();
    client.socket.write('after');
    // Time enough for a byte to go through a line that is open; if it were too short, the test would only see less.
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(far.bytes).toBe(6);
    proxy.resume();
    await far.until(() => far.bytes === 11);
    expect(far.all.toString()).toBe('beforeafter');
  });

  it('lets no more through than its rate allows', async () => {
    const { client, far } = await pair({ bitsPerSecond: 8_000_000 });
    const started = performance.now();
    far.socket.write(pattern(300_000));
    await client.until(() => client.bytes === 300_000);
    // 300,000 bytes at 1,000 a millisecond; a first piece and the debt that is forgiven come at once.
    expect(performance.now() - started).toBeGreaterThan(250);
    expect(client.all.equals(pattern(300_000))).toBe(true);
  });

  it('holds little of what it is slow to bring on', async () => {
    const { far } = await pair({ bitsPerSecond: 80_000, bufferBytes: 4_096 });
    let sent = 0;
    const block = pattern(65_536);
    // The kernel takes what its buffers hold; then the sender waits, for the proxy reads no more.
    while (sent < 64 * 1024 * 1024 && far.socket.write(block)) sent += block.length;
    while (sent < 64 * 1024 * 1024) {
      const drained = once(far.socket, 'drain').then(() => true);
      const waited = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 100));
      if (!(await Promise.race([drained, waited]))) break;
      far.socket.write(block);
      sent += block.length;
    }
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it('delays what goes through', async () => {
    const { client, far } = await pair({ latencyMs: 40 });
    const started = performance.now();
    client.socket.write('x');
    await far.until(() => far.bytes === 1);
    expect(performance.now() - started).toBeGreaterThan(38);
  });

  it('ends one direction and keeps the other', async () => {
    const { client, far } = await pair();
    proxy.halfClose('up');
    await far.until(() => far.ended);
    far.socket.write('still here');
    await client.until(() => client.bytes === 10);
    client.socket.write('lost');
    expect(far.bytes).toBe(0);
    expect(client.ended).toBe(false);
  });
});
