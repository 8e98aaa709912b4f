/** The built `bfly` command, as people run it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { open as openForeign } from 'lmdb';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Box, Vec3 } from '../../protocol/volume.ts';
import { loadUws } from '../../src/access/transport/uws-transport.ts';
import { openSource } from '../../src/image/open-source.ts';
import { CLI, Commands } from '../support/cli.ts';
import { lineTransports, needsBuild, temporaryFolder } from '../support/line-server.ts';
import { naiveVoxel } from '../support/naive-levels.ts';
import { Probe } from '../support/probe.ts';
import { cutVolume, greyVolume, type KnownVolume, labelVolume, writeTiff } from '../support/volume-files.ts';

const GREY = greyVolume([100, 90, 40]);
/** 43,200 ids of up to ten digits: several times what a pipe holds. */
const LABELS = labelVolume([96, 90, 40], [2, 2, 2]);
const EM = 'root/vols/ds/em.tif';
const SEG = 'root/vols/ds/labels.tif';

/** A volume whose one pull is far larger than what sockets buffer. */
const LARGE = greyVolume([256, 256, 128], 3);

let top: Awaited<ReturnType<typeof temporaryFolder>>;
let commands: Commands;
const at = (name: string): string => path.join(top.path, name);

needsBuild();
beforeAll(async () => {
  top = await temporaryFolder('cli');
  await writeTiff(at('vols/ds/em.tif'), GREY);
  await writeTiff(at('vols/ds/labels.tif'), LABELS);
  await writeTiff(at('large.tif'), LARGE);
  commands = new Commands(top.path);
}, 60_000);
afterEach(() => commands.dispose());
afterAll(() => top.dispose());

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** Ids of a box of the labels, ascending, as text. */
function idsOf(volume: KnownVolume, box: Box): string[] {
  const bytes = Uint8Array.from(cutVolume(volume, box, 4));
  return [...new Set(new Uint32Array(bytes.buffer))].sort((a, b) => a - b).map(String);
}

