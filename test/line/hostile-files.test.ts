/** Broken, absurd and vanishing files in a served folder: they cost their own channel and nobody else's. */
import { mkdir, readFile, rename, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import h5wasm, { ready } from 'h5wasm/node';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, type ChannelInfo, type Vec3, volumeOf } from '../../protocol/volume.ts';
import type { Session } from '../../src/client/node.ts';
import { catalogueChannels } from '../../src/utility/config.ts';
import { type LineServer, lineTransports, needsBuild, startLine, temporaryFolder } from '../support/line-server.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import { cutVolume, greyVolume, type KnownVolume, writeTiff } from '../support/volume-files.ts';

const seed = testSeed('hostile files');
const SHAPE: Vec3 = [130, 100, 70];
const GOOD = greyVolume(SHAPE, 11);
const WHOLE: Box = [0, 0, 0, ...SHAPE];
/** Chunks of the precomputed volume. */
const CHUNK: Vec3 = [64, 64, 64];

/** A format: how a whole volume of it is written, and which of its files is the one to break. */
interface Format {
  readonly name: string;
  write(folder: string, volume: KnownVolume): Promise<void>;
  /** From the folder that `write` was given: what discovery takes as the volume, and the file whose bytes are broken. */
  readonly volume: string;
  readonly file: string;
}

const FORMATS: readonly Format[] = [
  {
    name: 'tiff',
    volume: 'v.tif',
    file: 'v.tif',
    write: (folder, volume) => writeTiff(path.join(folder, 'v.tif'), volume),
  },
  {
    name: 'hdf5',
    volume: 'v.h5',
    file: 'v.h5',
    async write(folder, { shape, bytes }) {
      await mkdir(folder, { recursive: true });
      const file = new h5wasm.File(path.join(folder, 'v.h5'), 'w');
      const [x, y, z] = shape;
      file.create_dataset({ name: 'main', data: bytes, shape: [z, y, x], chunks: [16, 32, 32], compression: 'gzip' });
      file.close();
    },
  },
  { name: 'png', volume: 'v', file: 'v/s000.png', write: (folder, volume) => writeStack(folder, volume, 'png') },
  { name: 'jpeg', volume: 'v', file: 'v/s000.jpg', write: (folder, volume) => writeStack(folder, volume, 'jpg') },
  { name: 'precomputed', volume: 'v', file: 'v/info', write: writePrecomputed },
];

async function writeStack(folder: string, { shape, bytes }: KnownVolume, ending: 'png' | 'jpg'): Promise<void> {
  await mkdir(path.join(folder, 'v'), { recursive: true });
  const [width, height, depth] = shape;
  for (let z = 0; z < depth; z++) {
    const plane = bytes.subarray(z * width * height, (z + 1) * width * height);
    const image = sharp(plane, { raw: { width, height, channels: 1 } }).toColourspace('b-w');
    const file = path.join(folder, 'v', `s${String(z).padStart(3, '0')}.${ending}`);
    await (ending === 'png' ? image.png({ compressionLevel: 1 }) : image.jpeg()).toFile(file);
  }
}

async function writePrecomputed(folder: string, volume: KnownVolume): Promise<void> {
  const [nx, ny, nz] = volume.shape;
  await mkdir(path.join(folder, 'v/s0'), { recursive: true });
  const scale = { key: 's0', size: volume.shape, resolution: [8, 8, 8], chunk_sizes: [CHUNK], encoding: 'raw' };
  const info = { type: 'image', data_type: 'uint8', num_channels: 1, scales: [scale] };
  await writeFile(path.join(folder, 'v/info'), JSON.stringify(info));
  for (let z = 0; z < nz; z += 64)
    for (let y = 0; y < ny; y += 64)
      for (let x = 0; x < nx; x += 64) {
        const box: Box = [x, y, z, Math.min(nx, x + 64), Math.min(ny, y + 64), Math.min(nz, z + 64)];
        const name = `${box[0]}-${box[3]}_${box[1]}-${box[4]}_${box[2]}-${box[5]}`;
        await writeFile(path.join(folder, 'v/s0', name), cutVolume(volume, box, 1));
      }
}

/** Ways to break a file. */
function breakages(bytes: Buffer): [string, Uint8Array][] {
  const random = seededRandom(seed);
  const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
  const cut = (length: number): [string, Uint8Array] => [`cut-${length}`, bytes.subarray(0, length)];
  const broken: [string, Uint8Array][] = [
    ['empty', new Uint8Array()],
    ...[1, 4, 8, 9, 64, 700, Math.floor(bytes.length / 2), bytes.length - 1].map(cut),
    ['noise', noise(5_000)],
    ['magic-and-noise', Buffer.concat([bytes.subarray(0, 8), noise(5_000)])],
    ['zeros', new Uint8Array(5_000)],
    ['ones', new Uint8Array(5_000).fill(0xff)],
  ];
  for (let n = 0; n < 12; n++) {
    const changed = Buffer.from(bytes);
    // Most of what a header says stands at the beginning; a TIFF's directories and an HDF5's trees do not.
    const reach = n % 2 === 0 ? Math.min(bytes.length, 400) : bytes.length;
    for (let flips = 1 + Math.floor(random() * 4); flips > 0; flips--)
      changed[Math.floor(random() * reach)] = random() < 0.5 ? 0xff : Math.floor(random() * 256);
    broken.push([`changed-${n}`, changed]);
  }
  return broken;
}

