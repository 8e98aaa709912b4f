/** What every answer of the HTTP side has, whatever page and transport it comes from: paths, methods, CORS, errors, load. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { BflyError, type ErrorName } from '../../protocol/errors.ts';
import type { Route, WebAnswer, WebRequest } from '../../src/access/http/route.ts';
import { finishRequests } from '../../src/access/transport/finish-requests.ts';
import { deferred, exchangeBytes, type FetchedResponse, fetchRaw } from '../support/transport-harness.ts';
import { startWeb, type WebServer, type WebServerOptions } from '../support/web-server.ts';

const text = (body: string): WebAnswer => ({ type: 'text/plain', body });
/** A route that tells what it was asked. */
const echo = (prefix: string, more: Partial<Route> = {}): Route => ({
  prefix,
  isPublic: true,
  handle: ({ method, segments, isFolder, params, origin }) =>
    text(JSON.stringify({ prefix, method, segments, isFolder, params: `${params}`, origin })),
  ...more,
});
const answering = (prefix: string, handle: Route['handle'], more: Partial<Route> = {}): Route => ({
  prefix,
  isPublic: true,
  handle,
  ...more,
});

/** Defines the suite for one transport. */
export function webContract(kind: 'ws' | 'uws'): void {
  describe(`the router over ${kind}`, () => {
    const started: WebServer[] = [];
    const start = async (routes: readonly Route[], options: WebServerOptions = {}): Promise<WebServer> => {
      const web = await startWeb(kind, routes, options);
      started.push(web);
      return web;
    };
    afterEach(async () => {
      for (const web of started.splice(0)) await web.stop();
    });
    const seen = async (web: WebServer, path: string): Promise<unknown> => {
      const { status, body } = await fetchRaw(web.port, path);
      return status === 200 ? JSON.parse(body.toString()) : status;
    };

    describe('paths', () => {
      it('takes the route with the longest prefix, by whole segments', async () => {
        const web = await start([echo('/nd'), echo('/nd/sd'), echo('/ndx')]);
        expect(await seen(web, '/nd/sd/a/b')).toMatchObject({ prefix: '/nd/sd', segments: ['a', 'b'] });
        expect(await seen(web, '/nd/sdx/a')).toMatchObject({ prefix: '/nd', segments: ['sdx', 'a'] });
        expect(await seen(web, '/nd')).toMatchObject({ prefix: '/nd', segments: [], isFolder: false });
        expect(await seen(web, '/nd/')).toMatchObject({ prefix: '/nd', segments: [], isFolder: true });
        expect(await seen(web, '/ndx')).toMatchObject({ prefix: '/ndx' });
        expect(await seen(web, '/n')).toBe(404);
        expect(await seen(web, '/')).toBe(404);
      });

      it('gives what no other route takes to the route of /', async () => {
        const web = await start([echo('/'), echo('/a'), echo('/nd/sd')]);
        expect(await seen(web, '/nd/x')).toMatchObject({ prefix: '/', segments: ['nd', 'x'] });
        expect(await seen(web, '/')).toMatchObject({ prefix: '/', segments: [] });
        expect(await seen(web, '/b/c')).toMatchObject({ prefix: '/', segments: ['b', 'c'] });
      });

      it('decodes each segment once, and leaves the query without its token', async () => {
        const web = await start([echo('/a')]);
        expect(await seen(web, '/%61/b%20c/%C3%BC%2525::d@7?x=1&token=abc&y=%3D')).toMatchObject({
          prefix: '/a',
          segments: ['b c', 'ü%25::d@7'],
          params: 'x=1&y=%3D',
        });
      });

      it.each([
        ['an empty segment', 404, '/a//b'],
        ['an empty segment at the end', 404, '/a/b//'],
        ['two dots', 404, '/a/../b'],
        ['a dot', 404, '/a/./b'],
        ['encoded dots', 404, '/a/%2e%2E/b'],
        ['a half encoded dot', 404, '/a/.%2e'],
        ['an encoded slash', 400, '/a/b%2Fc'],
        ['an encoded backslash', 400, '/a/b%5cc'],
        ['a backslash', 400, '/a/b\\c'],
        ['a NUL', 400, '/a/b%00'],
        ['a line feed', 400, '/a/b%0ac'],
        ['half an escape', 400, '/a/b%2'],
        ['no UTF-8', 400, '/a/%ff%fe'],
        ['overlong UTF-8', 400, '/a/%c0%af'],
        ['thousands of segments', 400, `/a${'/b'.repeat(3_000)}`],
      ])('refuses %s with %d, before any route sees it', async (_, status, path) => {
        let calls = 0;
        const web = await start([
          answering('/', () => {
            calls++;
            return text('');
          }),
        ]);
        const answer = await exchangeBytes(web.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
        expect(answer.slice(0, 13)).toBe(`HTTP/1.1 ${status} `);
        expect(answer.toLowerCase()).toContain('access-control-allow-origin: *');
        expect(calls).toBe(0);
      });

      it('tells a route the origin as the client named it, and not what is no host', async () => {
        const web = await start([echo('/a')]);
        const origin = async (headers: Record<string, string>): Promise<unknown> =>
          JSON.parse((await fetchRaw(web.port, '/a', { headers })).body.toString()).origin;
        expect(await origin({ host: 'em.example.org:8080' })).toBe('http://em.example.org:8080');
        expect(await origin({ host: '[::1]:80', 'x-forwarded-proto': 'https' })).toBe('https://[::1]:80');
        expect(await origin({ host: 'a"><script>' })).toBe('http://localhost');
      });
    });

    describe('methods', () => {
      it('gives a HEAD to the route as GET, and the client its length alone', async () => {
        const web = await start([echo('/a')]);
        const get = await fetchRaw(web.port, '/a');
        const head = await fetchRaw(web.port, '/a', { method: 'HEAD' });
        expect(JSON.parse(get.body.toString()).method).toBe('GET');
        expect([head.status, head.body.length, head.headers['content-length']]).toEqual([
          200,
          0,
          String(get.body.length),
        ]);
        expect(head.headers.etag).toBe(get.headers.etag);
      });

      it('answers other methods with 405 and what would be right', async () => {
        const web = await start([echo('/a'), echo('/b', { methods: ['POST'] })]);
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
          const answer = await fetchRaw(web.port, '/a', { method });
          expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
        }
        expect((await fetchRaw(web.port, '/b', { method: 'POST' })).status).toBe(200);
        expect((await fetchRaw(web.port, '/b', { method: 'HEAD' })).headers.allow).toBe('POST, OPTIONS');
      });

      it('answers a preflight for any path, without asking who it is', async () => {
        const web = await start([answering('/a', () => undefined, { isPublic: false, methods: ['GET', 'POST'] })]);
        const headers = {
          origin: 'https://viewer.example.org',
          'access-control-request-method': 'GET',
          'access-control-request-headers': 'authorization, range',
        };
        for (const [path, allow] of [
          ['/a/x', 'GET, POST, HEAD, OPTIONS'],
          ['/nothing', 'GET, HEAD, OPTIONS'],
        ] as const) {
          const answer = await fetchRaw(web.port, path, { method: 'OPTIONS', headers });
          expect([answer.status, answer.body.length]).toEqual([204, 0]);
          expect(answer.headers['access-control-allow-methods']).toBe(allow);
          expect(answer.headers['access-control-allow-origin']).toBe('*');
          expect(Number(answer.headers['access-control-max-age'])).toBeGreaterThan(0);
          const allowed = answer.headers['access-control-allow-headers']?.split(', ');
          expect(allowed).toEqual(
            expect.arrayContaining(['authorization', 'range', 'content-type', 'if-match', 'if-none-match']),
          );
        }
      });

      it('gives a route the whole body of a POST, and answers 413 where it is too long', async () => {
        const web = await start([
          answering('/a', async (request) => text(`${(await request.body(10)).length}`), { methods: ['POST'] }),
        ]);
        expect((await fetchRaw(web.port, '/a', { method: 'POST' }, 'x'.repeat(10))).body.toString()).toBe('10');
        expect((await fetchRaw(web.port, '/a', { method: 'POST' }, 'x'.repeat(11))).status).toBe(413);
      });

      it('lets a page of another host read and not write, unless it has a token or is on the list', async () => {
        const web = await start([answering('/a', () => text('done'), { isPublic: false, methods: ['GET', 'POST'] })], {
          home: { mayWrite: (origin) => origin === 'https://good.example' },
        });
        const post = async (headers: Record<string, string>): Promise<number> =>
          (await fetchRaw(web.port, '/a', { method: 'POST', headers })).status;
        expect((await fetchRaw(web.port, '/a', { headers: { origin: 'https://bad.example' } })).status).toBe(200);
        expect(await post({})).toBe(200);
        expect(await post({ origin: 'https://good.example' })).toBe(200);
        expect(await post({ origin: 'https://bad.example' })).toBe(403);
        expect(await post({ origin: 'https://bad.example', authorization: 'Bearer abc' })).toBe(200);
      });
    });

    describe('errors', () => {
      const EXPOSED = ['content-range', 'content-encoding', 'etag'];
      const expectCors = ({ headers }: FetchedResponse): void => {
        expect(headers['access-control-allow-origin']).toBe('*');
        expect(headers['access-control-expose-headers']?.split(', ')).toEqual(expect.arrayContaining(EXPOSED));
      };

      it.each<[ErrorName, number]>([
        ['NOT_FOUND', 404],
        ['BAD_REQUEST', 400],
        ['OUT_OF_BOUNDS', 400],
        ['UNSUPPORTED', 415],
        ['UNAUTHENTICATED', 401],
        ['FORBIDDEN', 403],
        ['TOO_LARGE', 413],
        ['RATE_LIMITED', 429],
        ['UNAVAILABLE', 503],
        ['INTERNAL', 500],
      ])('answers %s with %i, at once or later, and pages of any origin may read it', async (code, status) => {
        const fault = (): never => {
          throw new BflyError(code, 'the reason', { retryMs: 2_500 });
        };
        const web = await start([
          answering('/now', fault),
          answering('/later', async () => fault()),
          answering('/body', () => ({ type: 'text/plain', etag: 'x', body: fault })),
          answering('/late-body', () => ({ type: 'text/plain', etag: 'x', body: async () => fault() })),
        ]);
        for (const path of ['/now', '/later', '/body', '/late-body']) {
          const answer = await fetchRaw(web.port, path);
          expect(answer.status).toBe(status);
          expect(answer.body.toString()).toBe(
            code === 'NOT_FOUND' ? 'there is nothing at this path\n' : 'the reason\n',
          );
          expect(answer.headers['cache-control']).toBe('no-store');
          expect(answer.headers['retry-after']).toBe(status === 429 || status === 503 ? '3' : undefined);
          expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Bearer realm="butterfly"' : undefined);
          expectCors(answer);
        }
        expect(web.log.errors()).toEqual([]);
      });

      it('answers what nobody threw on purpose with 500, logs it, and tells nobody', async () => {
        const web = await start([
          answering('/now', () => {
            throw new Error('secret /path');
          }),
          answering('/later', async () => {
            throw new Error('secret /path');
          }),
        ]);
        for (const path of ['/now', '/later']) {
          const answer = await fetchRaw(web.port, path);
          expect([answer.status, answer.body.toString()]).toEqual([500, 'internal error\n']);
          expectCors(answer);
        }
        expect(web.log.errors()).toEqual(['a request handler threw', 'a request handler threw']);
      });

      it('tells a path that is not there from nothing else', async () => {
        const web = await start([
          answering('/nothing', () => undefined),
          answering('/thrown', () => {
            throw new BflyError('NOT_FOUND', 'there is no a/b/c; LIST shows what there is');
          }),
        ]);
        const { date: _, ...headers } = (await fetchRaw(web.port, '/none')).headers;
        for (const path of ['/nothing', '/nothing/a', '/thrown/b', '/none']) {
          const answer = await fetchRaw(web.port, path);
          expect([answer.status, answer.body.toString()]).toEqual([404, 'there is nothing at this path\n']);
          expect(answer.headers).toMatchObject(headers);
          expectCors(answer);
        }
      });
    });

    it('answers at once where a route does, and answers on one connection come in order', async () => {
      const gate = deferred<void>();
      const web = await start([
        echo('/now'),
        answering('/later', async () => {
          await gate.promise;
          return text('later');
        }),
      ]);
      const later = fetchRaw(web.port, '/later');
      expect((await fetchRaw(web.port, '/now')).status).toBe(200);
      expect(web.router.underWay).toBe(1);
      gate.resolve();
      expect((await later).body.toString()).toBe('later');
      expect(web.router.underWay).toBe(0);
    });

    describe('load', () => {
      const everybody = { isTrusted: () => false };

      /** A route whose answers wait, and how many do. */
      const held = (prefix: string): { route: Route; release(): void; waiting(count: number): Promise<void> } => {
        const gates: (() => void)[] = [];
        let arrived = (): void => {};
        const route = answering(
          prefix,
          () =>
            new Promise((resolve) => {
              gates.push(() => resolve(text('done')));
              arrived();
            }),
          { isPublic: false },
        );
        return {
          route,
          release: () => {
            for (const open of gates.splice(0)) open();
          },
          waiting: (count) =>
            new Promise((resolve) => {
              arrived = () => gates.length === count && resolve();
              arrived();
            }),
        };
      };

      it.each([
        ['of all', { underWay: 2 }, {}],
        ['of one address', { underWayPerAddress: 2 }, everybody],
      ])(
        'answers 503 over its bound of requests under way %s, and goes on when they are done',
        async (_, bounds, who) => {
          const { route, release, waiting } = held('/held');
          const web = await start([route, echo('/open'), echo('/closed', { isPublic: false })], { bounds, ...who });
          const under = [fetchRaw(web.port, '/held'), fetchRaw(web.port, '/held')];
          await waiting(2);
          const refused = await fetchRaw(web.port, '/held');
          expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
          expect(refused.headers['access-control-allow-origin']).toBe('*');
          expect((await fetchRaw(web.port, '/closed')).status).toBe(503);
          expect((await fetchRaw(web.port, '/open')).status).toBe(200);
          release();
          expect((await Promise.all(under)).map(({ status }) => status)).toEqual([200, 200]);
          expect((await fetchRaw(web.port, '/closed')).status).toBe(200);
        },
      );

      it.each([
        ['of all', { heldBytes: 20_000_000 }, {}],
        ['of one address', { heldBytesPerAddress: 20_000_000 }, everybody],
      ])(
        'answers 503 where long answers that nobody takes fill the room %s, until they are taken or given up',
        async (_, bounds, who) => {
          const long = answering('/long', () => ({
            type: 'application/octet-stream',
            body: new Uint8Array(16_000_000),
          }));
          const web = await start([long, echo('/short')], { bounds, ...who });
          const slow = connect({ port: web.port, host: '127.0.0.1' });
          slow.pause();
          slow.write('GET /long HTTP/1.1\r\nHost: x\r\n\r\n');
          while (web.router.heldBytes === 0) await new Promise((resolve) => setImmediate(resolve));
          const refused = await fetchRaw(web.port, '/long');
          expect([
            refused.status,
            refused.headers['retry-after'],
            refused.headers['access-control-allow-origin'],
          ]).toEqual([...[503, '1', '*']]);
          expect((await fetchRaw(web.port, '/long', { method: 'HEAD' })).status).toBe(200);
          expect((await fetchRaw(web.port, '/short')).status).toBe(200);
          slow.destroy();
          while (web.router.heldBytes > 0) await new Promise((resolve) => setImmediate(resolve));
          expect((await fetchRaw(web.port, '/long')).body.length).toBe(16_000_000);
          while (web.router.heldBytes > 0) await new Promise((resolve) => setImmediate(resolve));
          expect((await fetchRaw(web.port, '/long')).status).toBe(200);
        },
      );

      it('sends one answer that is longer than all the room', async () => {
        const long = answering('/long', () => ({ type: 'application/octet-stream', body: new Uint8Array(200_000) }));
        const web = await start([long], { bounds: { heldBytes: 1_000, heldBytesPerAddress: 1_000 }, ...everybody });
        expect((await fetchRaw(web.port, '/long')).body.length).toBe(200_000);
      });

      it('counts no bounds of an address on loopback, where a proxy stands for many', async () => {
        const { route, release, waiting } = held('/held');
        const web = await start([route], { bounds: { underWayPerAddress: 1, perSecond: 1, burst: 1 } });
        const under = [1, 2, 3].map(() => fetchRaw(web.port, '/held'));
        await waiting(3);
        release();
        expect((await Promise.all(under)).map(({ status }) => status)).toEqual([200, 200, 200]);
      });

      it('answers 429 over its rate of one address, and says when to come again', async () => {
        let now = 1_000;
        const bounds = { perSecond: 0.5, burst: 3 };
        const web = await start([echo('/a', { isPublic: false })], { bounds, now: () => now, ...everybody });
        for (let i = 0; i < 3; i++) expect((await fetchRaw(web.port, '/a')).status).toBe(200);
        const refused = await fetchRaw(web.port, '/a');
        expect([refused.status, refused.headers['retry-after']]).toEqual([429, '2']);
        now += 2_000;
        expect((await fetchRaw(web.port, '/a')).status).toBe(200);
        expect((await fetchRaw(web.port, '/a')).status).toBe(429);
      });

      it('answers 503 on its way out, but for what is public', async () => {
        const { route, release, waiting } = held('/held');
        const web = await start([route, echo('/open'), echo('/closed', { isPublic: false })]);
        const under = fetchRaw(web.port, '/held');
        await waiting(1);
        web.leave();
        const refused = await fetchRaw(web.port, '/closed');
        expect([refused.status, refused.headers['retry-after']]).toEqual([503, '5']);
        expect((await fetchRaw(web.port, '/open')).status).toBe(200);
        release();
        expect((await under).status).toBe(200);
      });
    });

    describe('the end', () => {
      it('waits for answers that are being made, and for large ones until they are taken whole', async () => {
        const gate = deferred<void>();
        const body = new Uint8Array(24 * 1024 * 1024);
        const web = await start([
          answering('/large', async () => {
            await gate.promise;
            return { type: 'application/octet-stream', etag: 'v1', body };
          }),
        ]);
        const socket = connect({ port: web.port, host: '127.0.0.1' });
        const closed = once(socket, 'close');
        socket.pause();
        socket.write('GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
        while (web.transport.unfinished === 0) await new Promise((resolve) => setImmediate(resolve));
        web.transport.stopListening();
        let isOver = false;
        const finishing = finishRequests(web.transport, 30_000).then(() => {
          isOver = true;
        });
        gate.resolve();
        while (web.router.underWay > 0) await new Promise((resolve) => setImmediate(resolve));
        await new Promise((resolve) => setImmediate(resolve));
        expect([isOver, web.transport.unfinished]).toEqual([false, 1]);
        let came = 0;
        socket.on('data', (chunk) => {
          came += chunk.length;
        });
        socket.resume();
        await finishing;
        expect(web.transport.unfinished).toBe(0);
        await closed;
        expect(came).toBeGreaterThan(body.length);
      });

      it('waits no longer than it is told', async () => {
        const gate = deferred<void>();
        const web = await start([answering('/held', () => gate.promise.then(() => text('')))]);
        const asked = fetchRaw(web.port, '/held');
        while (web.transport.unfinished === 0) await new Promise((resolve) => setImmediate(resolve));
        await finishRequests(web.transport, 1);
        expect(web.transport.unfinished).toBe(1);
        gate.resolve();
        expect((await asked).status).toBe(200);
      });

      it('counts no request whose client has gone', async () => {
        const gate = deferred<void>();
        const web = await start([answering('/held', () => gate.promise.then(() => text('')))]);
        const socket = connect({ port: web.port, host: '127.0.0.1' });
        socket.write('GET /held HTTP/1.1\r\nHost: x\r\n\r\n');
        while (web.transport.unfinished === 0) await new Promise((resolve) => setImmediate(resolve));
        socket.destroy();
        await finishRequests(web.transport, 30_000);
        expect(web.transport.unfinished).toBe(0);
        gate.resolve();
      });
    });

    it('tells its meter of every answer, by route', async () => {
      const answers: unknown[] = [];
      let now = 0;
      const onAnswer = (...answer: unknown[]): unknown => answers.push(answer);
      const web = await start(
        [
          answering('/a/b', async () => {
            now += 7;
            return text('12345');
          }),
        ],
        { now: () => now, home: { onAnswer } },
      );
      await fetchRaw(web.port, '/a/b/c');
      await fetchRaw(web.port, '/x');
      await fetchRaw(web.port, '/a/%ff');
      expect(answers).toEqual([
        ['/a/b', 200, 7, 5],
        ['none', 404, 0, 30],
        ['none', 400, 0, expect.any(Number)],
      ]);
    });

    it('gives a route what it asked for of the request', async () => {
      let request: WebRequest | undefined;
      const web = await start([
        answering('/a', (asked) => {
          request = asked;
          return text('');
        }),
      ]);
      await fetchRaw(web.port, '/a?z=2', { headers: { 'X-Thing': 'there' } });
      expect([request?.header('x-thing'), request?.params.get('z')]).toEqual(['there', '2']);
      expect(request?.author.rights.allows('read', 'a')).toBe(false);
    });
  });
}
