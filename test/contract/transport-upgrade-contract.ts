import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { UpgradeRequest, UpgradeVerdict } from '../../src/access/transport/transport.ts';
import { OPCODE, RawWebSocket, readClose } from '../support/raw-websocket.ts';
import { deferred, exchangeBytes, fetchRaw, Harness, type HarnessOptions } from '../support/transport-harness.ts';

/** Handshakes and ports. */
export function upgradeContract(kind: 'ws' | 'uws'): void {
  const started: Harness[] = [];
  const start = async (options: HarnessOptions = {}): Promise<Harness> => {
    const harness = await Harness.start(kind, options);
    started.push(harness);
    return harness;
  };
  afterEach(async () => {
    for (const harness of started.splice(0)) await harness.stop();
  });

  describe('handshakes', () => {
    it('hands the whole request to the handler and echoes exactly the chosen subprotocol', async () => {
      let seen: UpgradeRequest | undefined;
      const harness = await start({
        upgrade: (request, accept) => {
          seen = request;
          return accept.accept ? { ...accept, protocol: 'bfly.v1' } : accept;
        },
      });
      const headers = { 'X-Token': 'abc', Origin: 'http://elsewhere' };
      const client = await harness.client({
        path: '/a%20b/c?x=1&y=%3D',
        protocols: ['other', 'bfly.v1', 'z'],
        headers,
      });
      expect(client.status).toBe(101);
      expect(client.headers.get('sec-websocket-protocol')).toBe('bfly.v1');
      expect(seen).toMatchObject({ path: '/a%20b/c', query: 'x=1&y=%3D', protocols: ['other', 'bfly.v1', 'z'] });
      expect(seen?.remoteAddress).toBe('127.0.0.1');
      expect([seen?.header('x-token'), seen?.header('origin'), seen?.header('none')]).toEqual([
        'abc',
        'http://elsewhere',
        undefined,
      ]);
    });

    it('echoes no subprotocol where none was chosen, and none that was not offered', async () => {
      const harness = await start({
        upgrade: (request, accept) =>
          accept.accept ? { ...accept, protocol: request.path === '/none' ? undefined : 'bfly.v1' } : accept,
      });
      const none = await harness.client({ path: '/none', protocols: ['bfly.v1'] });
      expect([none.status, none.headers.has('sec-websocket-protocol')]).toEqual([101, false]);
      const offered = await harness.client({ path: '/x' });
      expect([offered.status, offered.headers.has('sec-websocket-protocol')]).toEqual([101, false]);
    });

    it('offers no compression, whatever the client would like', async () => {
      const harness = await start();
      const client = await harness.client({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
      expect([client.status, client.headers.has('sec-websocket-extensions')]).toEqual([101, false]);
    });

    it('waits for a verdict that comes later', async () => {
      const verdict = deferred<void>();
      const harness = await start({
        upgrade: async (_request, accept) => {
          await verdict.promise;
          return accept;
        },
        onOpen: (side) => side.connection.send(Buffer.from('hello')),
      });
      const opening = harness.client({ protocols: ['bfly.v1'] });
      setImmediate(verdict.resolve);
      const client = await opening;
      expect(client.headers.get('sec-websocket-protocol')).toBe('bfly.v1');
      expect((await client.nextMessage())?.payload.toString()).toBe('hello');
    });

    it('calls aborted, not open, where the client went away before the verdict', async () => {
      const asked = deferred<void>();
      const verdict = deferred<void>();
      const aborted = deferred<string>();
      const harness = await start({
        upgrade: async (request, accept) => {
          if (request.path !== '/leaver' || !accept.accept) return accept;
          asked.resolve();
          await verdict.promise;
          return { ...accept, aborted: () => aborted.resolve('aborted') };
        },
      });
      const socket = connect({ port: harness.port, host: '127.0.0.1' });
      socket.on('error', () => {});
      socket.write(handshakeText('/leaver'));
      await asked.promise;
      socket.destroy();
      // A connection made after it is served after it: the server has seen the end by then.
      const { client } = await harness.pair();
      await fetchRaw(harness.port, '/');
      verdict.resolve();
      expect(await aborted.promise).toBe('aborted');
      expect(harness.sides.all.length).toBe(1);
      client.destroy();
    });

    it('sends the response of a refusing verdict, with body and headers, and closes', async () => {
      const harness = await start({
        upgrade: async () => ({
          accept: false,
          response: {
            status: 401,
            headers: { 'WWW-Authenticate': 'Bearer', 'X-Evil': 'a\r\nb: c' },
            body: 'who are you?',
          },
        }),
      });
      const answer = await exchangeBytes(harness.port, handshakeText('/'));
      expect(answer).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n/);
      expect(answer).toMatch(/\r\nwww-authenticate: Bearer\r\n/i);
      expect(answer).toMatch(/\r\nx-evil: a\?\?b: c\r\n/i);
      expect(answer).toMatch(/\r\ncontent-length: 12\r\n/i);
      expect(answer).toMatch(/\r\nconnection: close\r\n/i);
      expect(answer.endsWith('\r\n\r\nwho are you?')).toBe(true);
    });

    it('answers 500 without a word of the reason where the upgrade handler throws', async () => {
      const harness = await start({
        upgrade: () => {
          throw new Error('secret /path');
        },
      });
      const answer = await exchangeBytes(harness.port, handshakeText('/'));
      expect(answer).toMatch(/^HTTP\/1\.1 500 /);
      expect(answer).not.toContain('secret');
      expect(harness.log.errors()).toEqual(['the upgrade handler threw']);
    });

    it.each([
      ['another version', { 'Sec-WebSocket-Version': '8' }, 426],
      ['no version', { 'Sec-WebSocket-Version': undefined }, 426],
      ['no key', { 'Sec-WebSocket-Key': undefined }, 400],
      ['a short key', { 'Sec-WebSocket-Key': 'abc' }, 400],
      ['a key of 24 signs that is not base64', { 'Sec-WebSocket-Key': 'x'.repeat(24) }, 400],
      ['a subprotocol twice', { 'Sec-WebSocket-Protocol': 'a, a' }, 400],
      ['a subprotocol that is no token', { 'Sec-WebSocket-Protocol': 'a b' }, 400],
    ])('refuses a handshake with %s', async (_name, headers, status) => {
      const harness = await start();
      const client = await harness.client({ headers });
      expect(client.status).toBe(status);
      if (status === 426) expect(client.headers.get('sec-websocket-version')).toBe('13');
      await client.gone;
      expect(harness.sides.all.length).toBe(0);
    });

    it('takes a request for another protocol, or without the wish to upgrade, for plain HTTP', async () => {
      const harness = await start({
        http: ({ method, path }) => ({ status: 200, headers: {}, body: `${method} ${path}` }),
      });
      const h2c = await fetchRaw(harness.port, '/h2c', { headers: { connection: 'Upgrade', upgrade: 'h2c' } });
      expect([h2c.status, h2c.body.toString()]).toEqual([200, 'GET /h2c']);
      const key = { 'Sec-WebSocket-Key': randomBytes(16).toString('base64'), 'Sec-WebSocket-Version': '13' };
      const keyOnly = await fetchRaw(harness.port, '/key', { headers: key });
      expect([keyOnly.status, keyOnly.body.toString()]).toEqual([200, 'GET /key']);
    });
  });

  describe('ports', () => {
    it('names a used port and what to do about it', async () => {
      const first = await start();
      const second = new Harness(kind, {});
      await expect(second.transport.listen('127.0.0.1', first.port)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: `port ${first.port} is in use, choose another with --port`,
      });
      await second.transport.close();
    });

    it('names a host that is not of this machine, and a port that is none', async () => {
      const { transport } = new Harness(kind, {});
      await expect(transport.listen('192.0.2.1', 0)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringContaining('host 192.0.2.1 is no address of this machine'),
      });
      await expect(transport.listen('127.0.0.1', 70_000)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await transport.close();
    });

    it('is heard again after a failed attempt', async () => {
      const first = await start();
      const second = new Harness(kind, {});
      started.push(second);
      await expect(second.transport.listen('127.0.0.1', first.port)).rejects.toThrow('in use');
      second.port = await second.transport.listen('127.0.0.1', 0);
      expect((await second.client()).status).toBe(101);
    });

    it('frees the port when closed, for listening at once', async () => {
      const first = await start();
      const { client, side } = await first.pair();
      const waiting = connect({ port: first.port, host: '127.0.0.1' });
      waiting.on('error', () => {});
      await new Promise((resolve) => waiting.once('connect', resolve));
      await first.transport.close();
      const again = await start({ port: first.port });
      expect(again.port).toBe(first.port);
      await client.gone;
      expect(await side.closes.next()).toEqual({ code: 1006, reason: '' });
      expect((await again.client()).status).toBe(101);
      waiting.destroy();
    });

    it('keeps open connections when it stops listening, and refuses new ones', async () => {
      const harness = await start();
      const { client, side } = await harness.pair();
      harness.transport.stopListening();
      harness.transport.stopListening();
      await expect(fetchRaw(harness.port, '/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      client.sendBinary(Buffer.from('still here'));
      expect(Buffer.from(await side.messages.next()).toString()).toBe('still here');
      side.connection.send(Buffer.from('so am I'));
      expect((await client.nextMessage())?.payload.toString()).toBe('so am I');
      side.connection.close(4301, 'shutting down');
      expect(readClose(await client.nextMessage())).toEqual({ code: 4301, reason: 'shutting down' });
    });

    it('ends a storm of 200 connections with none left', async () => {
      const harness = await start({ upgrade: async (_request, accept): Promise<UpgradeVerdict> => accept });
      const clients = await Promise.all(Array.from({ length: 200 }, () => harness.client({ protocols: ['bfly.v1'] })));
      expect(clients.map(({ status }) => status)).toEqual(new Array(200).fill(101));
      const sides = await Promise.all(clients.map(() => harness.sides.next()));
      clients.forEach((client, i) => {
        if (i % 3 === 0) client.destroy();
        else if (i % 3 === 1) client.sendClose(1000);
        else client.sendFrame(OPCODE.binary, Buffer.alloc(10));
      });
      for (const side of sides) side.onMessage = () => side.connection.close(4001, 'no hello');
      await Promise.all(sides.map((side) => side.closes.next()));
      for (const client of clients) client.destroy();
      await Promise.all(clients.map((client) => client.gone));
      expect(sides.map((side) => side.closes.all.length)).toEqual(new Array(200).fill(1));
      expect(sides.map((side) => side.connection.bufferedBytes())).toEqual(new Array(200).fill(0));
    });
  });

  it('knows a peer of IPv6, and one of IPv4 that came through an IPv6 socket, by its plain address', async () => {
    const harness = new Harness(kind, { upgrade: (_request, accept) => accept });
    started.push(harness);
    harness.port = await harness.transport.listen('::', 0);
    for (const host of ['127.0.0.1', '::1']) {
      const client = await RawWebSocket.open(harness.port, { host });
      expect((await harness.sides.next()).connection.remoteAddress).toBe(host);
      client.destroy();
    }
  });
}

function handshakeText(path: string): string {
  const key = randomBytes(16).toString('base64');
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: x',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
  ];
  return `${lines.join('\r\n')}\r\nSec-WebSocket-Version: 13\r\n\r\n`;
}