describe('bfly serve', { timeout: 60_000 }, () => {
  it.each(lineTransports('bfly serve'))(
    'says where it listens and where its page is, a line each, over %s',
    async (transport) => {
      const server = commands.start('serve', 'vols', '--port', '0', '--transport', transport, '--data', 'store');
      const [url = ''] = await server.outMatch(/http:\S+/);
      expect(server.out).toMatch(
        new RegExp(`^bfly listening on (http://127\\.0\\.0\\.1:\\d+) \\(${transport}\\), 2 channels\\nopen \\1/\\n$`),
      );
      expect(await (await fetch(url, { headers: { accept: 'text/html' } })).text()).toMatch(/^<!doctype html>/i);
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      server.kill('SIGINT');
      const { code, out } = await server.ended;
      expect(code).toBe(0);
      expect(lines(out)).toHaveLength(2);
    },
  );

  it('takes uWebSockets.js by itself where it runs', async () => {
    const server = await commands.serve('vols', '--data', 'store');
    expect(server.out).toContain(loadUws().missing === undefined ? '(uws)' : '(ws)');
    server.kill('SIGTERM');
    expect(await server.ended).toMatchObject({ code: 0, err: '' });
  });

  it.each(lineTransports('bfly serve'))('lets a pull finish at SIGTERM and exits 0, over %s', async (transport) => {
    const server = await commands.serve('large.tif', '--data', 'drain', '--transport', transport);
    const probe = await Probe.hello(server.url.replace('http', 'ws').concat('/v1'), { win: 65_536 });
    const [entry] = await listChannels(server.url);
    probe.send({ kind: 'PULL', id: 2, path: entry ?? '', mip: 0, box: [0, 0, 0, ...LARGE.shape] });
    const { tiles } = await probe.next('PULL_OK', 2);
    await probe.next('TILE', 2);
    server.kill('SIGTERM');
    expect(await probe.next('GOAWAY')).toMatchObject({ code: 4301 });
    expect(server.child.exitCode).toBeNull();
    probe.send({ kind: 'CREDIT', id: 0, grants: [0, 2].map((id) => [id, 2 ** 40] as const) });
    expect(await probe.next('END', 2)).toMatchObject({ status: 'done', sent: tiles, failed: 0 });
    expect((await probe.closed).code).toBe(4301);
    expect(await server.ended).toMatchObject({ code: 0, err: '' });
    // Closed as it should be: the next one opens it without a word.
    const next = await commands.serve('large.tif', '--data', 'drain');
    next.kill('SIGTERM');
    expect(await next.ended).toMatchObject({ code: 0, err: '' });
  });

  it('ends at once with 130 at a second signal', async () => {
    const server = await commands.serve('large.tif', '--data', 'drain');
    const probe = await Probe.hello(server.url.replace('http', 'ws').concat('/v1'), { win: 65_536 });
    const [entry] = await listChannels(server.url);
    probe.send({ kind: 'PULL', id: 2, path: entry ?? '', mip: 0, box: [0, 0, 0, ...LARGE.shape] });
    await probe.next('PULL_OK', 2);
    server.kill('SIGTERM');
    await probe.next('GOAWAY');
    const asked = performance.now();
    server.kill('SIGINT');
    expect((await server.ended).code).toBe(130);
    expect(performance.now() - asked).toBeLessThan(2_000); // the grace of 3 s was not waited for
  });

  it('says so where nothing is to be shown, and where a port is taken', async () => {
    await mkdir(at('empty'), { recursive: true });
    const server = await commands.serve('empty', '--data', 'store-empty');
    await server.errMatch(/nothing to show/);
    const port = new URL(server.url).port;
    const second = await commands.run('serve', 'vols', '--port', port, '--data', 'store-second');
    expect(second).toMatchObject({ code: 1, out: '' });
    expect(second.err).toContain(`port ${port}`);
    expect(lines(second.err).filter((line) => line.startsWith('bfly: '))).toHaveLength(1);
  });

  it('says in one line which process uses a data folder', async () => {
    const server = await commands.serve('vols', '--data', 'store');
    for (const args of [
      ['serve', 'vols', '--port', '0', '--data', 'store', '--log-level', 'warn'],
      ['ingest', 'vols/ds/em.tif', 'lab/a/b/c', '--data', 'store'],
    ]) {
      const second = await commands.run(...args);
      expect(second).toMatchObject({ code: 1, out: '' });
      expect(lines(second.err)).toEqual([
        expect.stringMatching(new RegExp(`^bfly: .*process ${server.child.pid} .*--data`)),
      ]);
    }
    expect((await commands.run('ls', server.url)).code).toBe(0);
  });

  it.each([
    ['another program’s LMDB', 'foreign', makeForeign],
    ['a file of noise', 'noise', async (file: string) => writeFile(file, greyVolume([64, 64, 8], 9).bytes)],
  ])('leaves alone a data folder with %s', async (_what, name, make) => {
    const folder = at(name);
    await mkdir(folder, { recursive: true });
    await make(path.join(folder, 'butterfly.mdb'));
    const before = await readFile(path.join(folder, 'butterfly.mdb'));
    const refused = await commands.run('serve', 'vols', '--port', '0', '--data', folder, '--log-level', 'warn');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(lines(refused.err)).toEqual([expect.stringMatching(/^bfly: .*no Butterfly database.*--data$/)]);
    expect((await readFile(path.join(folder, 'butterfly.mdb'))).equals(before)).toBe(true);
  });
});

