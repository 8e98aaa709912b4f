/** The viewer's page through whole servers, over whichever transport. */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rulesOf, testAuthority } from '../support/auth.ts';
import { openPrefixProxy, type PrefixProxy } from '../support/prefix-proxy.ts';
import { Probe } from '../support/probe.ts';
import { patternBytes, startTestServer, type TestServer, type TestServerOptions } from '../support/test-server.ts';
import { exchangeBytes, fetchRaw } from '../support/transport-harness.ts';
import { ASSETS, PAGE_HTML, ViewerFiles } from '../support/viewer-files.ts';

const EM = 'lab/fly/cube/em';
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';
const JS = '/assets/main-0A1B2C3D.js';
const TOKEN = 'the-token-of-bo-0123456789';

/** Defines the suite for one transport. */
export function viewerContract(kind: 'ws' | 'uws'): void {
  describe(`the viewer over ${kind}`, () => {
    let files: ViewerFiles;
    let server: TestServer;
    let proxy: PrefixProxy | undefined;
    beforeEach(async () => {
      files = await ViewerFiles.make();
    });
    afterEach(async () => {
      await proxy?.close();
      proxy = undefined;
      await server.stop(0);
      await files.remove();
    });
    const start = async (options: Partial<TestServerOptions> = {}): Promise<void> => {
      server = await startTestServer({
        kind,
        volumes: [{ path: EM, data: patternBytes(8 ** 3), shape: [8, 8, 8], dtype: 'uint8' }],
        ...options,
        web: { viewer: files.folder, ...options.web },
      });
    };
    const built = async (options: Partial<TestServerOptions> = {}): Promise<void> => {
      await files.build();
      await start(options);
    };
    const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
      fetchRaw(server.port, path, { headers, method });

    describe('the page', () => {
      it('is at / for browsers, while programs are told there what the server is', async () => {
        await built();
        const page = await get('/', { accept: BROWSER });
        expect([page.status, page.headers['content-type'], page.body.toString()]).toEqual([
          200,
          'text/html; charset=utf-8',
          PAGE_HTML,
        ]);
        expect(page.headers.vary).toMatch(/\baccept(?!-)/);
        const programs = [
          {},
          { accept: '*/*' },
          { accept: 'text/plain' },
          { accept: 'application/json, */*;q=0.5' },
          { accept: 'text/html;q=0' },
          { accept: 'text/plain, text/html;q=0.5' },
        ];
        for (const headers of programs) {
          const { body, headers: came } = await get('/', headers as Record<string, string>);
          expect([came['content-type'], came['cache-control']]).toEqual(['text/plain; charset=utf-8', 'no-store']);
          expect(came.vary).toMatch(/\baccept(?!-)/);
          expect(body.toString()).toMatch(/^butterfly test, serving 1 channels over bfly\.v1 at ws:/);
        }
      });

      it('is at /index.html for everybody', async () => {
        await built();
        expect((await get('/index.html')).body.toString()).toBe(PAGE_HTML);
        for (const path of ['/index.html/', '/index.html/x', '/index.htm', '/x'])
          expect([path, (await get(path, { accept: BROWSER })).status]).toEqual([path, 404]);
      });

      it('is asked for again each time, and sent again only where it changed', async () => {
        await built();
        const { headers } = await get('/', { accept: BROWSER });
        expect(headers['cache-control']).toBe('no-cache');
        const again = { accept: BROWSER, 'if-none-match': String(headers.etag) };
        const same = await get('/', again);
        expect([same.status, same.body.length, same.headers.etag]).toEqual([304, 0, headers.etag]);
        expect(same.headers['content-security-policy']).toBe(headers['content-security-policy']);
        await files.build('<p>another</p>');
        const other = await get('/', again);
        expect([other.status, other.body.toString()]).toEqual([200, '<p>another</p>']);
      });

      it('has by HEAD the headers of its GET', async () => {
        await built();
        const whole = await get('/', { accept: BROWSER });
        const head = await get('/', { accept: BROWSER }, 'HEAD');
        expect([head.status, head.body.length]).toEqual([200, 0]);
        expect({ ...head.headers, date: '' }).toEqual({ ...whole.headers, date: '' });
      });

      it('lets nothing be run, shown or framed that is not its own', async () => {
        await built();
        const { headers } = await get('/', { accept: BROWSER });
        const policy = new Map(
          String(headers['content-security-policy'])
            .split('; ')
            .map((line) => {
              const [name = '', ...values] = line.split(' ');
              return [name, values.join(' ')];
            }),
        );
        expect(Object.fromEntries(policy)).toEqual({
          'default-src': "'none'",
          'script-src': "'self' 'unsafe-eval'",
          'worker-src': "'self'",
          'style-src': "'self'",
          'img-src': "'self' data: blob:",
          'font-src': "'self'",
          'connect-src': "'self' ws: wss: http: https:",
          'base-uri': "'none'",
          'object-src': "'none'",
          'form-action': "'none'",
          'frame-ancestors': "'self'",
        });
        expect(headers['referrer-policy']).toBe('no-referrer');
        expect(headers['x-content-type-options']).toBe('nosniff');
        expect(headers['cross-origin-opener-policy']).toBe('same-origin-allow-popups');
      });

      it('may be framed by pages that may connect, each named; * and what is no address name none', async () => {
        const allowed = [
          'https://lab.example.org',
          '*',
          'https://b.example;script-src',
          'null',
          'http://x:8080',
          'http://y/z',
        ];
        await built({ web: { origins: { allowed, loopback: true } } });
        const { headers } = await get('/', { accept: BROWSER });
        expect(String(headers['content-security-policy']).split('; ').at(-1)).toBe(
          "frame-ancestors 'self' https://lab.example.org http://x:8080",
        );
      });

      it('needs no token, for nothing of it is of data', async () => {
        const authority = testAuthority(
          await rulesOf(`tokens:\n  - {token: ${TOKEN}, user: bo, grants: {lab/fly: read}}\n`),
        );
        await built({ authority });
        expect((await get('/', { accept: BROWSER })).body.toString()).toBe(PAGE_HTML);
        expect((await get(JS)).status).toBe(200);
        expect((await get(`/precomputed/${EM}/info`)).status).toBe(401);
      });
    });

    describe('where it is not built', () => {
      it('says to browsers how it is built, and shows it as soon as it is', async () => {
        await start();
        for (const path of ['/', '/index.html']) {
          const { status, headers, body } = await get(path, { accept: BROWSER });
          expect([status, headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
          expect(body.toString()).toMatch(/^butterfly test, .*npm run build makes it\.\n$/s);
        }
        expect((await get('/')).body.toString()).not.toContain('npm run build');
        expect((await get(JS)).status).toBe(404);
        await files.build();
        expect((await get('/', { accept: BROWSER })).body.toString()).toBe(PAGE_HTML);
        expect((await get(JS)).status).toBe(200);
      });
    });

    describe('its files', () => {
      it.each([
        ['main-0A1B2C3D.js', 'text/javascript; charset=utf-8'],
        ['main-0A1B2C3D.css', 'text/css; charset=utf-8'],
        ['main-0A1B2C3D.js.map', 'application/json'],
        ['libpng-C6BBFC55.wasm', 'application/wasm'],
        ['icon-11112222.svg', 'image/svg+xml'],
        ['logo-33334444.png', 'image/png'],
        ['sans-55556666.woff2', 'font/woff2'],
      ])('are kept for a year and have their types: %s is %s', async (name, type) => {
        await built();
        const { status, headers, body } = await get(`/assets/${name}`);
        expect([status, body.toString()]).toEqual([200, ASSETS[name]]);
        expect(headers['content-type']).toBe(type);
        expect(headers['cache-control']).toBe('public, max-age=31536000, immutable');
        expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
        const same = await get(`/assets/${name}`, { 'if-none-match': String(headers.etag) });
        expect([same.status, same.body.length]).toEqual([304, 0]);
      });

      it.each([
        ['gzip, deflate, br, zstd', 'br'],
        ['gzip, deflate', 'gzip'],
        ['br;q=0, gzip', 'gzip'],
        ['br;q=0.5, gzip;q=1', 'gzip'],
        ['identity', undefined],
        ['br;q=0, *;q=0', undefined],
      ])('come as they were compressed before: Accept-Encoding %s gives %s', async (accepted, coding) => {
        await built();
        for (const name of ['main-0A1B2C3D.js', 'libpng-C6BBFC55.wasm']) {
          const plain = await get(`/assets/${name}`);
          const { headers, body } = await get(`/assets/${name}`, { 'accept-encoding': accepted });
          expect(headers['content-encoding']).toBe(coding);
          expect(headers['content-length']).toBe(String(body.length));
          expect(headers['content-type']).toBe(plain.headers['content-type']);
          expect(headers.vary).toBe('accept-encoding');
          const text =
            coding === 'br' ? brotliDecompressSync(body) : coding === 'gzip' ? gunzipSync(body) : Buffer.from(body);
          expect(text.toString()).toBe(ASSETS[name]);
          expect(headers.etag === plain.headers.etag).toBe(coding === undefined);
          const same = await get(`/assets/${name}`, { 'if-none-match': String(headers.etag) });
          expect([same.status, same.headers.etag]).toEqual([304, headers.etag]);
        }
      });

      it('give parts of what they are, never of a compressed form', async () => {
        await built();
        const part = await get(JS, { range: 'bytes=0-6', 'accept-encoding': 'br' });
        expect([part.status, part.headers['content-encoding'], part.body.toString()]).toEqual([
          206,
          undefined,
          'console',
        ]);
        const head = await get(JS, { 'accept-encoding': 'br' }, 'HEAD');
        expect([head.status, head.body.length, head.headers['content-length']]).toEqual([
          200,
          0,
          String(ASSETS['main-0A1B2C3D.js']?.length),
        ]);
      });

      it.each([
        '/assets',
        '/assets/',
        '/assets/none-00000000.js',
        `${JS}/`,
        `${JS}/x`,
        `${JS}.br`,
        `${JS}.gz`,
        `${JS}%00`,
        '/assets/../index.html',
        '/assets/..%2findex.html',
        '/assets/%2e%2e/index.html',
        '/assets/%2e%2e%2findex.html',
        '/assets/..%5cindex.html',
        '/assets/.secret',
        '/assets/folder',
        '/assets//main-0A1B2C3D.js',
        '/assets/constructor',
        '/assets/__proto__',
      ])('are those of the page alone: %s is none', async (path) => {
        await files.build(PAGE_HTML, { ...ASSETS, '.secret': 'a secret' });
        await start();
        // As it stands: clients clean paths.
        const answer = await exchangeBytes(
          server.port,
          `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: ${BROWSER}\r\n\r\n`,
        );
        expect(answer).toMatch(/^HTTP\/1\.1 (404|400) /);
        expect(answer).not.toMatch(/secret|doctype|console/);
      });

      it('are read only', async () => {
        await built();
        for (const method of ['POST', 'PUT', 'DELETE'])
          expect([method, (await get(JS, {}, method)).status]).toEqual([method, 405]);
      });
    });

    describe('behind a proxy that takes a prefix off', () => {
      const through = async (options: Partial<TestServerOptions> = {}): Promise<PrefixProxy> => {
        await built(options);
        proxy = await openPrefixProxy('/em/bfly/', server.port);
        return proxy;
      };

      it('is all there by addresses relative to the page', async () => {
        const { port } = await through();
        const page = new URL(`http://127.0.0.1:${port}/em/bfly/`);
        const html = await (await fetch(page, { headers: { accept: BROWSER } })).text();
        const [, src = ''] = /src="([^"]+)"/.exec(html) ?? [];
        expect(src).toMatch(/^\.\//);
        for (const relative of [src, `precomputed/${EM}/info`, 'openapi.json', 'api/experiments', 'index.html']) {
          const response = await fetch(new URL(relative, page), { redirect: 'error' });
          expect([relative, response.status]).toEqual([relative, 200]);
        }
      });

      it('sends nobody elsewhere, and describes its pages relative to where the description is', async () => {
        const { port } = await through();
        for (const path of ['', 'assets', 'assets/', 'precomputed', `precomputed/${EM}`, 'zarr', 'index.html/']) {
          const { status, headers } = await fetchRaw(port, `/em/bfly/${path}`, { headers: { accept: BROWSER } });
          expect([path, status >= 300 && status < 400, headers.location]).toEqual([path, false, undefined]);
        }
        const { body } = await fetchRaw(port, '/em/bfly/openapi.json');
        const [{ url }] = JSON.parse(body.toString()).servers;
        const described = new URL(url, `http://127.0.0.1:${port}/em/bfly/openapi.json`);
        expect(described.pathname).toBe('/em/bfly/');
      });

      it('has its socket at v1 beside the page', async () => {
        const { port } = await through();
        const origin = `http://127.0.0.1:${port}`;
        const probe = await Probe.open(`ws://127.0.0.1:${port}/em/bfly/v1`, { origin });
        probe.send({ kind: 'HELLO', id: 1, v: [1], client: 'page', feat: ['pull'] });
        await probe.next('WELCOME');
        probe.send({ kind: 'INFO', id: 2, path: EM });
        expect((await probe.next('INFO_OK', 2)).info).toMatchObject({ path: EM });
        probe.close();
        await probe.closed;
      });

      it('takes pages of the proxy’s public name only where the server was told of it', async () => {
        const origin = 'https://em.example.org';
        const { port } = await through();
        await expect(Probe.open(`ws://127.0.0.1:${port}/em/bfly/v1`, { origin })).rejects.toThrow(/403/);
        await server.stop(0);
        await proxy?.close();
        const told = await through({ allowedOrigins: [origin] });
        const probe = await Probe.open(`ws://127.0.0.1:${told.port}/em/bfly/v1`, { origin });
        probe.close();
        await probe.closed;
      });
    });
  });
}
