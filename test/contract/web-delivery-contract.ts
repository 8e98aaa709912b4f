/** How answers are delivered: conditions, ranges, compression, caching, over whichever transport. Rules of HTTP: RFC 9110, 9111. */
import { brotliCompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { Route, WebAnswer } from '../../src/access/http/route.ts';
import { rulesOf, testAuthority } from '../support/auth.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import { type FetchedResponse, fetchRaw } from '../support/transport-harness.ts';
import { startWeb, type WebServer, type WebServerOptions } from '../support/web-server.ts';

const BYTES = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
const TEXT = 'a line of text\n'.repeat(1_000);
const OCTETS = 'application/octet-stream';

const serving = (prefix: string, answer: WebAnswer | (() => WebAnswer | Promise<WebAnswer>)): Route => ({
  prefix,
  isPublic: true,
  handle: () => (typeof answer === 'function' ? answer() : answer),
});

/** Defines the suite for one transport. */
export function webDeliveryContract(kind: 'ws' | 'uws'): void {
  describe(`delivery over ${kind}`, () => {
    const started: WebServer[] = [];
    const start = async (routes: readonly Route[], options: WebServerOptions = {}): Promise<WebServer> => {
      const web = await startWeb(kind, routes, options);
      started.push(web);
      return web;
    };
    afterEach(async () => {
      for (const web of started.splice(0)) await web.stop();
    });

    /** One page, and how to ask for it. */
    const page = async (answer: WebAnswer | (() => WebAnswer | Promise<WebAnswer>)) => {
      const web = await start([serving('/page', answer)]);
      return (headers: Record<string, string> = {}, method = 'GET') => fetchRaw(web.port, '/page', { headers, method });
    };

    describe('ranges', () => {
      it.each([
        ['bytes=0-0', 0, 1],
        ['bytes=0-99', 0, 100],
        ['bytes=99990-', 99_990, 100_000],
        ['bytes=-10', 99_990, 100_000],
        ['bytes=-100000', 0, 100_000],
        ['bytes=-200000', 0, 100_000],
        ['bytes=99999-99999', 99_999, 100_000],
        ['bytes=50000-10000000000000000000000', 50_000, 100_000],
        ['Bytes=5-6', 5, 7],
        ['bytes= 5-6', 5, 7],
      ])('answers %s with 206, exactly those bytes and where they stand', async (range, begin, end) => {
        const ask = await page({ type: OCTETS, etag: 'v1', body: BYTES });
        const answer = await ask({ range, 'accept-encoding': 'gzip' });
        expect(answer.status).toBe(206);
        expect(answer.headers['content-range']).toBe(`bytes ${begin}-${end - 1}/100000`);
        expect(answer.headers['content-length']).toBe(String(end - begin));
        expect(answer.headers['content-encoding']).toBeUndefined();
        expect(answer.headers['content-type']).toBe(OCTETS);
        expect(answer.headers.etag).toBe('"v1"');
        expect(Buffer.compare(answer.body, BYTES.subarray(begin, end))).toBe(0);
      });

      it.each(['bytes=100000-', 'bytes=100000-100001', 'bytes=-0', 'bytes=99999999999999999999-'])(
        'answers %s of 100000 bytes with 416 and how many there are',
        async (range) => {
          const ask = await page({ type: OCTETS, etag: 'v1', body: BYTES });
          const answer = await ask({ range });
          expect([answer.status, answer.headers['content-range']]).toEqual([416, 'bytes */100000']);
          expect(answer.headers['access-control-allow-origin']).toBe('*');
          expect(answer.headers['cache-control']).toBe('no-store');
        },
      );

      it.each([
        'bytes=0-1,5-6',
        'bytes=7-3',
        'bytes=-',
        'bytes=a-b',
        'bytes',
        'lines=0-1',
        'bytes=0x1-2',
        'bytes=1.5-3',
      ])('answers %s, which is no single range, with 200 and everything', async (range) => {
        const ask = await page({ type: OCTETS, etag: 'v1', body: BYTES });
        const answer = await ask({ range });
        expect([answer.status, answer.body.length, answer.headers['content-range']]).toEqual([200, 100_000, undefined]);
      });

      it('answers any range of an empty body with 416', async () => {
        const ask = await page({ type: OCTETS, etag: 'v1', body: '' });
        for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-1'])
          expect([(await ask({ range })).status, (await ask({ range })).headers['content-range']]).toEqual([
            416,
            'bytes */0',
          ]);
      });

      it('counts the bytes of a text, not its letters', async () => {
        const ask = await page({ type: 'text/plain', etag: 'v1', body: 'äöü' });
        const answer = await ask({ range: 'bytes=2-3' });
        expect([answer.status, answer.headers['content-range'], answer.body.toString()]).toEqual([
          206,
          'bytes 2-3/6',
          'ö',
        ]);
      });

      it('gives any range what a naive reader would', async () => {
        const random = seededRandom(testSeed('ranges'));
        const integer = (): number => Math.floor(random() * 60);
        const ask = await page({ type: OCTETS, etag: 'v1', body: BYTES.subarray(0, 50) });
        for (let i = 0; i < 60; i++) {
          const [a, b] = [integer(), integer()];
          const answer = await ask({ range: `bytes=${a}-${b}` });
          const expected = a > b ? [200, 50] : a >= 50 ? [416, 19] : [206, Math.min(b + 1, 50) - a];
          expect([a, b, answer.status, answer.body.length]).toEqual([a, b, ...expected]);
        }
      });

      it('never combines a range with a content encoding, also where the whole has one', async () => {
        const ask = await page({ type: 'application/json', etag: 'v1', body: TEXT });
        expect((await ask({ 'accept-encoding': 'gzip' })).headers['content-encoding']).toBe('gzip');
        const part = await ask({ range: 'bytes=0-9', 'accept-encoding': 'gzip' });
        expect([part.status, part.headers['content-encoding'], part.body.toString()]).toEqual([
          206,
          undefined,
          'a line of ',
        ]);
        expect(part.headers.etag).toBe('"v1"');
        const several = await ask({ range: 'bytes=0-1,3-4', 'accept-encoding': 'gzip' });
        expect([several.status, several.headers['content-encoding']]).toEqual([200, undefined]);
      });

      it('takes a range where If-Range names these bytes, and gives everything where it does not', async () => {
        const ask = await page({ type: 'application/json', etag: 'v1', body: TEXT });
        const status = async (ifRange: string): Promise<number> =>
          (await ask({ range: 'bytes=0-9', 'if-range': ifRange })).status;
        expect(await status('"v1"')).toBe(206);
        for (const other of ['"v0"', 'W/"v1"', '"v1+gzip"', 'Wed, 21 Oct 2026 07:28:00 GMT', '*'])
          expect(await status(other)).toBe(200);
      });

      it('tells by HEAD that ranges are taken, and how long the whole is', async () => {
        const ask = await page({ type: 'application/json', etag: 'v1', body: TEXT });
        const head = await ask({ 'accept-encoding': 'gzip', range: 'bytes=0-1' }, 'HEAD');
        expect([head.status, head.headers['content-length'], head.headers['content-encoding']]).toEqual([
          200,
          '15000',
          undefined,
        ]);
        expect([head.headers['accept-ranges'], head.headers.etag]).toEqual(['bytes', '"v1"']);
      });
    });

    describe('files of which parts can be read', () => {
      const file = () => {
        const reads: unknown[] = [];
        const answer: WebAnswer = {
          type: OCTETS,
          etag: 'v1',
          body: async () => {
            reads.push('all');
            return BYTES;
          },
          file: {
            byteLength: BYTES.length,
            read: async (from, to) => {
              reads.push([from, to]);
              return BYTES.subarray(from, to);
            },
          },
        };
        return { reads, answer };
      };

      it('reads of a range no more than it, and of a HEAD nothing', async () => {
        const { reads, answer } = file();
        const ask = await page(answer);
        const part = await ask({ range: 'bytes=10-19' });
        expect([part.status, part.headers['content-range'], part.body.length]).toEqual([206, 'bytes 10-19/100000', 10]);
        expect((await ask({ range: 'bytes=100000-' })).headers['content-range']).toBe('bytes */100000');
        const head = await ask({}, 'HEAD');
        expect([head.status, head.headers['content-length'], head.headers.etag, head.body.length]).toEqual([
          200,
          '100000',
          '"v1"',
          0,
        ]);
        expect((await ask({ 'if-none-match': '"v1"' })).status).toBe(304);
        expect(reads).toEqual([[10, 20]]);
        expect((await ask()).body.length).toBe(100_000);
        expect((await ask({ range: 'bytes=1-2,4-5' })).body.length).toBe(100_000);
        expect(reads).toEqual([[10, 20], 'all', 'all']);
      });
    });

    describe('conditions', () => {
      const counted = (answer: Omit<WebAnswer, 'body'>) => {
        const made = { count: 0 };
        const body = (): string => {
          made.count++;
          return TEXT;
        };
        return { made, answer: { ...answer, body } };
      };

      it.each(['"v1"', '"v1+gzip"', 'W/"v1"', '*', '"v0", "v1"', '"a,b" ,W/"v1"', ' "v0","v1+gzip"'])(
        'answers If-None-Match: %s with 304 and no body, which is not even made',
        async (header) => {
          const { made, answer } = counted({ type: 'application/json', etag: 'v1' });
          const ask = await page(answer);
          for (const method of ['GET', 'HEAD']) {
            const same = await ask({ 'if-none-match': header, 'accept-encoding': 'gzip', range: 'bytes=0-1' }, method);
            expect([same.status, same.body.length]).toEqual([304, 0]);
            expect(same.headers.etag).toBe(header.includes('gzip') ? '"v1+gzip"' : '"v1"');
            expect(same.headers['cache-control']).toBe('no-cache');
            expect(same.headers.vary).toBe('accept-encoding');
            expect(same.headers['content-type']).toBeUndefined();
            expect(same.headers['access-control-allow-origin']).toBe('*');
          }
          expect(made.count).toBe(0);
        },
      );

      it.each(['"v0"', '"V1"', 'v1', '"v1', '""', '"v1+br"'])('answers If-None-Match: %s with 200', async (header) => {
        const ask = await page({ type: 'application/json', etag: 'v1', body: TEXT });
        expect((await ask({ 'if-none-match': header })).status).toBe(200);
      });

      it('answers If-Match that names something else with 412, and makes no body', async () => {
        const { made, answer } = counted({ type: 'application/json', etag: 'v1' });
        const ask = await page(answer);
        for (const header of ['"v0"', 'W/"v1"', 'v1', '"v0", W/"v1"']) {
          const refused = await ask({ 'if-match': header });
          expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([412, '*']);
        }
        expect(made.count).toBe(0);
        for (const header of ['"v1"', '*', '"v0", "v1"', '"v1+gzip"'])
          expect((await ask({ 'if-match': header })).status).toBe(200);
      });

      it('looks at If-Match before If-None-Match', async () => {
        const ask = await page({ type: OCTETS, etag: 'v1', body: BYTES });
        expect((await ask({ 'if-match': '"v0"', 'if-none-match': '"v1"' })).status).toBe(412);
        expect((await ask({ 'if-match': '"v1"', 'if-none-match': '"v1"' })).status).toBe(304);
      });

      it('has conditions hold for 200 only', async () => {
        const ask = await page({ status: 404, type: 'text/plain', etag: 'v1', body: 'none' });
        const answer = await ask({ 'if-none-match': '*', 'if-match': '"v0"', range: 'bytes=0-0' });
        expect([answer.status, answer.body.toString(), answer.headers.etag]).toEqual([404, 'none', undefined]);
      });

      it('names what has no name by what its bytes are', async () => {
        let body = 'first';
        const ask = await page(() => ({ type: OCTETS, body: async () => body }));
        const first = await ask();
        const tag = first.headers.etag ?? '';
        expect(tag).toMatch(/^"[\w-]{16,}"$/);
        expect((await ask()).headers.etag).toBe(tag);
        expect((await ask({ 'if-none-match': tag })).status).toBe(304);
        body = 'other';
        expect((await ask({ 'if-none-match': tag })).status).toBe(200);
      });

      it('makes a legal tag of any name', async () => {
        const ask = await page({ type: OCTETS, etag: 'a "b"\r\nX: y', body: 'x' });
        const tag = (await ask()).headers.etag ?? '';
        expect(tag).toMatch(/^"[\w-]+"$/);
        expect((await ask({ 'if-none-match': tag })).status).toBe(304);
      });
    });

    describe('compression', () => {
      it.each([
        ['gzip', true],
        ['gzip, deflate, br, zstd', true],
        ['deflate, gzip;q=1.0, *;q=0.5', true],
        ['GZIP', true],
        ['x-gzip', true],
        ['*', true],
        ['gzip;q=0.001', true],
        ['identity;q=0.5, gzip', true],
        ['gzip;q=0', false],
        ['gzip;q=0, *', false],
        ['*;q=0', false],
        ['identity', false],
        ['gzip;q=0.5, identity', false],
        ['deflate', false],
        ['br', false],
        ['', false],
        ['gzip;q=', false],
      ])('answers Accept-Encoding: %s with gzip: %s, and never with anything else', async (header, zipped) => {
        const ask = await page({ type: 'application/json', etag: 'v1', body: TEXT });
        const answer = await ask({ 'accept-encoding': header });
        expect(answer.headers['content-encoding']).toBe(zipped ? 'gzip' : undefined);
        expect(answer.headers.etag).toBe(zipped ? '"v1+gzip"' : '"v1"');
        expect(answer.headers.vary).toBe('accept-encoding');
        expect(answer.headers['content-length']).toBe(String(answer.body.length));
        expect((zipped ? gunzipSync(answer.body) : answer.body).toString()).toBe(TEXT);
      });

      it('compresses without a header of the client nothing', async () => {
        const ask = await page({ type: 'application/json', etag: 'v1', body: TEXT });
        expect((await ask()).headers['content-encoding']).toBeUndefined();
      });

      it.each([
        ['text/plain; charset=utf-8', undefined, true],
        ['application/json', undefined, true],
        ['application/openapi+json', undefined, true],
        ['image/svg+xml', undefined, true],
        [OCTETS, undefined, false],
        ['image/png', undefined, false],
        [OCTETS, true, true],
        ['application/json', false, false],
      ])('takes %s with compressible %s for compressible: %s', async (type, compressible, zipped) => {
        const ask = await page({
          type,
          etag: 'v1',
          body: TEXT,
          ...(compressible === undefined ? {} : { compressible }),
        });
        const answer = await ask({ 'accept-encoding': 'gzip' });
        expect(answer.headers['content-encoding']).toBe(zipped ? 'gzip' : undefined);
        expect(answer.headers.vary).toBe(zipped ? 'accept-encoding' : undefined);
      });

      it('compresses neither what is short nor what does not become shorter', async () => {
        const random = seededRandom(testSeed('noise'));
        const noise = Uint8Array.from({ length: 30_000 }, () => Math.floor(random() * 256));
        for (const body of ['short', noise.subarray(0, 5_000), noise]) {
          const ask = await page({ type: OCTETS, etag: 'v1', compressible: true, body });
          const answer = await ask({ 'accept-encoding': 'gzip' });
          expect([answer.headers['content-encoding'], answer.headers.etag]).toEqual([undefined, '"v1"']);
          expect(answer.headers.vary).toBe('accept-encoding');
          expect(answer.body.length).toBe(body.length);
        }
      });

      it('brings a large body compressed and whole, and compresses it once', async () => {
        let made = 0;
        const large = BYTES.map((byte) => byte >> 4);
        const ask = await page({
          type: OCTETS,
          etag: 'v1',
          compressible: true,
          body: () => {
            made++;
            return large;
          },
        });
        for (let i = 0; i < 3; i++) {
          const answer = await ask({ 'accept-encoding': 'gzip' });
          expect(answer.headers['content-encoding']).toBe('gzip');
          expect(Buffer.compare(gunzipSync(answer.body), large)).toBe(0);
        }
        expect(made).toBe(1);
      });

      it('keeps compressed bodies apart by page, query and name', async () => {
        let etag = 'v1';
        const route: Route = {
          prefix: '/p',
          isPublic: true,
          handle: ({ segments, params }) => ({
            type: 'text/plain',
            etag,
            body: `${segments} ${params} ${etag} `.repeat(500),
          }),
        };
        const web = await start([route]);
        const read = async (path: string): Promise<string> => {
          const { body } = await fetchRaw(web.port, path, { headers: { 'accept-encoding': 'gzip' } });
          return gunzipSync(body).toString().slice(0, 12);
        };
        expect(await read('/p/a')).toBe('a  v1 a  v1 ');
        expect(await read('/p/b')).toBe('b  v1 b  v1 ');
        expect(await read('/p/a?x=1')).toBe('a x=1 v1 a x');
        etag = 'v2';
        expect(await read('/p/a')).toBe('a  v2 a  v2 ');
      });

      it('gives two encodings of one page different strong tags', async () => {
        const ask = await page({ type: 'application/json', body: TEXT });
        const plain = (await ask()).headers.etag;
        const zipped = (await ask({ 'accept-encoding': 'gzip' })).headers.etag;
        expect(plain).not.toBe(zipped);
        for (const tag of [plain, zipped]) expect(tag).toMatch(/^"/);
      });
    });

    describe('bodies that were encoded before', () => {
      const forms = { br: brotliCompressSync(TEXT), gzip: gzipSync(TEXT) };
      const coded = (encoded: WebAnswer['encoded'] = forms): WebAnswer => ({
        ...{ type: OCTETS, etag: 'v1', body: TEXT },
        ...(encoded === undefined ? {} : { encoded }),
      });

      it.each([
        ['br', 'br'],
        ['gzip, deflate, br', 'br'],
        ['*', 'br'],
        ['BR', 'br'],
        ['gzip', 'gzip'],
        ['x-gzip', 'gzip'],
        ['br;q=0.5, gzip', 'gzip'],
        ['br;q=0, *', 'gzip'],
        ['br;q=0.5, gzip;q=0.5', 'br'],
        ['identity, br;q=0.5', undefined],
        ['deflate', undefined],
        ['', undefined],
      ])('answers Accept-Encoding: %s with the form %s as it is, under a tag of its own', async (header, coding) => {
        const ask = await page(coded());
        const { headers, body } = await ask({ 'accept-encoding': header });
        expect([headers['content-encoding'], headers.etag, headers.vary, headers['content-type']]).toEqual([
          coding,
          coding === undefined ? '"v1"' : `"v1+${coding}"`,
          'accept-encoding',
          OCTETS,
        ]);
        const expected = coding === 'br' || coding === 'gzip' ? forms[coding] : Buffer.from(TEXT);
        expect(Buffer.compare(body, expected)).toBe(0);
      });

      it('makes only the form that is sent, and for 304 none', async () => {
        const made: string[] = [];
        const making = (name: string, bytes: Uint8Array) => async () => {
          made.push(name);
          return bytes;
        };
        const ask = await page({
          ...{ type: OCTETS, etag: 'v1', body: making('plain', Buffer.from(TEXT)) },
          encoded: { br: making('br', forms.br), gzip: making('gzip', forms.gzip) },
        });
        await ask({ 'accept-encoding': 'br' });
        await ask({ 'accept-encoding': 'gzip' });
        await ask({ range: 'bytes=0-1', 'accept-encoding': 'br' });
        for (const tag of ['"v1"', '"v1+gzip"', '"v1+br"']) {
          const same = await ask({ 'if-none-match': tag, 'accept-encoding': 'br' });
          expect([same.status, same.headers.etag]).toEqual([304, tag]);
        }
        expect(made).toEqual(['br', 'gzip', 'plain']);
      });

      it('compresses nothing by itself then, also where the client takes no form that there is', async () => {
        const onlyBr = await page({ ...coded({ br: forms.br }), type: 'text/plain' });
        expect((await onlyBr({ 'accept-encoding': 'gzip' })).headers['content-encoding']).toBeUndefined();
        const none = await page({ ...coded({}), type: 'text/plain' });
        const { headers } = await none({ 'accept-encoding': 'br, gzip' });
        expect([headers['content-encoding'], headers.vary]).toEqual([undefined, undefined]);
      });
    });

    it('names the headers that a page says it depends on before those that every page may depend on', async () => {
      const vary = async (answer: Partial<WebAnswer>): Promise<unknown> =>
        (await (await page({ type: OCTETS, body: 'x', vary: 'accept', ...answer }))()).headers.vary;
      expect(await vary({})).toBe('accept');
      expect(await vary({ type: 'text/plain' })).toBe('accept, accept-encoding');
    });

    describe('caching', () => {
      it.each([
        [undefined, 'no-cache', 'private, no-cache'],
        ['revalidate', 'no-cache', 'private, no-cache'],
        ['no-store', 'no-store', 'no-store'],
        ['immutable', 'public, max-age=31536000, immutable', 'private, max-age=31536000, immutable'],
      ] as const)('says of %s: %s, and to users of tokens: %s', async (cache, open, guarded) => {
        const answer = { type: OCTETS, etag: 'v1', body: BYTES, ...(cache === undefined ? {} : { cache }) };
        const routes = [serving('/page', answer)];
        const here = await fetchRaw((await start(routes)).port, '/page');
        expect([here.headers['cache-control'], here.headers.vary]).toEqual([open, undefined]);
        const authority = testAuthority(
          await rulesOf('tokens:\n  - {token: the-token-of-ada-0123456789, user: ada, grants: {"*": read}}\n'),
        );
        const there = await fetchRaw((await start(routes, { authority })).port, '/page');
        expect([there.headers['cache-control'], there.headers.vary]).toEqual([guarded, 'authorization']);
      });

      it('says no-store of everything that is not a page, unless the page says otherwise', async () => {
        const web = await start([
          serving('/gone', { status: 404, type: 'text/plain', body: '' }),
          serving('/never', { status: 404, type: 'text/plain', body: '', cache: 'immutable' }),
        ]);
        const control = async (path: string): Promise<unknown> =>
          (await fetchRaw(web.port, path)).headers['cache-control'];
        expect(await control('/gone')).toBe('no-store');
        expect(await control('/never')).toMatch(/immutable/);
        expect(await control('/elsewhere')).toBe('no-store');
      });

      it('leaves what is never kept without a tag, unless it has a name', async () => {
        const ask = await page({ type: 'text/plain', body: 'now', cache: 'no-store' });
        expect((await ask()).headers.etag).toBeUndefined();
        expect((await ask({ range: 'bytes=0-0' })).body.toString()).toBe('n');
      });
    });

    it('says when it answered, in the form of HTTP', async () => {
      const ask = await page({ type: OCTETS, etag: 'v1', body: BYTES });
      const dates: FetchedResponse[] = [
        await ask(),
        await ask({ 'if-none-match': '*' }),
        await ask({}, 'POST'),
        await ask({ range: 'bytes=-1' }),
        await ask({}, 'HEAD'),
      ];
      for (const { headers } of dates) {
        expect(headers.date).toMatch(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
        expect(Math.abs(Date.parse(headers.date ?? '') - Date.now())).toBeLessThan(60_000);
      }
    });

    it('sends what else a page says, and lets no browser guess types', async () => {
      const ask = await page({
        type: 'image/png',
        etag: 'v1',
        body: 'x',
        headers: { 'content-disposition': 'inline' },
      });
      const { headers } = await ask();
      expect([headers['content-disposition'], headers['content-type'], headers['x-content-type-options']]).toEqual([
        'inline',
        'image/png',
        'nosniff',
      ]);
    });
  });
}
