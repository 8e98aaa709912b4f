import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { HttpRequest, HttpResponse } from '../../src/access/transport/transport.ts';
import { deferred, exchangeBytes, fetchRaw, Harness, type HarnessOptions } from '../support/transport-harness.ts';

const MiB = 1024 * 1024;

/** Plain requests on the port of the WebSockets. */
export function httpContract(kind: 'ws' | 'uws'): void {
  const started: Harness[] = [];
  const start = async (http: HarnessOptions['http'], options: HarnessOptions = {}): Promise<Harness> => {
    const harness = await Harness.start(kind, { ...options, ...(http === undefined ? {} : { http }) });
    started.push(harness);
    return harness;
  };
  afterEach(async () => {
    for (const harness of started.splice(0)) await harness.stop();
  });

  describe('requests', () => {
    it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
      'hands on a %s with path, query and headers',
      async (method) => {
        let seen: HttpRequest | undefined;
        const harness = await start((request) => {
          seen = request;
          return { status: 200, headers: { 'X-Answer': 'yes' }, body: 'grüezi' };
        });
        const headers = { 'X-Token': 'abc', Cookie: ['a=1', 'b=2'] };
        const answer = await fetchRaw(harness.port, '/a%20b/c?x=1&y=?%3D', { method, headers });
        expect(seen).toMatchObject({ method, path: '/a%20b/c', query: 'x=1&y=?%3D', remoteAddress: '127.0.0.1' });
        expect([seen?.header('x-token'), seen?.header('cookie'), seen?.header('none')]).toEqual([
          'abc',
          'a=1; b=2',
          undefined,
        ]);
        expect([answer.status, answer.headers['x-answer'], answer.body.toString()]).toEqual([200, 'yes', 'grüezi']);
        expect(answer.headers['content-length']).toBe('7');
        expect(Object.keys(answer.headers)).not.toContain('uwebsockets');
      },
    );

    it('joins headers that come again, but keeps the first of those that must be single', async () => {
      let seen: HttpRequest | undefined;
      const harness = await start((request) => {
        seen = request;
        return { status: 204, headers: {} };
      });
      const lines = [
        'Host: x',
        'X-A: 1',
        'x-a: 2',
        'Authorization: first',
        'Authorization: second',
        'Connection: close',
      ];
      await exchangeBytes(harness.port, `GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      expect([seen?.header('x-a'), seen?.header('authorization')]).toEqual(['1, 2', 'first']);
    });

    it('gives the whole body, also in chunks and also when it is asked for late', async () => {
      const harness = await start(async (request) => {
        if (request.path === '/late') await fetchRaw(harness.port, '/other');
        if (request.path === '/other') return { status: 200, headers: {} };
        const bytes = await request.body(4 * MiB);
        const again = await request.body(1);
        return {
          status: 200,
          headers: {},
          body: `${bytes.length} ${sha(bytes)} ${again === bytes} ${Buffer.isBuffer(bytes)}`,
        };
      });
      const body = randomBytes(3 * MiB);
      const expected = `${body.length} ${sha(body)} true false`;
      const chunked = { method: 'POST', headers: { 'transfer-encoding': 'chunked' } };
      for (const path of ['/now', '/late']) {
        expect((await fetchRaw(harness.port, path, { method: 'POST' }, body)).body.toString()).toBe(expected);
        expect((await fetchRaw(harness.port, path, chunked, body)).body.toString()).toBe(expected);
      }
      const none = await fetchRaw(harness.port, '/now', { method: 'POST' });
      expect(none.body.toString()).toMatch(/^0 /);
    });

    it('rejects a body over the limit with TOO_LARGE, whether announced or not, and its client reads the answer', async () => {
      const harness = await start(async (request) => {
        const fault: unknown = await request.body(1000).catch((error: unknown) => error);
        const code = fault instanceof Error && 'code' in fault ? String(fault.code) : 'none';
        return { status: code === 'none' ? 200 : 413, headers: {}, body: code };
      });
      for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
        const long = await fetchRaw(harness.port, '/', { method: 'POST', headers }, Buffer.alloc(300_000));
        expect([long.status, long.body.toString()]).toEqual([413, 'TOO_LARGE']);
        const fits = await fetchRaw(harness.port, '/', { method: 'POST', headers }, Buffer.alloc(1000));
        expect([fits.status, fits.body.toString()]).toEqual([200, 'none']);
      }
    });

    it('answers a request whose body nobody reads, and goes on', async () => {
      const harness = await start(() => ({ status: 404, headers: {}, body: 'no' }));
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let i = 0; i < 3; i++) {
        const answer = await fetchRaw(harness.port, '/', { method: 'POST', agent }, Buffer.alloc(900_000));
        expect([answer.status, answer.body.toString()]).toEqual([404, 'no']);
        expect(answer.headers.connection).not.toBe('close');
      }
      agent.destroy();
    });

    it('takes little of a body before it is asked for', async () => {
      const work = deferred<void>();
      const harness = await start(async (request) => {
        if (request.method === 'GET') return { status: 200, headers: {} };
        await work.promise;
        return { status: 200, headers: {}, body: String((await request.body(64 * MiB)).length) };
      });
      let taken = false;
      const answer = deferred<string>();
      const posting = httpRequest({ port: harness.port, host: '127.0.0.1', method: 'POST' }, (response) => {
        response.on('data', (chunk: Buffer) => answer.resolve(chunk.toString()));
      });
      posting.write(Buffer.alloc(48 * MiB), () => {
        taken = true;
      });
      posting.end();
      for (let i = 0; i < 50; i++) await fetchRaw(harness.port, '/');
      expect(taken).toBe(false);
      work.resolve();
      expect(await answer.promise).toBe(String(48 * MiB));
    });

    it('rejects the body with CANCELLED where the client goes away, and serves others', async () => {
      const code = deferred<unknown>();
      const asked = deferred<void>();
      const harness = await start(async (request) => {
        if (request.method === 'GET') return { status: 200, headers: {}, body: 'here' };
        asked.resolve();
        await request.body(MiB).catch((error: unknown) => code.resolve(error));
        return { status: 200, headers: {}, body: 'too late' };
      });
      const socket = connect({ port: harness.port, host: '127.0.0.1' });
      socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf');
      await asked.promise;
      socket.destroy();
      expect(await code.promise).toMatchObject({ code: 'CANCELLED' });
      expect((await fetchRaw(harness.port, '/')).body.toString()).toBe('here');
      expect(harness.log.errors()).toEqual([]);
    });

    it('drops the answer to a client that went away while the handler worked', async () => {
      const asked = deferred<void>();
      const work = deferred<void>();
      const harness = await start(async ({ path }) => {
        if (path === '/other') return { status: 200, headers: {}, body: 'here' };
        asked.resolve();
        await work.promise;
        return { status: 200, headers: {}, body: new Uint8Array(MiB) };
      });
      const socket = connect({ port: harness.port, host: '127.0.0.1' });
      socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
      await asked.promise;
      socket.destroy();
      await fetchRaw(harness.port, '/other');
      work.resolve();
      expect((await fetchRaw(harness.port, '/other')).body.toString()).toBe('here');
      expect(harness.log.errors()).toEqual([]);
    });

    it('lets no unknown method and no odd target reach the handler', async () => {
      let calls = 0;
      const harness = await start(() => {
        calls++;
        return { status: 200, headers: {} };
      });
      for (const line of ['BREW /', 'PROPFIND /', 'TRACE /', 'get /', 'GET /\u00e4']) {
        const answer = await exchangeBytes(harness.port, `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
        expect(answer).toMatch(/^$|^HTTP\/1\.1 (400|501) /);
      }
      expect(calls).toBe(0);
      expect((await fetchRaw(harness.port, '/')).status).toBe(200);
    });

    it('refuses two lengths of one body', async () => {
      let calls = 0;
      const harness = await start(() => {
        calls++;
        return { status: 200, headers: {} };
      });
      const head = 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n';
      expect(await exchangeBytes(harness.port, `${head}Content-Length: 3\r\n\r\nabcd`)).toMatch(/^$|^HTTP\/1\.1 400 /);
      expect(await exchangeBytes(harness.port, `${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)).toMatch(
        /^$|^HTTP\/1\.1 400 /,
      );
      expect(calls).toBe(0);
    });
  });

  describe('what the transport itself refuses', () => {
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
    it.each([
      ['a method that nobody has', 'TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n', 501],
      [
        'a version of WebSocket that nobody has',
        `GET / HTTP/1.1\r\nHost: x\r\n${upgrade}Sec-WebSocket-Version: 8\r\n`,
        426,
      ],
      ['a handshake without a key', `GET / HTTP/1.1\r\nHost: x\r\n${upgrade}Sec-WebSocket-Version: 13\r\n`, 400],
    ])('%s, pages of any origin may read', async (_, head, status) => {
      const harness = await start(() => ({ status: 200, headers: {} }));
      const answer = await exchangeBytes(harness.port, `${head}Origin: http://example.org\r\n\r\n`);
      expect(answer.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
      expect(answer).toMatch(/\r\naccess-control-allow-origin: \*\r\n/i);
    });
  });

  describe('responses', () => {
    it('tells once when they are over: taken whole, or never to be taken', async () => {
      const over: string[] = [];
      const waiting = deferred<void>();
      const gone = deferred<void>();
      const harness = await start(({ path }) => {
        const response = { status: 200, headers: {}, body: new Uint8Array(3_000_000), onOver: () => over.push(path) };
        if (path !== '/late') return response;
        waiting.resolve();
        return gone.promise.then(() => response);
      });
      const until = async (count: number): Promise<void> => {
        while (over.length < count) await new Promise((resolve) => setImmediate(resolve));
      };
      expect((await fetchRaw(harness.port, '/taken')).body.length).toBe(3_000_000);
      await until(1);
      expect((await fetchRaw(harness.port, '/head', { method: 'HEAD' })).status).toBe(200);
      await until(2);
      const upgrade = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAA' };
      expect((await fetchRaw(harness.port, '/h2c', { headers: upgrade })).status).toBe(200);
      await until(3);
      const broken = connect({ port: harness.port, host: '127.0.0.1' });
      broken.write('GET /broken HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(broken, 'data');
      broken.destroy();
      await until(4);
      const late = connect({ port: harness.port, host: '127.0.0.1' });
      late.write('GET /late HTTP/1.1\r\nHost: x\r\n\r\n');
      await waiting.promise;
      late.destroy();
      while (harness.transport.unfinished > 0) await new Promise((resolve) => setImmediate(resolve));
      gone.resolve();
      await until(5);
      await fetchRaw(harness.port, '/last');
      await until(6);
      expect(over).toEqual(['/taken', '/head', '/h2c', '/broken', '/late', '/last']);
      expect(harness.transport.unfinished).toBe(0);
    });

    it('answers HEAD with the length and without the body, on a connection that goes on', async () => {
      const harness = await start(({ method }) => ({
        status: 200,
        headers: { 'X-Method': method },
        body: 'x'.repeat(100_000),
      }));
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const sockets = new Set<Socket>();
      for (const method of ['HEAD', 'HEAD', 'GET', 'HEAD']) {
        const answer = await fetchRaw(harness.port, '/', { method, agent });
        expect([answer.headers['x-method'], answer.headers['content-length']]).toEqual([method, '100000']);
        expect(answer.body.length).toBe(method === 'HEAD' ? 0 : 100_000);
        for (const socket of Object.values(agent.freeSockets).flat()) if (socket !== undefined) sockets.add(socket);
      }
      expect(sockets.size).toBe(1);
      agent.destroy();
    });

    it.each([204, 304])('answers %i without body and length, on a connection that goes on', async (status) => {
      const harness = await start(() => ({ status, headers: { ETag: '"x"' }, body: 'not sent' }));
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let i = 0; i < 2; i++) {
        const answer = await fetchRaw(harness.port, '/', { agent });
        expect([answer.status, answer.headers.etag, answer.body.length]).toEqual([status, '"x"', 0]);
        expect(answer.headers).not.toHaveProperty('content-length');
      }
      agent.destroy();
    });

    it('answers an empty body with length 0', async () => {
      const harness = await start(() => ({ status: 200, headers: {} }));
      const answer = await fetchRaw(harness.port, '/');
      expect([answer.status, answer.headers['content-length'], answer.body.length]).toEqual([200, '0', 0]);
    });

    it('brings 24 MiB whole to a slow reader, again and again on one connection', async () => {
      const body = randomBytes(24 * MiB);
      const harness = await start(() => ({ status: 200, headers: {}, body }));
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let i = 0; i < 2; i++) expect(await slowSha(harness.port, agent)).toEqual([body.length, sha(body)]);
      agent.destroy();
    });

    it('closes the connection behind a large response where the client asks for it', async () => {
      const body = randomBytes(2 * MiB);
      const harness = await start(() => ({ status: 200, headers: {}, body }));
      const came = await exchangeBytes(harness.port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      expect(sha(Buffer.from(came.slice(came.indexOf('\r\n\r\n') + 4), 'latin1'))).toBe(sha(body));
    });

    it('lets no value break out of its header, no header of its own be overruled, and no odd name through', async () => {
      const headers = {
        'X-A': 'a\r\nX-Injected: b\0\u00fc\u2028',
        'X-B\r\nX-Injected': 'c',
        'Content-Length': '3',
        'Transfer-Encoding': 'chunked',
        'X-Fine': 'tab\there',
      };
      const harness = await start((): HttpResponse => ({ status: 200, headers, body: 'five!' }));
      const answer = await fetchRaw(harness.port, '/');
      expect(answer.headers).not.toHaveProperty('x-injected');
      expect(answer.headers['x-a']).toBe('a??X-Injected: b???');
      expect(answer.headers['x-fine']).toBe('tab\there');
      expect(answer.headers['content-length']).toBe('5');
      expect(answer.body.toString()).toBe('five!');
    });

    it.each(['at once', 'later'])(
      'answers 500 where the handler throws %s, logs why, and tells nobody',
      async (when) => {
        const harness = await start(async () => {
          if (when === 'later') await new Promise((resolve) => setImmediate(resolve));
          throw new Error('secret /path');
        });
        const answer = await fetchRaw(harness.port, '/');
        expect([answer.status, answer.body.toString()]).toEqual([500, 'internal error\n']);
        expect(harness.log.errors()).toEqual(['a request handler threw']);
        expect(String(harness.log.lines.at(-1)?.fields['fault'])).toContain('secret /path');
      },
    );

    it('answers 500 for a status that is none', async () => {
      const harness = await start(() => ({ status: 99, headers: {}, body: 'x' }));
      expect((await fetchRaw(harness.port, '/')).status).toBe(500);
    });
  });
}

function sha(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex');
}

/** Length and hash of a body that is read with pauses. */
function slowSha(port: number, agent: Agent): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: '/', agent }, (response) => {
      const hash = createHash('sha1');
      let length = 0;
      let chunks = 0;
      response.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        length += chunk.length;
        if (++chunks % 40 !== 0) return;
        response.pause();
        setTimeout(() => response.resume(), 3);
      });
      response.on('end', () => resolve([length, hash.digest('hex')]));
    }).on('error', reject);
  });
}
