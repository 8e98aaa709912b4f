import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { n5Format } from '../../src/image/n5-source.ts';
import { findVolumes, openSource, resolveSpec } from '../../src/image/open-source.ts';
import { precomputedFormat } from '../../src/image/precomputed-source.ts';
import { RemoteStore } from '../../src/image/remote-store.ts';
import { zarrFormat } from '../../src/image/zarr-source.ts';
import { isRemoteUrl, plainRemoteUrl, remoteName } from '../../src/utility/remote-url.ts';
import { sourceContract } from '../contract/source-contract.ts';
import { VolumeServer, type VolumeServerOptions } from '../support/volume-server.ts';
import { writeN5 } from './n5-fixture.ts';
import { raw16, SPEC, writeFiles, writeShards } from './precomputed-fixture.ts';
import {
  describeShared,
  errorOf,
  randomBytes,
  readWhole,
  shared,
  sumOf,
  temporaryFolder,
  voxelAt,
} from './source-fixtures.ts';
import { GZIP, ome04, put, spaceAxes, writeV2, writeV3 } from './zarr-fixture.ts';

const root = temporaryFolder();
const servers: VolumeServer[] = [];
let folders = 0;

function nextFolder(): string {
  const folder = join(root, `volume-${folders++}`);
  mkdirSync(folder);
  return folder;
}

