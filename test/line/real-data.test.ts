/** Real volumes from file to client, over both transports: every voxel as published. */
import { access, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type ChannelInfo,
  type DType,
  type Vec3,
  type VoxelArray,
  volumeOf,
} from '../../protocol/volume.ts';
import type { Session } from '../../src/client/node.ts';
import { ingestVolume } from '../../src/ingest/ingest-volume.ts';
import type { Catalogue } from '../../src/utility/config.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { type LineServer, lineTransports, needsBuild, startLine, temporaryFolder } from '../support/line-server.ts';
import { naiveVoxel } from '../support/naive-levels.ts';
import { Probe } from '../support/probe.ts';
import { PUBLISHED_VOLUMES } from '../support/published-volumes.ts';
import { copyShared, describeWithShared, inflateShared } from '../support/shared-data.ts';

const EM = 'root/real/fib25/grayscale_maps';
const IDS = 'root/real/fib25-ts2-crop-cremi.h5/volumes.labels.neuron_ids';
const INGESTED = 'lab/fib25/crop/em';
const ARRAYS: Partial<Record<DType, { readonly name: string }>> = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  uint64: BigUint64Array,
};

function sumOf(data: VoxelArray): number {
  let sum = 0;
  for (let n = 0; n < data.length; n++) sum += Number(data[n]);
  return sum;
}

const bytesOf = (data: VoxelArray): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function voxelAt(data: VoxelArray, shape: Vec3, [x, y, z]: Vec3): number | bigint | undefined {
  return data[(z * shape[1] + y) * shape[0] + x];
}

async function channelInfo(session: Session, channel: string): Promise<ChannelInfo> {
  const info = await session.info(channel);
  if (info.kind !== 'channel') throw new Error(`${channel} is a dataset`);
  return info;
}

/** Makes a folder with every volume of the table, copied or inflated. */
async function laySources(folder: string): Promise<void> {
  const at = (name: string): string => path.join(folder, name);
  await copyShared('fib25-training2/grayscale_maps', at('fib25/grayscale_maps'));
  await inflateShared('fib25-training2/groundtruth.h5.gz', at('fib25/groundtruth.h5'));
  await inflateShared('fib25-training2/oversegmented_stack_labels.h5.gz', at('fib25/oversegmented_stack_labels.h5'));
  await copyShared('fib25-training2-precomputed', at('precomputed'));
  await copyShared('hdf5', at('hdf5'));
  await copyShared('tiff', at('tiff'));
}

needsBuild();