/** What happens to a file after its volume was opened; each to a volume of its own. */
const BREAKS = (
  [
    ['tiff', 'a file cut short', 'v.tif', (file) => truncate(file, 400_000)],
    ['hdf5', 'a file cut short', 'v.h5', (file) => truncate(file, 400_000)],
    ['png', 'a slice cut short', 'v/s069.png', (file) => truncate(file, 3_000)],
    ['png', 'a slice that is none any more', 'v/s010.png', (file) => writeFile(file, 'not a PNG')],
    ['jpeg', 'a slice of another size', 'v/s020.jpg', writeTiny],
    ['precomputed', 'a chunk cut short', 'v/s0/64-128_0-64_0-64', (file) => truncate(file, 100)],
    ['precomputed', 'another chunk', 'v/s0/0-64_64-100_64-70', (file) => writeFile(file, new Uint8Array(10))],
  ] as const satisfies readonly (readonly [string, string, string, (file: string) => Promise<unknown>])[]
).map(([format, what, file, how], n) => ({ format, what, file, how, where: `break-${n}` }));

async function writeTiny(file: string): Promise<void> {
  await sharp(Buffer.alloc(64), { raw: { width: 8, height: 8, channels: 1 } })
    .jpeg()
    .toFile(file);
}

/** Seconds since 1970, whole ones: a date that can be set again exactly. */
const LONG_AGO = 1_700_000_000;
const big = 2 ** 31 - 1;

/** Headers that promise more than there is. */
async function writeHuge(folder: string): Promise<void> {
  const at = (name: string): string => path.join(folder, name);
  await mkdir(at('png'), { recursive: true });
  await mkdir(at('jpg'), { recursive: true });
  const png = await sharp(Buffer.alloc(64), { raw: { width: 8, height: 8, channels: 1 } })
    .png()
    .toBuffer();
  png.writeUInt32BE(big, 16);
  png.writeUInt32BE(big, 20);
  await writeFile(at('png/a.png'), png);
  const jpeg = await sharp(Buffer.alloc(64), { raw: { width: 8, height: 8, channels: 1 } })
    .jpeg()
    .toBuffer();
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  jpeg.writeUInt32BE(0xffff_ffff, frame + 5);
  await writeFile(at('jpg/a.jpg'), jpeg);
  await writeTiff(at('huge.tif'), { dtype: 'uint8', shape: [8, 8, 2], bytes: new Uint8Array(128) });
  const tiff = await readFile(at('huge.tif'));
  for (const tag of [256, 257]) {
    const entry = tiff.indexOf(Buffer.from([tag & 255, tag >> 8, 4, 0, 1, 0, 0, 0]));
    tiff.writeUInt32LE(big, entry + 8);
  }
  await writeFile(at('huge.tif'), tiff);
  // A page that is its own next one.
  const ring = await readFile(at('huge.tif'));
  ring.writeUInt32LE(8, 8 + 2 + 14 * 12);
  await writeFile(at('ring.tif'), ring);
  const file = new h5wasm.File(at('huge.h5'), 'w');
  const data = new Uint8Array(64 ** 3);
  file.create_dataset({ name: 'main', data, shape: [64, 64, 64], maxshape: [null, null, null], chunks: [64, 64, 64] });
  const main = file.get('main');
  if (main instanceof h5wasm.Dataset) main.resize([big, big, big]);
  file.close();
  const scale = {
    key: 's0',
    size: [big, big, big],
    resolution: [8, 8, 8],
    chunk_sizes: [[64, 64, 64]],
    encoding: 'raw',
  };
  const infos: Record<string, unknown> = {
    'pre-huge': { scales: [scale] },
    'pre-beyond': { scales: [{ ...scale, size: [1e300, 2 ** 53, 7] }] },
    'pre-chunk': { scales: [{ ...scale, chunk_sizes: [[big, big, big]] }] },
    'pre-up': { scales: [{ ...scale, key: '../../../../../../etc' }] },
    'pre-negative': { scales: [{ ...scale, size: [-5, 1, 1] }] },
    'pre-none': { scales: [] },
    'pre-many': { scales: Array.from({ length: 5_000 }, () => scale) },
    'pre-proto': JSON.parse('{"__proto__": {"type": 1}, "scales": [{"__proto__": null}]}'),
  };
  for (const [name, info] of Object.entries(infos)) {
    await mkdir(at(name));
    const whole = { type: 'image', data_type: 'uint8', num_channels: 1, ...(info as object) };
    await writeFile(at(`${name}/info`), JSON.stringify(whole));
  }
  await mkdir(at('pre-deep'));
  await writeFile(at('pre-deep/info'), '['.repeat(200_000));
}

