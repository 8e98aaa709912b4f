/** Pages for those who run a server: whether it is well, and what it does. */
import { afterEach, describe, expect, it } from 'vitest';
import { ServerMetrics } from '../../src/access/http/metrics.ts';
import { metricsRoute } from '../../src/access/http/metrics-route.ts';
import { rulesOf, testAuthority } from '../support/auth.ts';
import { EditClient } from '../support/edit-client.ts';
import { patternBytes, startTestServer, type TestServer, type TestServerOptions } from '../support/test-server.ts';
import { deferred, fetchRaw } from '../support/transport-harness.ts';

const EM = 'lab/fly/cube/em';
const IDS = 'lab/fly/cube/ids';
const ADMIN = 'the-token-of-ada-0123456789';
const READER = 'the-token-of-bo-0123456789';

/** A sample of Prometheus's text format: name with labels, and value. */
type Samples = ReadonlyMap<string, number>;

function samplesOf(text: string): Samples {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** Defines the suite for one transport. */
export function webServiceContract(kind: 'ws' | 'uws'): void {
  describe(`pages about the server over ${kind}`, () => {
    let server: TestServer | undefined;
    afterEach(async () => {
      await server?.stop();
      server = undefined;
    });
    const start = async (options: Partial<TestServerOptions> = {}): Promise<TestServer> => {
      server = await startTestServer({
        kind,
        volumes: [
          { path: EM, data: patternBytes(64 ** 3), shape: [64, 64, 64], dtype: 'uint8' },
          { path: IDS, data: new Uint8Array(8 * 8 ** 3), shape: [8, 8, 8], dtype: 'uint64', type: 'segmentation' },
        ],
        ...options,
      });
      return server;
    };
    const get = (path: string, headers: Record<string, string> = {}) => fetchRaw(server?.port ?? 0, path, { headers });
    const samples = async (): Promise<Samples> => samplesOf((await get('/metrics')).body.toString());

    it('answers / with what it is, in the words of whoever asks', async () => {
      await start();
      const { body, headers } = await get('/', { host: 'em.example.org' });
      expect(body.toString()).toMatch(
        /^butterfly test, serving 2 channels over bfly\.v1 at ws:\/\/em\.example\.org\/v1\n/,
      );
      expect(headers['content-type']).toBe('text/plain; charset=utf-8');
      expect((await get('/', { 'x-forwarded-proto': 'https', host: 'h' })).body.toString()).toContain('wss://h/v1');
      expect((await get('/nothing')).status).toBe(404);
    });

    it('is alive while it answers, and ready while all is well', async () => {
      let isLoaded = false;
      let isBroken = false;
      await start({
        web: {
          ready: {
            tables: () => isLoaded,
            store: () => {
              if (isBroken) throw new Error('secret');
              return true;
            },
          },
        },
      });
      const ready = async (): Promise<unknown> => {
        const { status, body, headers } = await get('/readyz');
        expect(headers['cache-control']).toBe('no-store');
        expect(headers['retry-after']).toBe(status === 503 ? '1' : undefined);
        return [status, JSON.parse(body.toString()).waiting];
      };
      expect(await ready()).toEqual([503, ['tables']]);
      isLoaded = true;
      expect(await ready()).toEqual([200, []]);
      isBroken = true;
      expect(await ready()).toEqual([503, ['store']]);
      expect((await get('/healthz')).status).toBe(200);
      expect((await get('/readyz/x')).status).toBe(404);
    });

    it('is not ready on its way out, and lets requests under way finish', async () => {
      const gate = deferred<void>();
      const reading = deferred<void>();
      const { port } = await start({
        volumes: [
          {
            ...{ path: EM, data: patternBytes(64 ** 3), shape: [64, 64, 64], dtype: 'uint8' },
            wrap: (source) => ({
              ...source,
              read: async (mip, box) => {
                reading.resolve();
                await gate.promise;
                return source.read(mip, box);
              },
            }),
          },
        ],
      });
      const under = fetchRaw(port, `/precomputed/${EM}/1_1_1/0-64_0-64_0-64`);
      await reading.promise;
      // On a connection that is open already: no new one is taken.
      const { Agent } = await import('node:http');
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const ask = (path: string) => fetchRaw(port, path, { agent });
      expect((await ask('/readyz')).status).toBe(200);
      const stopping = server?.stop(20_000);
      const ready = await ask('/readyz').catch(() => undefined);
      // Node ends connections that wait; the other transport goes on.
      if (ready !== undefined)
        expect([ready.status, JSON.parse(ready.body.toString())]).toEqual([
          503,
          { ready: false, waiting: ['running'] },
        ]);
      gate.resolve();
      const answer = await under;
      expect([answer.status, answer.body.length]).toEqual([200, 64 ** 3]);
      await stopping;
      server = undefined;
      agent.destroy();
    });

    it('counts requests by route and status, and says how long they took', async () => {
      await start();
      await get('/healthz');
      await get('/healthz');
      await get(`/precomputed/${EM}/info`);
      await get('/precomputed/x/y');
      await get('/a/%ff');
      const counts = await samples();
      expect(counts.get('bfly_http_requests_total{route="/healthz",status="200"}')).toBe(2);
      expect(counts.get('bfly_http_requests_total{route="/precomputed",status="200"}')).toBe(1);
      expect(counts.get('bfly_http_requests_total{route="/precomputed",status="404"}')).toBe(1);
      expect(counts.get('bfly_http_requests_total{route="none",status="400"}')).toBe(1);
      expect(counts.get('bfly_http_request_duration_seconds_count{route="/healthz"}')).toBe(2);
      expect(counts.get('bfly_http_request_duration_seconds_sum{route="/healthz"}')).toBeLessThan(10);
      expect(counts.get('bfly_http_requests_under_way')).toBe(0);
      expect(counts.get('bfly_channels')).toBe(2);
      const again = await samples();
      expect(again.get('bfly_http_requests_total{route="/healthz",status="200"}')).toBe(2);
      expect(again.get('bfly_http_requests_total{route="/metrics",status="200"}')).toBe(1);
    });

    it('counts sessions, tiles, bytes, edits and looks into the cache as they happen', async () => {
      const { url } = await start();
      const before = await samples();
      const client = await EditClient.open(url);
      client.probe.send({ kind: 'PULL', id: 7, path: EM, mip: 0, box: [0, 0, 0, 64, 64, 64], enc: ['raw'] });
      await client.probe.next('END', 7);
      await client.edit(IDS, [{ op: 'merge', ids: [1n, 2n] }]);
      await client.edit(IDS, [{ op: 'merge', ids: [3n, 4n] }]);
      const after = await samples();
      const grown = (name: string): number => (after.get(name) ?? Number.NaN) - (before.get(name) ?? Number.NaN);
      expect(grown('bfly_sessions')).toBe(1);
      expect(grown('bfly_tiles_sent_total')).toBe(1);
      expect(grown('bfly_bytes_sent_total{protocol="bfly.v1"}')).toBeGreaterThan(64 ** 3);
      expect(grown('bfly_edits_total')).toBe(2);
      expect(grown('bfly_edit_commit_duration_seconds_count')).toBe(2);
      expect(grown('bfly_cache_misses_total')).toBeGreaterThan(0);
      expect(grown('bfly_cache_bytes')).toBeGreaterThan(0);
      expect(after.get('bfly_event_loop_delay_seconds{quantile="0.99"}')).toBeGreaterThanOrEqual(0);
      expect(after.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    });

    it('keeps to the conventions of Prometheus', async () => {
      await start();
      const { body, headers } = await get('/metrics');
      expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
      const text = body.toString();
      const kinds = new Map(
        [...text.matchAll(/^# TYPE (bfly_\w+) (\w+)$/gm)].map(([, name = '', type]) => [name, type]),
      );
      expect(kinds.size).toBeGreaterThan(15);
      for (const [name, type] of kinds) {
        expect(name.endsWith('_total'), name).toBe(type === 'counter');
        if (/duration|delay/.test(name)) expect(name).toMatch(/_seconds$/);
        expect(name).not.toMatch(/_(ms|kb|mb)\b/);
        expect(text).toMatch(new RegExp(`^# HELP ${name} [A-Z].*\\.$`, 'm'));
      }
    });

    it('tells what it does to programs of its machine, and else to admins of everything', async () => {
      const authority = testAuthority(
        await rulesOf(
          `tokens:\n  - {token: ${ADMIN}, user: ada, grants: {"*": admin}}\n  - {token: ${READER}, user: bo, grants: {"*": edit, lab: admin}}\n`,
        ),
      );
      await start({ authority });
      const status = async (headers: Record<string, string>): Promise<number> =>
        (await get('/metrics', headers)).status;
      expect(await status({})).toBe(200);
      for (const others of [
        { 'x-forwarded-for': '192.0.2.7' },
        { via: '1.1 proxy' },
        { origin: 'https://a.example' },
      ]) {
        expect(await status(others as Record<string, string>)).toBe(401);
        expect(await status({ ...others, authorization: `Bearer ${READER}` } as Record<string, string>)).toBe(403);
        expect(await status({ ...others, authorization: `Bearer ${ADMIN}` } as Record<string, string>)).toBe(200);
      }
    });

    it('takes no peer of another machine for a program of its own', () => {
      const { isPublic } = metricsRoute(new ServerMetrics());
      const peer = (remoteAddress: string): unknown =>
        typeof isPublic === 'function' && isPublic({ remoteAddress, header: () => undefined });
      expect(['127.0.0.1', '127.8.8.8', '::1'].map(peer)).toEqual([true, true, true]);
      expect(['192.0.2.1', '2001:db8::1', '10.127.0.1', ''].map(peer)).toEqual([false, false, false, false]);
    });

    it('tells everybody what it does on a server without tokens', async () => {
      await start();
      expect((await get('/metrics', { 'x-forwarded-for': '192.0.2.7' })).status).toBe(200);
    });

    it('asks for a token before it tells anything of data', async () => {
      const authority = testAuthority(
        await rulesOf(`tokens:\n  - {token: ${READER}, user: bo, grants: {lab/fly: read}}\n`),
      );
      await start({ authority });
      const bearer = { authorization: `Bearer ${READER}` };
      for (const page of [
        `/precomputed/${EM}/info`,
        `/zarr/${EM}/zarr.json`,
        `/zarr2/${EM}/.zattrs`,
        '/api/experiments',
      ]) {
        expect([page, (await get(page)).status]).toEqual([page, 401]);
        expect([page, (await get(page, bearer)).status]).toEqual([page, 200]);
      }
      for (const page of ['/', '/healthz', '/readyz', '/openapi.json']) expect((await get(page)).status).toBe(200);
    });
  });
}
