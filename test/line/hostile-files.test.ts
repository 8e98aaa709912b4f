/** Broken, absurd and vanishing files in a served folder: they cost their own channel and nobody else's. */
import { mkdir, readFile, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ready } from 'h5wasm/node';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, type ChannelInfo, type Vec3, volumeOf } from '../../protocol/volume.ts';
import type { Session } from '../../src/client/node.ts';
import { catalogueChannels } from '../../src/utility/config.ts';
import { breakages, FORMATS, writeHuge, writeLinks } from '../support/hostile-volumes.ts';
import { type LineServer, lineTransports, needsBuild, startLine, temporaryFolder } from '../support/line-server.ts';
import { Probe } from '../support/probe.ts';
import { testSeed } from '../support/seed.ts';
import { cutVolume, greyVolume } from '../support/volume-files.ts';

const seed = testSeed('hostile files');
const SHAPE: Vec3 = [130, 100, 70];
const GOOD = greyVolume(SHAPE, 11);
const WHOLE: Box = [0, 0, 0, ...SHAPE];
/** What happens to a file after its volume was opened; each to a volume of its own. */
const BREAKS = (
  [
    ['tiff', 'a file cut short', 'v.tif', (file) => truncate(file, 400_000)],
    ['hdf5', 'a file cut short', 'v.h5', (file) => truncate(file, 400_000)],
    ['png', 'a slice cut short', 'v/s069.png', (file) => truncate(file, 3_000)],
    ['png', 'a slice that is none any more', 'v/s010.png', (file) => writeFile(file, 'not a PNG')],
    // The others behind it must not move up, whichever worker opens the folder after that.
    ['png', 'a slice that is gone', 'v/s065.png', (file) => rm(file)],
    ['jpeg', 'a slice of another size', 'v/s020.jpg', writeTiny],
    ['precomputed', 'a chunk cut short', 'v/s0/64-128_0-64_0-64', (file) => truncate(file, 100)],
    ['precomputed', 'another chunk', 'v/s0/0-64_64-100_64-70', (file) => writeFile(file, new Uint8Array(10))],
  ] as const satisfies readonly (readonly [string, string, string, (file: string) => Promise<unknown>])[]
).map(([format, what, file, how], n) => ({ format, what, file, how, where: `break-${n}` }));

/** Gives a file, and the folder it is in, a date that it can be given again. */
async function makeOld(file: string): Promise<void> {
  for (const dated of [file, path.dirname(file)]) await utimes(dated, LONG_AGO, LONG_AGO);
}

async function writeTiny(file: string): Promise<void> {
  await sharp(Buffer.alloc(64), { raw: { width: 8, height: 8, channels: 1 } })
    .jpeg()
    .toFile(file);
}

/** Seconds since 1970, whole ones: a date that can be set again exactly. */
const LONG_AGO = 1_700_000_000;
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
      for (const [name, bytes] of breakages(whole, seed)) {
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
      await makeOld(at(`${where}/${format}/x/${file}`));
    }
    await FORMATS.find(({ name }) => name === 'precomputed')?.write(at('cut/precomputed/x'), GOOD);
    await truncate(at('cut/precomputed/x/v/s0/64-128_0-64_0-64'), 100);
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
    const hostile = channels.filter((channel) => !/^(good|break-\d|cut|zz-good)\//.test(channel));
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

  it('give an ERROR to every CUTOUT of a broken place, and the connection lives', async () => {
    const probe = await Probe.hello(`ws://127.0.0.1:${line.port}/v1`);
    const channel = good('precomputed', 'cut');
    // The second finds the tile known to be broken; the third begins with parts that can be read.
    for (const [id, box, format] of [
      [2, [64, 0, 0, 70, 9, 9], 'raw'],
      [3, [64, 0, 0, 70, 9, 9], 'npy'],
      [4, [0, 0, 0, 130, 100, 70], 'raw'],
    ] as const) {
      probe.send({ kind: 'CREDIT', id: 0, grants: [[0, 2 ** 40]] });
      probe.send({ kind: 'CUTOUT', id, path: channel, mip: 0, box, format, frame: 32_768, win: 2 ** 22 });
      await probe.next('CUTOUT_OK', id);
      const error = await probe.next('ERROR', id);
      expect(error).toMatchObject({ code: 100, message: expect.stringContaining('64-128_0-64_0-64') });
    }
    probe.send({ kind: 'INFO', id: 5, path: channel });
    await probe.next('INFO_OK', 5);
    expect(line.server.hub.use()).toMatchObject({ requests: 0, streams: 0, cutouts: 0 });
    probe.close();
  });

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
      await makeOld(broken);
      if (format === 'hdf5') return; // The library has read the damage into its memory.
      await expect.poll(async () => (await pullAll(channel)).errors, { timeout: 20_000, interval: 500 }).toEqual([]);
    });

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