/** Links that lead nowhere, to themselves, and to what is no file. */
async function writeLinks(folder: string): Promise<void> {
  const at = (name: string): string => path.join(folder, name);
  await mkdir(at('loop'), { recursive: true });
  await symlink(at('loop'), at('loop/again'));
  await symlink(at('self.tif'), at('self.tif'));
  await symlink(at('gone.h5'), at('nowhere.h5'));
  await symlink('/dev/zero', at('zero.tif'));
  await symlink('/dev/zero', at('zero.h5'));
}

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function channelInfo(session: Session, channel: string): Promise<ChannelInfo> {
  const info = await session.info(channel);
  if (info.kind !== 'channel') throw new Error(`${channel} is a dataset`);
  return info;
}

needsBuild();

describe('hostile files', { timeout: 60_000 }, () => {
  // What carries the frames does not see the files: the transport that `auto` takes is enough.
  const transport = lineTransports('hostile files').at(-1) ?? 'ws';
  let top: Awaited<ReturnType<typeof temporaryFolder>>;
  let line: LineServer;
  let session: Session;
  let channels: string[] = [];
  const at = (name: string): string => path.join(top.path, 'served', name);
  const good = (format: string, where = 'good'): string => {
    const suffix = format === 'tiff' ? 'v.tif' : format === 'hdf5' ? 'v.h5' : 'v';
    const found = channels.find((channel) => channel.startsWith(`${where}/${format}/`) && channel.endsWith(suffix));
    if (found === undefined) throw new Error(`${where}/${format} is not served: ${channels.join(' ')}`);
    return found;
  };

  /** Throws where an error tells what it must not: places on the server, or how it is made. */
  function expectClean(error: unknown): void {
    expect(error).toBeInstanceOf(BflyError);
    const { message } = error as BflyError;
    expect(message).not.toContain(top.path);
    expect(message).not.toMatch(/\/(tmp|work|home|usr|dev|proc|etc)\/|node_modules|\bat \S+:\d+|\n/);
  }

  async function expectGood(format: string, where?: string): Promise<void> {
    const { data } = await session.cutout(good(format, where), { box: WHOLE });
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (format === 'jpeg') expect(bytes.length).toBe(volumeOf(SHAPE));
    else expect(bytes.equals(GOOD.bytes)).toBe(true);
  }

  beforeAll(async () => {
    await ready;
    top = await temporaryFolder('hostile');
    for (const format of FORMATS) {
      // Healthy ones before and behind the broken ones, in the order in which folders are walked.
      for (const where of ['good', 'zz-good']) await format.write(at(`${where}/${format.name}/x`), GOOD);
      const whole = await readFile(at(`good/${format.name}/x/${format.file}`));
      for (const [name, bytes] of breakages(whole)) {
        const target = at(`broken/${format.name}/${name}/${format.file}`);
        await mkdir(path.dirname(target), { recursive: true });
        await writeFile(target, bytes);
        if (format.name === 'png' || format.name === 'jpeg')
          await writeFile(
            path.join(path.dirname(target), `t.${format.name}`),
            await readFile(at(`good/${format.name}/x/${format.file}`)),
          );
      }
    }
    for (const { format, where, file } of BREAKS) {
      await FORMATS.find(({ name }) => name === format)?.write(at(`${where}/${format}/x`), GOOD);
      await utimes(at(`${where}/${format}/x/${file}`), LONG_AGO, LONG_AGO);
    }
    await writeHuge(at('huge/h/h'));
    await writeLinks(at('links/l/l'));
    line = await startLine({
      transport,
      dataDir: path.join(top.path, 'store'),
      sources: [at('')],
      cacheBytes: 2 ** 24,
    });
    session = await line.connect();
    channels = catalogueChannels(line.catalogue).map((channel) => channel.path);
  }, 120_000);
  afterAll(async () => {
    await line.stop();
    await top.dispose();
  });

  it('are named on the way, and the rest is served', async () => {
    for (const { name } of FORMATS) for (const where of ['good', 'zz-good']) expect(good(name, where)).toBeDefined();
    const named = line.warnings.filter((warning) => warning.startsWith('skipped '));
    expect(named.length).toBeGreaterThan(10);
    const everywhere = (await Promise.all(FORMATS.map(({ name }) => errorOf(expectGood(name, 'zz-good'))))).filter(
      Boolean,
    );
    expect(everywhere).toEqual([]);
  });

  it('answer with voxels or a clear error, whatever is asked of them, and disturb nobody', async () => {
    const other = await line.connect();
    let asking = true;
    const undisturbed = (async () => {
      let rounds = 0;
      for (; asking; rounds++) {
        const { data } = await other.cutout(good('tiff'), { box: [3, 4, 5, 90, 80, 40] });
        expect(Buffer.from(cutVolume(GOOD, [3, 4, 5, 90, 80, 40], 1)).equals(data as Uint8Array)).toBe(true);
      }
      return rounds;
    })();
    const hostile = channels.filter((channel) => !/^(good|break-\d|zz-good)\//.test(channel));
    expect(hostile.length).toBeGreaterThan(10);
    for (const channel of hostile) await askEverything(channel);
    asking = false;
    expect(await undisturbed).toBeGreaterThan(0);
    for (const { name } of FORMATS) await expectGood(name);
  });

  async function askEverything(channel: string): Promise<void> {
    const info = await channelInfo(session, channel).catch((error: unknown) => {
      expectClean(error);
      return undefined;
    });
    for (const [mip, level] of (info?.mips ?? []).slice(0, 2).entries()) {
      const [x, y, z] = level.offset;
      const corner: Box = [x, y, z, x + 20, y + 20, z + 3];
      const [sx, sy, sz] = level.shape;
      const far: Box = [x + sx - 5, y + sy - 5, z + sz - 1, x + sx + 5, y + sy + 5, z + sz + 1];
      for (const box of [corner, far]) {
        if (!box.every((value) => Math.abs(value) < 2 ** 31)) continue;
        const answers = [session.cutout(channel, { mip, box }), session.unique(channel, { mip, box })];
        for (const error of await Promise.all(answers.map(errorOf))) if (error !== undefined) expectClean(error);
      }
    }
    const whole = await errorOf(session.cutout(channel, { maxBytes: 2 ** 26 }));
    if (whole !== undefined) expectClean(whole);
  }

  describe('that break while they are served', () => {
    /** Asks for every tile. @returns how many came, and what those say that did not. */
    async function pullAll(channel: string): Promise<{ right: number; errors: unknown[] }> {
      const errors: unknown[] = [];
      let right = 0;
      const pull = session.pull(channel, { box: WHOLE });
      const { tiles } = await pull.ready;
      for await (const tile of pull) {
        if (tile.error !== undefined) errors.push(tile.error);
        else {
          if (!channel.includes('/jpeg/'))
            expect(Buffer.from(tile.bytes()).equals(cutVolume(GOOD, tile.box, 1))).toBe(true);
          right++;
        }
      }
      expect(right + errors.length).toBe(tiles);
      return { right, errors };
    }

    it.concurrent.for(BREAKS)('$format: $what gives ERROR tiles, and heals', async (change, { expect }) => {
      const { format, file, how, where } = change;
      const channel = good(format, where);
      await channelInfo(session, channel);
      const broken = at(`${where}/${format}/x/${file}`);
      const backup = path.join(top.path, `backup-${where}`);
      await writeFile(backup, await readFile(broken));
      await how(broken);
      const { right, errors } = await pullAll(channel);
      expect(errors.length).toBeGreaterThan(0);
      for (const error of errors) expectClean(error);
      expect(right + errors.length).toBe(3 * 2 * 2);
      // Whoever asks for a box that needs them is told so, and the others are served.
      expectClean(await errorOf(session.cutout(channel, { box: WHOLE })));
      await Promise.all(FORMATS.map(({ name }) => expectGood(name)));
      // In place and with its old date: the file is again what it was.
      await writeFile(broken, await readFile(backup));
      await utimes(broken, LONG_AGO, LONG_AGO);
      if (format === 'hdf5') return; // The library has read the damage into its memory.
      await expect.poll(async () => (await pullAll(channel)).errors, { timeout: 20_000, interval: 500 }).toEqual([]);
    });

    it.todo('a slice that goes away does not move those behind it, whichever worker opens the folder after that');

    it('give a clear error where the whole source goes away, and tiles that were read stay', async () => {
      const channel = good('tiff', 'zz-good');
      await session.cutout(channel, { box: [0, 0, 0, 10, 10, 10] });
      await rename(at('zz-good'), path.join(top.path, 'gone'));
      const { data } = await session.cutout(channel, { box: [0, 0, 0, 10, 10, 10] });
      expect(data.byteLength).toBe(1000 * BYTES_PER_VOXEL.uint8);
      for (const format of ['png', 'precomputed', 'jpeg', 'hdf5']) {
        const error = await errorOf(session.cutout(good(format, 'zz-good'), { box: WHOLE }));
        if (error !== undefined) expectClean(error);
      }
      await rename(path.join(top.path, 'gone'), at('zz-good'));
    });
  });
});