async function serve(folder: string, options: VolumeServerOptions = {}): Promise<VolumeServer> {
  const server = await VolumeServer.open(folder, options);
  servers.push(server);
  return server;
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

const SHAPE = [10, 13, 21] as const;
const volume = { shape: SHAPE, size: 2, bytes: randomBytes(1, 10 * 13 * 21 * 2) };

/** A suite over a server of its own, which stays as long as the file's tests. */
function remoteContract(name: string, write: (folder: string) => Promise<Uint8Array[]>): void {
  let server: VolumeServer | undefined;
  sourceContract(name, async () => {
    const folder = nextFolder();
    const levels = await write(folder);
    server = await VolumeServer.open(folder);
    const { url } = server;
    return {
      levels,
      open: () => openSource({ path: url }),
      change: async () => {
        if (server !== undefined) server.edition++;
      },
    };
  });
}

remoteContract('precomputed over HTTP', async (folder) => {
  await (await writeFiles(folder, raw16)).close();
  return [raw16.voxels];
});
remoteContract('precomputed in shards over HTTP', async (folder) => {
  await (await writeShards(folder, raw16, { ...SPEC, indexEncoding: 'gzip' })).close();
  return [raw16.voxels];
});
remoteContract('Zarr 2 over HTTP', async (folder) => {
  await writeV2(folder, volume, { dtype: '<u2', chunks: [4, 8, 8], separator: '/' });
  return [volume.bytes];
});
remoteContract('OME-Zarr 0.5 in shards over HTTP', async (folder) => {
  const attributes = { ome: { version: '0.5', ...ome04(spaceAxes('zyx'), [[1, 1, 1]]) } };
  put(join(folder, 'zarr.json'), { zarr_format: 3, node_type: 'group', attributes });
  const shard = { shape: [8, 16, 16], indexAt: 'end', checksum: true } as const;
  await writeV3(join(folder, '0'), volume, { type: 'uint16', chunks: [4, 8, 8], codecs: [GZIP], shard });
  return [volume.bytes];
});
remoteContract('N5 over HTTP', async (folder) => {
  await writeN5(folder, volume, { type: 'uint16', block: [8, 8, 4], compression: 'gzip' });
  return [volume.bytes];
});

describeShared('the real volumes over HTTP', () => {
  it('precomputed em_jpeg and bodies_cseg are what they are on the disk', async () => {
    const server = await serve(shared('fib25-training2-precomputed'));
    for (const name of ['em_jpeg', 'bodies_cseg']) {
      const remote = await openSource(await resolveSpec(`precomputed://${server.url}/${name}/`));
      const local = await openSource({ path: shared(`fib25-training2-precomputed/${name}`) });
      expect({ ...remote.info, fingerprint: '' }).toEqual({ ...local.info, fingerprint: '' });
      expect(Buffer.compare(await readWhole(remote, 1), await readWhole(local, 1))).toBe(0);
      await remote.close();
      await local.close();
    }
  });

  it('OME-Zarr: image and labels are found by the address of their group', async () => {
    const server = await serve(shared('ome-zarr'));
    const path = `${server.url}/fib25-ts2-crop.ome.zarr`;
    expect(await findVolumes(`zarr://${path}`)).toEqual([
      { spec: { path }, name: 'fib25-ts2-crop', kind: 'zarr' },
      { spec: { path, dataset: 'labels/bodies' }, name: 'fib25-ts2-crop.labels.bodies', kind: 'zarr' },
    ]);
    const image = await openSource({ path });
    expect(sumOf(image, await readWhole(image))).toBe(306_765_640);
    expect(await voxelAt(image, [83, 50, 35])).toBe(142);
    await image.close();
    const labels = await openSource({ path, dataset: 'labels/bodies' });
    expect(labels.info).toMatchObject({ type: 'segmentation', dtype: 'uint64' });
    expect(await voxelAt(labels, [83, 50, 35])).toBe(2150);
    await labels.close();
  });
});

describe('addresses', () => {
  it.each([
    ['https://host/em', 'https://host/em'],
    ['https://host:8080/a/b/?x=1', 'https://host:8080/a/b?x=1'],
    ['precomputed://https://host/em/', 'https://host/em'],
    ['precomputed://gs://bucket/em/v1', 'https://storage.googleapis.com/bucket/em/v1'],
    ['zarr://s3://bucket/a.zarr', 'https://bucket.s3.amazonaws.com/a.zarr'],
    ['s3://my.bucket/a', 'https://s3.amazonaws.com/my.bucket/a'],
    ['https://host/a.zarr|zarr3:', 'https://host/a.zarr'],
    ['n5://http://host/c.n5/s0', 'http://host/c.n5/s0'],
  ])('%s is %s', (text, url) => {
    expect(isRemoteUrl(text)).toBe(true);
    expect(plainRemoteUrl(text)).toBe(url);
  });

  it.each(['/data/em.h5', 'em', 'C:/em', './https', 'httpx://a', ''])('%s is none', (text) => {
    expect(isRemoteUrl(text)).toBe(false);
  });

  it.each([
    'precomputed://',
    'zarr://ftp://host/a',
    'https://',
    'precomputed:///local/path',
    'https://me:secret@host/a',
  ])('%s is refused, without its password', async (text) => {
    const error = await errorOf(resolveSpec(text));
    expect(error.code).toBe('BAD_REQUEST');
    expect(error.message).not.toContain('secret');
  });

  it('give the name: the last part of the path, or the host', () => {
    expect(remoteName('https://host/a/em%20v1?token=1')).toBe('em v1');
    expect(remoteName('https://host')).toBe('host');
  });
});

describe('what is asked for', () => {
  it('one request a chunk, none again for the other part of it, all over few connections that stay', async () => {
    const folder = nextFolder();
    await writeV2(folder, volume, { dtype: '<u2', chunks: [4, 8, 8] });
    const server = await serve(folder);
    const source = await zarrFormat.open({ path: server.url });
    await source.read(0, [0, 0, 0, 3, 3, 3]);
    expect(server.asked('/0.0.0')).toBe(1);
    await source.read(0, [3, 3, 0, 8, 8, 4]);
    expect(server.asked('/0.0.0')).toBe(1);
    await readWhole(source);
    expect(server.asked('/0.0.0')).toBe(1);
    expect(server.connections).toBeLessThanOrEqual(8);
    await source.close();
  });

  it('at most 8 requests at the same time', async () => {
    const folder = nextFolder();
    for (let i = 0; i < 40; i++) writeFileSync(join(folder, String(i)), 'x');
    const server = await serve(folder);
    const held: (() => void)[] = [];
    const probes: Promise<unknown>[] = [];
    let most = 0;
    server.misbehave = ({ url }, response) => {
      if (url !== '/probe') {
        held.push(() => response.writeHead(404).end());
        // What was sent with these has come before this probe has.
        if (held.length === 8) probes.push(fetch(`${server.url}/probe`));
        return response;
      }
      most = Math.max(most, held.length);
      for (const end of held.splice(0)) end();
      return undefined;
    };
    const store = new RemoteStore(server.url);
    await Promise.all(Array.from({ length: 40 }, (_, i) => store.get(String(i), 10)));
    await Promise.all(probes);
    expect(most).toBe(8);
    expect(server.requests.filter(({ url }) => url !== '/probe')).toHaveLength(40);
    store.close();
  });

  it('packed files, NAME.gz, are found, and once it is known which kind a volume has, a hole is one request', async () => {
    for (const ending of ['', '.gz']) {
      const folder = nextFolder();
      const pack = (name: string, bytes: Uint8Array): [string, Uint8Array] =>
        ending === '' ? [name, bytes] : [`${name}.gz`, gzipSync(bytes)];
      await (await writeFiles(folder, raw16, pack)).close();
      const server = await serve(folder);
      const source = await precomputedFormat.open({ path: server.url });
      expect(Buffer.compare(await readWhole(source), raw16.voxels)).toBe(0);
      rmSync(join(folder, `s0/100-108_-7-1_3-7${ending}`));
      server.requests.length = 0;
      expect(await source.readChunk?.(0, [0, 0, 0])).toBe('absent');
      expect(server.requests.map(({ url }) => url)).toEqual([`/s0/100-108_-7-1_3-7${ending}`]);
      await source.close();
    }
  });

  it('names of files are no addresses: they stay with the host that was named', async () => {
    const server = await serve(nextFolder());
    const store = new RemoteStore(`${server.url}/volume?key=1`);
    for (const name of ['a b', 'http://127.0.0.1:1/x', '//127.0.0.1:1/x', 'x?y#z'])
      expect(await store.get(name, 10)).toBeUndefined();
    expect(server.requests.map(({ url }) => url)).toEqual([
      '/volume/a%20b?key=1',
      '/volume/http%3A//127.0.0.1%3A1/x?key=1',
      '/volume///127.0.0.1%3A1/x?key=1',
      '/volume/x%3Fy%23z?key=1',
    ]);
    store.close();
  });

  it('parts of shards alone, also of a server that sends the end where it is told the length of it', async () => {
    const folder = nextFolder();
    const shard = { shape: [16, 16, 32], indexAt: 'end', checksum: true } as const;
    await writeV3(folder, volume, { type: 'uint16', chunks: [4, 8, 8], codecs: [GZIP], shard });
    const server = await serve(folder);
    const source = await zarrFormat.open({ path: server.url });
    await source.read(0, [0, 0, 0, 1, 1, 1]);
    await source.read(0, [8, 0, 0, 9, 1, 1]);
    const ranges = server.requests.filter(({ url }) => url === '/c/0/0/0').map(({ range }) => range);
    expect(ranges).toEqual([
      'bytes=-516',
      expect.stringMatching(/^bytes=0-\d+$/),
      expect.stringMatching(/^bytes=\d+-\d+$/),
    ]);
    await source.close();
  });
});

describe('what servers answer', () => {
  const open = async (
    options: VolumeServerOptions,
  ): Promise<[VolumeServer, Awaited<ReturnType<typeof openSource>>]> => {
    const folder = nextFolder();
    const isPresent = ([z = 0]: readonly number[]): boolean => z === 0;
    await writeV2(folder, volume, { dtype: '<u2', chunks: [4, 8, 8], isPresent });
    const server = await serve(folder, options);
    return [server, await openSource({ path: server.url })];
  };

  it.each([404, 410, 204, 403])('%s is a chunk that is not there', async (missing) => {
    const [, source] = await open({ missing });
    expect(await source.readChunk?.(0, [0, 0, 1])).toBe('absent');
    expect((await source.read(0, [0, 0, 4, 2, 2, 6])).every((byte) => byte === 0)).toBe(true);
    await source.close();
  });

  it('403 for everything is told as what it is', async () => {
    const server = await serve(nextFolder(), { missing: 403 });
    const error = await errorOf(findVolumes(server.url));
    expect([error.code, error.message]).toEqual([
      'UNSUPPORTED',
      expect.stringContaining(
        'precomputed: the server refuses (403) to give the info file, if there is one; zarr: the server',
      ),
    ]);
  });

  it('packed files, and whole files where parts were asked for', async () => {
    const [, source] = await open({ gzips: true });
    expect(Buffer.compare(await source.read(0, [0, 0, 0, 21, 13, 4]), volume.bytes.subarray(0, 21 * 13 * 4 * 2))).toBe(
      0,
    );
    await source.close();
    const folder = nextFolder();
    await (await writeShards(folder, raw16, SPEC)).close();
    const server = await serve(folder, { ignoresRange: true, gzips: true });
    const shards = await openSource({ path: server.url });
    expect(Buffer.compare(await readWhole(shards), raw16.voxels)).toBe(0);
    await shards.close();
  });

  it('a failure that passes is tried again; one that stays is UNAVAILABLE, and nobody waits for it twice', async () => {
    const [server, source] = await open({});
    let failures = 2;
    server.misbehave = (_, response) => (failures-- > 0 ? response.writeHead(503).end('busy') : undefined);
    expect(await source.read(0, [0, 0, 0, 1, 1, 1])).toHaveLength(2);
    server.misbehave = (_, response) => response.writeHead(500).end();
    server.requests.length = 0;
    const error = await errorOf(source.read(0, [8, 0, 0, 9, 1, 1]));
    expect([error.code, error.message, error.retryMs]).toEqual([
      'UNAVAILABLE',
      expect.stringMatching(/^the server of "127\.0\.0\.1" is away: it answers 500$/),
      2_000,
    ]);
    expect(server.requests).toHaveLength(3);
    // At once, without asking.
    expect((await errorOf(source.read(0, [8, 0, 0, 9, 1, 1]))).code).toBe('UNAVAILABLE');
    expect(server.requests).toHaveLength(3);
    await source.close();
  });

  it('a connection that breaks, and a server that is not there', async () => {
    const [server, source] = await open({});
    let breaks = 1;
    server.misbehave = (_, response) => (breaks-- > 0 ? response.destroy() : undefined);
    expect(await source.read(0, [0, 0, 0, 1, 1, 1])).toHaveLength(2);
    const { url } = server;
    await server.close();
    servers.splice(servers.indexOf(server), 1);
    const error = await errorOf(source.read(0, [8, 0, 0, 9, 1, 1]));
    expect([error.code, error.message]).toEqual([
      'UNAVAILABLE',
      expect.stringContaining('it cannot be reached (ECONN'),
    ]);
    await source.close();
    expect((await errorOf(openSource({ path: url }))).code).toBe('UNAVAILABLE');
    expect((await errorOf(findVolumes(url))).code).toBe('UNAVAILABLE');
  });

  it('a silent server is waited for once', async () => {
    const server = await serve(nextFolder());
    server.misbehave = () => true;
    const store = new RemoteStore(server.url, { timeoutMs: 50 });
    const error = await errorOf(store.get('x', 10));
    expect([error.code, error.message]).toEqual(['UNAVAILABLE', expect.stringContaining('it was silent for 0.05 s')]);
    expect(server.requests).toHaveLength(1);
    store.close();
  });

  it('a server that falls silent within an answer', async () => {
    const server = await serve(nextFolder());
    server.misbehave = (_, response) => response.writeHead(200, { 'content-length': 100 }).write('half');
    const store = new RemoteStore(server.url, { timeoutMs: 50 });
    expect((await errorOf(store.get('x', 1000))).message).toContain('it was silent for 0.05 s');
    store.close();
  });

  it('a server that says next to nothing, for ever', async () => {
    const server = await serve(nextFolder());
    server.misbehave = (_, response) => {
      response.writeHead(200, { 'content-length': 1_000_000 });
      const drip = setInterval(() => response.write('x'), 5);
      return response.on('close', () => clearInterval(drip));
    };
    const store = new RemoteStore(server.url, { timeoutMs: 200, pausesMs: [] });
    const error = await errorOf(store.get('x', 2_000_000));
    expect([error.code, error.message]).toEqual([
      'UNAVAILABLE',
      expect.stringMatching(/it (sent \d+ bytes in|was silent for) 0.2 s/),
    ]);
    store.close();
  });

  it('a bomb in the place of an error page is not unpacked', async () => {
    const server = await serve(nextFolder());
    const bomb = gzipSync(new Uint8Array(40_000_000));
    expect(bomb.length).toBeLessThan(64 * 1024);
    server.misbehave = (_, response) =>
      response.writeHead(404, { 'content-encoding': 'gzip', 'content-length': bomb.length }).end(bomb);
    let unpacked = 0;
    const counting = (): TransformStream<Uint8Array, Uint8Array> =>
      new TransformStream({
        transform(piece, to) {
          unpacked += piece.length;
          to.enqueue(piece);
        },
      });
    const real = globalThis.fetch;
    const spy = vi.spyOn(globalThis, 'fetch').mockImplementation(async (...asked) => {
      const { body, status, headers } = await real(...asked);
      return new Response(body?.pipeThrough(counting()) ?? null, { status, headers });
    });
    const store = new RemoteStore(server.url);
    try {
      expect(await store.get('x', 10)).toBeUndefined();
    } finally {
      spy.mockRestore();
      store.close();
    }
    expect(unpacked).toBeGreaterThan(0);
    expect(unpacked).toBeLessThan(1_000_000);
  });

  it('pauses grow, unless Retry-After tells how long to wait, which nobody waits longer for than 5 s', async () => {
    const server = await serve(nextFolder());
    const waits = ['', '0.3', '3600', ''];
    server.misbehave = (_, response) => {
      const wait = waits.shift();
      if (wait === undefined) return undefined;
      return response.writeHead(429, wait === '' ? {} : { 'retry-after': wait }).end();
    };
    const pauses: number[] = [];
    const sleep = async (ms: number): Promise<void> => void pauses.push(ms);
    const store = new RemoteStore(server.url, { pausesMs: [100, 400, 1_600, 6_400], sleep });
    expect(await store.get('x', 10)).toBeUndefined();
    expect(pauses.slice(1, 3)).toEqual([300, 5_000]);
    expect([(pauses[0] ?? 0) / 100, (pauses[3] ?? 0) / 6_400].every((of) => of >= 0.5 && of < 1.5)).toBe(true);
    store.close();
  });

  it('more than a file can need is refused, before it is read where the server tells', async () => {
    const folder = nextFolder();
    writeFileSync(join(folder, 'big'), new Uint8Array(100_000));
    for (const options of [{}, { gzips: true }]) {
      const store = new RemoteStore((await serve(folder, options)).url);
      const error = await errorOf(store.get('big', 1000));
      expect([error.code, error.message]).toEqual(['UNSUPPORTED', expect.stringContaining('more than it can need')]);
      store.close();
    }
  });

  it('a shard that is too short', async () => {
    const folder = nextFolder();
    const shard = { shape: [16, 16, 32], indexAt: 'end', checksum: true } as const;
    await writeV3(folder, volume, { type: 'uint16', chunks: [4, 8, 8], codecs: [GZIP], shard });
    writeFileSync(join(folder, 'c/0/0/0'), readFileSync(join(folder, 'c/0/0/0')).subarray(0, 40));
    const source = await openSource({ path: (await serve(folder)).url });
    const error = await errorOf(source.read(0, [0, 0, 0, 1, 1, 1]));
    expect([error.code, error.message]).toEqual([
      'INTERNAL',
      expect.stringContaining('the shard has 40 bytes, too few'),
    ]);
    await source.close();
  });

  it('redirects are followed on the same host, and to no other', async () => {
    const folder = nextFolder();
    writeFileSync(join(folder, 'there'), 'yes');
    const server = await serve(folder);
    const other = await serve(folder);
    const redirect = (to: string): void => {
      server.misbehave = ({ url }, response) =>
        url === '/here' ? response.writeHead(302, { location: to }).end() : undefined;
    };
    const store = new RemoteStore(server.url);
    redirect('/there');
    expect(Buffer.from((await store.get('here', 10)) ?? []).toString()).toBe('yes');
    // Another port is another server.
    for (const to of [
      `${other.url}/there`,
      'http://169.254.169.254/latest',
      `http://user:pw@127.0.0.1:${server.port}/there`,
    ]) {
      redirect(to);
      const error = await errorOf(store.get('here', 10));
      expect([error.code, error.message]).toEqual([
        'UNSUPPORTED',
        expect.stringContaining('redirects to another host'),
      ]);
    }
    redirect('/here');
    expect((await errorOf(store.get('here', 10))).message).toBe('the server redirects in a circle');
    expect(other.requests).toEqual([]);
    store.close();
  });

  it('a page where metadata should be', async () => {
    const server = await serve(nextFolder());
    server.misbehave = (_, response) => response.writeHead(200).end('<html>Welcome</html>');
    const error = await errorOf(findVolumes(server.url));
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toContain('precomputed: info is not JSON');
    expect(error.message).toContain('is not JSON; n5: ');
  });

  it('a password is asked for', async () => {
    const server = await serve(nextFolder());
    server.misbehave = (_, response) => response.writeHead(401).end();
    expect((await errorOf(findVolumes(server.url))).message).toContain(
      'the server answers 401, which asks for a password',
    );
  });
});

describe('fingerprints', () => {
  it('follow ETags, and content where there are none; a weak ETag is as good', async () => {
    const folder = nextFolder();
    await (await writeFiles(folder, raw16)).close();
    const fingerprint = async (server: VolumeServer): Promise<string> => {
      const source = await precomputedFormat.open({ path: server.url });
      await source.close();
      return source.info.fingerprint;
    };
    const server = await serve(folder);
    const first = await fingerprint(server);
    expect(await fingerprint(server)).toBe(first);
    server.edition++;
    expect(await fingerprint(server)).not.toBe(first);
    const bare = await serve(folder, { bare: true });
    const before = await fingerprint(bare);
    expect(await fingerprint(bare)).toBe(before);
    writeFileSync(join(folder, 'info'), `${readFileSync(join(folder, 'info'), 'utf8')} `);
    expect(await fingerprint(bare)).not.toBe(before);
    // Of the shape of stamps of files, so that the same file written anew is known as that.
    expect(first).toMatch(/^precomputed:\d+@\d+$/);
  });
});

describe('groups', () => {
  it('of Zarr are listed by their consolidated metadata; of N5 the address must be that of a dataset', async () => {
    const folder = nextFolder();
    await writeV2(join(folder, 'volumes/raw'), volume, { dtype: '<u2', chunks: [4, 8, 8] });
    put(join(folder, '.zgroup'), { zarr_format: 2 });
    put(join(folder, 'volumes/.zgroup'), { zarr_format: 2 });
    const server = await serve(folder);
    const error = await errorOf(zarrFormat.find(server.url));
    expect(error?.message).toContain('over HTTP only consolidated metadata say what is in a group');
    put(join(folder, '.zmetadata'), {
      metadata: { '.zgroup': {}, 'volumes/.zgroup': {}, 'volumes/raw/.zarray': {}, 'volumes/raw/.zattrs': {} },
    });
    put(join(folder, 'volumes/.zmetadata'), { metadata: { '.zgroup': {}, 'raw/.zarray': {} } });
    const found = await zarrFormat.find(server.url);
    expect(found?.map(({ spec }) => spec)).toEqual([{ path: server.url, dataset: 'volumes/raw' }]);
    const n5 = nextFolder();
    put(join(n5, 'attributes.json'), { n5: '2.0.0' });
    await writeN5(join(n5, 'a'), volume, { type: 'uint16', block: [8, 8, 4] });
    const container = await serve(n5);
    expect((await errorOf(n5Format.find(container.url))).message).toContain(
      'over HTTP the address of a dataset or of its group would be right',
    );
    await (await openSource({ path: `${container.url}/a` })).close();
    await (await openSource({ path: container.url, dataset: 'a' })).close();
  });
});
