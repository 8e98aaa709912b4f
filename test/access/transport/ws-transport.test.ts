import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { transportContract } from '../../contract/transport-contract.ts';
import { exchangeBytes, fetchRaw, Harness, type HarnessOptions } from '../../support/transport-harness.ts';

transportContract('ws');

// uWebSockets.js has time limits of its own, of 10 s: too long to wait for here.
describe('time limits of the ws transport', () => {
  let harness: Harness | undefined;
  const start = async (options: HarnessOptions): Promise<Harness> => {
    harness = await Harness.start('ws', options);
    return harness;
  };
  afterEach(() => harness?.stop());

  it('ends connections that say nothing, or half a head', async () => {
    const { port } = await start({ timings: { headMs: 100, requestMs: 200 } });
    const answers = await Promise.all(['', 'GET / HTTP/1.1\r\nHost: x\r\n'].map((bytes) => exchangeBytes(port, bytes)));
    for (const answer of answers) expect(answer).toMatch(/^$|^HTTP\/1\.1 408 /);
  });

  it('ends a request whose body stops coming', async () => {
    const { port } = await start({
      timings: { headMs: 100, requestMs: 200 },
      http: async (request) => ({ status: 200, headers: {}, body: await request.body(1000) }),
    });
    const half = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf';
    expect(await exchangeBytes(port, half)).toMatch(/^$|^HTTP\/1\.1 408 /);
  });

  it('ends a response that nobody reads, but no slow handler', async () => {
    const { port } = await start({
      timings: { stalledMs: 100 },
      http: async ({ path }) => {
        if (path === '/slow') await new Promise((resolve) => setTimeout(resolve, 300));
        return { status: 200, headers: {}, body: new Uint8Array(path === '/slow' ? 10 : 32 * 1024 * 1024) };
      },
    });
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    socket.on('error', () => {});
    socket.pause();
    const slow = fetchRaw(port, '/slow');
    expect((await slow).body.length).toBe(10);
    // Where it was cut, far less than the whole comes.
    let came = 0;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('data', (chunk: Buffer) => {
      came += chunk.length;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket.resume();
    await closed;
    expect(came).toBeLessThan(32 * 1024 * 1024);
  });
});