describe('bfly discover', { timeout: 60_000 }, () => {
  it('writes a configuration that serve serves', async () => {
    await writeFile(at('vols/ds/broken.tif'), 'II*\0 and then nothing');
    const found = await commands.run('discover', 'vols', '-o', 'vols.yaml');
    expect(found).toMatchObject({ code: 0, out: '' });
    expect(lines(found.err)).toEqual([
      expect.stringMatching(/^bfly: skipped .*broken\.tif: /),
      'bfly: 2 channels written to vols.yaml',
    ]);
    const server = await commands.serve('vols.yaml', '--data', 'store');
    const { out, code } = await commands.run('ls', server.url, '-r', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject([
      { path: EM, kind: 'channel', type: 'image', dtype: 'uint8', shape: GREY.shape, mips: 2 },
      { path: SEG, kind: 'channel', type: 'segmentation', dtype: 'uint32', shape: LABELS.shape, mips: 2 },
    ]);
    const printed = await commands.run('discover', 'vols');
    expect(printed.out).toBe(await readFile(at('vols.yaml'), 'utf8'));
  });
});

describe('commands that ask a server', { timeout: 60_000 }, () => {
  let asking: Commands;
  let url = '';
  /** An HTTP server that knows nothing of WebSockets. */
  let stranger = '';
  const other = createServer((_request, response) => void response.writeHead(404).end());
  beforeAll(async () => {
    await once(other.listen(0, '127.0.0.1'), 'listening');
    stranger = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    asking = new Commands(top.path);
    url = (await asking.serve('vols', '--data', 'asked')).url;
  }, 60_000);
  afterAll(async () => {
    other.close();
    await asking.dispose();
  });

  it('list and describe', async () => {
    expect(await commands.run('ls', url)).toMatchObject({ code: 0, err: '', out: 'PATH  KIND\nroot  experiment\n' });
    const all = await commands.run('ls', url, '-r');
    expect(lines(all.out)[1]).toMatch(/^root\/vols\/ds\/em\.tif +image +uint8 +100 × 90 × 40 /);
    const info = await commands.run('info', url, SEG, '--json');
    expect(JSON.parse(info.out)).toMatchObject({
      path: SEG,
      dtype: 'uint32',
      kind: 'channel',
      mips: [{ shape: LABELS.shape, offset: [0, 0, 0] }, { shape: [48, 45, 20] }],
    });
    expect((await commands.run('info', url, EM)).out).toContain('100 × 90 × 40 voxels, 351.6 KiB');
    const dataset = await commands.run('info', url, 'root/vols/ds', '--json');
    expect(JSON.parse(dataset.out).channels).toHaveLength(2);
  });

  it('pull into .npy, .raw, .png and .tif, which hold the voxels', async () => {
    const box: Box = [10, 20, 5, 90, 75, 30];
    const [nx, ny, nz]: Vec3 = [80, 55, 25];
    const grey = cutVolume(GREY, box, 1);
    const pull = async (channel: string, file: string): Promise<Buffer> => {
      const done = await commands.run('pull', url, channel, '--box', box.join(','), '-o', file);
      expect(done).toMatchObject({ code: 0, out: '' });
      expect(lines(done.err).at(-1)).toBe(
        `bfly: 80 × 55 × 25 voxels of ${channel === EM ? 'uint8' : 'uint32'} written to ${file}`,
      );
      return readFile(at(file));
    };
    expect((await pull(EM, 'out.raw')).equals(grey)).toBe(true);
    const npy = await pull(SEG, 'out.npy');
    expect(npy.subarray(0, 128).toString('latin1')).toContain(
      `'descr': '<u4', 'fortran_order': False, 'shape': (${nz}, ${ny}, ${nx})`,
    );
    const labels = cutVolume(LABELS, box, 4);
    expect(npy.subarray(npy.length - labels.length).equals(labels)).toBe(true);
    const png = await sharp(await pull(EM, 'out.png'))
      .toColourspace('b-w')
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(png.info).toMatchObject({ width: nx, height: ny * nz, channels: 1 });
    expect(png.data.equals(grey)).toBe(true);
    await pull(SEG, 'out.tif');
    const source = await openSource({ path: at('out.tif') });
    expect(source.info).toMatchObject({ dtype: 'uint32', mips: [{ shape: [nx, ny, nz] }] });
    expect(Buffer.from(labels).equals(await source.read(0, [0, 0, 0, nx, ny, nz]))).toBe(true);
    await source.close();
    expect((await readdir(top.path)).filter((name) => name.includes('.part'))).toEqual([]);
  });

  it('pull a box that sticks out with zeros around, a coarser level, and a summary', async () => {
    const out = await commands.run('pull', url, EM, '--box=-5,0,0,5,1,1', '-o', 'edge.raw');
    expect(out.code).toBe(0);
    expect([...(await readFile(at('edge.raw')))]).toEqual([0, 0, 0, 0, 0, ...GREY.bytes.subarray(0, 5)]);
    expect((await commands.run('pull', url, EM, '--mip', '1', '-o', 'mip1.raw')).code).toBe(0);
    const coarse = await readFile(at('mip1.raw'));
    expect(coarse.length).toBe(50 * 45 * 20);
    for (const [x, y, z] of [
      [0, 0, 0],
      [49, 44, 19],
      [31, 32, 10],
    ] as const)
      expect(coarse[(z * 45 + y) * 50 + x]).toBe(naiveVoxel(GREY.bytes, GREY.shape, [2, 2, 2], 'image', [x, y, z]));
    const { out: summary } = await commands.run('pull', url, EM);
    expect(summary).toMatch(/min +0\nmax +255\nmean +127/);
  });

  it('list the ids of a box', async () => {
    const box: Box = [0, 0, 0, 30, 30, 10];
    const { code, out, err } = await commands.run('unique', url, SEG, '--box', box.join(','));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(lines(out)).toEqual(idsOf(LABELS, box));
  });

  it('end quietly when whoever reads has seen enough', async () => {
    const whole = await commands.run('unique', url, SEG);
    const ids = idsOf(LABELS, [0, 0, 0, ...LABELS.shape]);
    expect(lines(whole.out)).toEqual(ids);
    expect(whole.out.length).toBeGreaterThan(4 * 65_536);
    const script = '{ "$@"; echo "exit $?" >&2; } | head -n 1';
    const shell = spawn('sh', ['-c', script, 'sh', process.execPath, CLI, 'unique', url, SEG]);
    const [out, err] = await Promise.all([text(shell.stdout), text(shell.stderr)]);
    expect({ out, err }).toEqual({ out: `${ids[0]}\n`, err: 'exit 0\n' });
  });

  it.each([
    ['an unknown command line', ['pull', '--nonsense']],
    ['a missing argument', ['pull', 'http://127.0.0.1:1']],
    ['a box that is none', ['unique', 'http://127.0.0.1:1', SEG, '--box', '0,0,0,0,1,1']],
    ['an output that is no volume', ['pull', 'http://127.0.0.1:1', SEG, '-o', 'x.jpg']],
    ['a port that is none', ['serve', '--port', '70000']],
  ])('exit 2 for %s, with one line', async (_what, args) => {
    const { code, out, err } = await commands.run(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(lines(err)).toEqual([expect.stringMatching(/^bfly: .*--help$/)]);
  });

  it.each([
    ['a channel that is not there', (): string[] => ['info', url, 'root/vols/ds/none']],
    ['a level that is not there', (): string[] => ['pull', url, EM, '--mip', '9']],
    ['a box outside', (): string[] => ['pull', url, EM, '--box', '500,0,0,501,1,1']],
    ['a dtype that PNG does not have', (): string[] => ['pull', url, SEG, '-o', 'x.png']],
    ['an output folder that is not there', (): string[] => ['pull', url, EM, '-o', 'no/x.npy']],
    ['a server that is not there', (): string[] => ['ls', 'http://127.0.0.1:9']],
    ['a server that is not ours', (): string[] => ['ls', stranger]],
    ['a source that is not there', (): string[] => ['serve', 'nothing-here', '--port', '0']],
    ['a file that is no volume', (): string[] => ['serve', 'vols.txt', '--port', '0']],
    ['an ingest of nothing', (): string[] => ['ingest', 'none.h5', 'a/b/c/d', '--data', 'none']],
    ['an ingest to a path that is none', (): string[] => ['ingest', 'vols/ds/em.tif', 'a/b', '--data', 'none']],
  ])('exit 1 for %s, with one line and no stack', async (_what, args) => {
    await writeFile(at('vols.txt'), 'no volume');
    const { code, out, err } = await commands.run(...args());
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(lines(err)).toEqual([expect.stringMatching(/^bfly: /)]);
    expect(err).not.toMatch(/\n\s+at |inside Butterfly/);
  });
});

async function makeForeign(file: string): Promise<void> {
  const store = openForeign<string, string>({ path: file, noSubdir: true });
  await store.put('someone', 'else');
  await store.close();
}

async function listChannels(url: string): Promise<string[]> {
  const { out } = await commands.run('ls', url, '-r', '--json');
  return (JSON.parse(out) as { path: string }[]).map((row) => row.path);
}