describeWithShared('real volumes', () => {
  let top: Awaited<ReturnType<typeof temporaryFolder>>;
  let sources = '';
  let dataDir = '';
  let catalogue: Catalogue | undefined;

  beforeAll(async () => {
    top = await temporaryFolder('real');
    sources = path.join(top.path, 'real');
    dataDir = path.join(top.path, 'store');
    await laySources(sources);
    await ingestVolume({
      dataDir,
      source: path.join(sources, 'hdf5/fib25-ts2-crop-cremi.h5/volumes/raw'),
      path: INGESTED,
      onProgress() {},
      signal: new AbortController().signal,
      log: SILENT_LOG,
    });
  }, 60_000);
  afterAll(() => top.dispose());

  // The first transport reads the sources and fills the store; the second is served from the store.
  describe.each(lineTransports('real volumes'))('over %s', (transport) => {
    let line: LineServer;
    let session: Session;
    beforeAll(async () => {
      line = await startLine({ transport, dataDir, sources: [sources] });
      session = await line.connect();
      catalogue = line.catalogue;
    }, 60_000);
    afterAll(() => line.stop());

    it('shows what discovery found and what was ingested, and names what it could not read', async () => {
      const experiments = await session.list();
      expect(experiments.map(({ name }) => name)).toEqual(['lab', 'root']);
      const shown: string[] = [];
      for (const { path: dataset } of await session.list('root/real'))
        shown.push(...(await session.list(dataset)).map((entry) => entry.path));
      expect(shown.sort()).toEqual(PUBLISHED_VOLUMES.map((volume) => volume.path).sort());
      expect(line.server).toMatchObject({ transport, channels: PUBLISHED_VOLUMES.length + 1 });
      expect(line.warnings.map((warning) => path.basename(warning.split(': ')[0] ?? ''))).toEqual([
        'groundtruth.h5',
        'oversegmented_stack_labels.h5',
        'test-gt.lzf.h5',
        'test-ws.lzf.h5',
      ]);
      expect(line.warnings[0]).toMatch(/^skipped 1 dataset of \S+: "transforms" has 2 dimensions /);
    });

    it('describes all channels of a dataset at once', async () => {
      const info = await session.info('root/real/gala-snemi-mini');
      expect(info.kind === 'dataset' && info.channels.map(({ dtype }) => dtype)).toEqual(['uint16', 'uint8']);
    });

    it.each(PUBLISHED_VOLUMES)('serves every voxel of $path as published', { timeout: 60_000 }, async (expected) => {
      const info = await channelInfo(session, expected.path);
      const { type, dtype, source, voxel, shape } = expected;
      expect(info).toMatchObject({ type, dtype, source, editable: true });
      expect(info.mips[0]).toMatchObject({ shape, voxel: [voxel, voxel, voxel], offset: [0, 0, 0] });
      const cutout = await session.cutout(expected.path);
      expect(cutout).toMatchObject({ dtype, shape, box: [0, 0, 0, ...shape] });
      expect(cutout.data.constructor).toBe(ARRAYS[dtype]);
      expect(cutout.data.length).toBe(volumeOf(shape));
      for (const [x, y, z, value] of expected.voxels)
        expect([x, y, z, Number(voxelAt(cutout.data, shape, [x, y, z]))]).toEqual([x, y, z, value]);
      if (expected.sum !== undefined) expect(sumOf(cutout.data)).toBe(expected.sum);
      if (expected.crc32 !== undefined)
        expect(crc32(bytesOf(cutout.data)).toString(16).padStart(8, '0')).toBe(expected.crc32);
    });

    it('serves slices as the PNGs have them', async () => {
      for (const z of [0, 124, 249]) {
        const file = path.join(sources, `fib25/grayscale_maps/iso.${2600 + z}.png`);
        const pixels = await sharp(await readFile(file))
          .toColourspace('b-w')
          .raw()
          .toBuffer();
        const { data } = await session.cutout(EM, { box: [0, 0, z, 250, 250, z + 1] });
        expect(pixels.equals(bytesOf(data))).toBe(true);
      }
    });

    it('serves JPEG chunks close to the original', async () => {
      const box: Box = [17, 90, 100, 245, 200, 130];
      const lossy = await session.cutout('root/real/precomputed/em_jpeg', { box });
      const { data } = await session.cutout(EM, { box });
      let difference = 0;
      for (let n = 0; n < data.length; n++) difference += Math.abs(Number(data[n]) - Number(lossy.data[n]));
      expect(difference / data.length).toBeLessThan(4);
      expect(difference).toBeGreaterThan(0);
    });

    it('gives zeros where a box sticks out of the volume, and nothing but zeros where it is outside', async () => {
      const box: Box = [-30, 150, 40, 40, 170, 60];
      const { data, shape } = await session.cutout(IDS, { box });
      const whole = (await session.cutout(IDS)).data;
      for (let n = 0; n < data.length; n++) {
        const x = box[0] + (n % shape[0]);
        const y = box[1] + (Math.floor(n / shape[0]) % shape[1]);
        const z = box[2] + Math.floor(n / shape[0] / shape[1]);
        const isInside = x >= 0 && y < 160 && z < 48;
        const expected = isInside ? voxelAt(whole, [160, 160, 48], [x, y, z]) : 0n;
        if (data[n] !== expected) expect([x, y, z, data[n]]).toEqual([x, y, z, expected]);
      }
      const outside = await session.cutout(IDS, { box: [160, 0, 0, 170, 10, 10] });
      expect(outside.data).toEqual(new BigUint64Array(1000));
      const far = await session.cutout(EM, { box: [-2147483648, -5, 0, -2147483600, 0, 2] });
      expect(far.data).toEqual(new Uint8Array(480));
    });

    it.each([
      [EM, 1],
      [EM, 2],
      [IDS, 1],
      [IDS, 2],
      ['root/real/fib25/groundtruth.h5', 1],
      ['root/real/gala/test-image.h5', 2],
      ['root/real/gala-snemi-mini/train-fragments.tif', 1],
      ['root/real/precomputed/bodies_cseg', 2],
    ])('[E27] builds %s, level %i, as the naive mean or mode', { timeout: 60_000 }, async (channel, mip) => {
      const info = await channelInfo(session, channel);
      const [below, level] = [info.mips[mip - 1], info.mips[mip]];
      if (below === undefined || level === undefined) throw new Error(`there is no level ${mip}`);
      const finer = (await session.cutout(channel, { mip: mip - 1 })).data;
      // The far corner, where footprints are cut, and across the chunks' limits.
      const [sx, sy, sz] = level.shape;
      const box: Box = [Math.max(0, sx - 70), Math.max(0, sy - 9), Math.max(0, sz - 9), sx, sy, sz];
      const coarse = await session.cutout(channel, { mip, box });
      const factors = boxShape([...level.shape, ...below.shape]).map((_, axis) =>
        Math.round((below.shape[axis] ?? 1) / (level.shape[axis] ?? 1)),
      );
      const [fx = 1, fy = 1, fz = 1] = factors;
      let n = 0;
      for (let z = box[2]; z < box[5]; z++)
        for (let y = box[1]; y < box[4]; y++)
          for (let x = box[0]; x < box[3]; x++, n++) {
            const expected = naiveVoxel(finer, below.shape, [fx, fy, fz], info.type, [x, y, z]);
            if (coarse.data[n] !== expected) expect([x, y, z, coarse.data[n]]).toEqual([x, y, z, expected]);
          }
      expect(n).toBe(coarse.data.length);
    });

    it('finds the ids of a box', async () => {
      const box: Box = [60, 61, 20, 131, 132, 33];
      for (const channel of [IDS, 'root/real/fib25/groundtruth.h5', 'root/real/precomputed/bodies_cseg']) {
        const { data } = await session.cutout(channel, { box });
        const naive = [...new Set(Array.from<number | bigint, bigint>(data, BigInt))].sort((a, b) => (a < b ? -1 : 1));
        expect([...(await session.unique(channel, { box }))]).toEqual(naive);
        expect(naive.length).toBeGreaterThan(3);
      }
      const everything = await session.unique('root/real/fib25/groundtruth.h5');
      expect(everything.length).toBe(21_317); // the background is one of them
      expect(await session.unique(IDS, { box: [-9, -9, -9, 0, 0, 0] })).toEqual(new BigUint64Array());
    });

    it('serves the channel that was ingested like its source, with more levels', async () => {
      const [ingested, source] = [
        await channelInfo(session, INGESTED),
        await channelInfo(session, 'root/real/fib25-ts2-crop-cremi.h5/volumes.raw'),
      ];
      expect(ingested.mips.slice(0, source.mips.length)).toEqual(source.mips);
      expect(crc32(bytesOf((await session.cutout(INGESTED)).data)).toString(16)).toBe('979737cb');
    });

    it('assembles a CUTOUT frame by frame, as raw bytes and as a numpy file', async () => {
      const probe = await Probe.hello(`ws://127.0.0.1:${line.port}/v1`, { frame: 32 * 1024 });
      const box: Box = [100, 20, 7, 200, 100, 50];
      const { data } = await session.cutout('root/real/gala/test-image.h5', { box });
      for (const [id, format] of [
        [2, 'raw'],
        [3, 'npy'],
      ] as const) {
        probe.send({ kind: 'CREDIT', id: 0, grants: [[0, 2 ** 40]] });
        probe.send({ kind: 'CUTOUT', id, path: 'root/real/gala/test-image.h5', mip: 0, box, format, win: 2 ** 22 });
        await probe.next('END', id);
        const parts = probe.peek('TILE').filter((tile) => tile.id === id);
        const bytes = Buffer.concat(parts.map((part) => part.payload));
        expect(parts.length).toBeGreaterThan(5);
        expect(bytes.subarray(bytes.length - data.byteLength).equals(bytesOf(data))).toBe(true);
        if (format === 'npy') expect(bytes.subarray(0, 128).toString('latin1')).toContain("'shape': (43, 80, 100)");
        else expect(bytes.length).toBe(data.byteLength);
      }
      probe.close();
    });

    it('has had nothing to complain about', () => {
      expect(line.log.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
    });
  });

  describe('with the sources gone', () => {
    let line: LineServer;
    let session: Session;
    beforeAll(async () => {
      await rename(sources, path.join(top.path, 'moved'));
      line = await startLine({ transport: 'ws', dataDir, ...(catalogue === undefined ? {} : { catalogue }) });
      session = await line.connect();
    }, 60_000);
    afterAll(() => line.stop());

    it('still serves what was ingested, every level of it', async () => {
      await expect(access(sources)).rejects.toThrow();
      const { mips, dtype } = await channelInfo(session, INGESTED);
      for (const [mip, level] of mips.entries()) {
        const { data } = await session.cutout(INGESTED, { mip });
        expect(data.byteLength).toBe(volumeOf(level.shape) * BYTES_PER_VOXEL[dtype]);
        if (mip === 0) expect(crc32(bytesOf(data)).toString(16)).toBe('979737cb');
        else expect(Math.abs(sumOf(data) / data.length - 151879707 / (160 * 160 * 48))).toBeLessThan(1);
      }
    });

    it.each(PUBLISHED_VOLUMES)(
      'says of $path that its source is gone, and where it was it does not say',
      async (volume) => {
        const asked = [
          session.info(volume.path),
          session.cutout(volume.path, { box: [0, 0, 0, 10, 10, 10] }),
          session.unique(volume.path, { box: [0, 0, 0, 10, 10, 10] }),
        ];
        for (const answer of asked) {
          const error = await answer.then(
            () => undefined,
            (reason: unknown) => reason,
          );
          expect(error).toMatchObject({ name: 'BflyError', code: 'NOT_FOUND' });
          expect(String(error)).not.toContain(top.path);
        }
        expect((await session.list(path.posix.dirname(volume.path))).map((entry) => entry.path)).toContain(volume.path);
      },
    );
  });
});
