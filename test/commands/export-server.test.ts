/** `bfly export --to` from a real server: every level, bodies, and states of the past. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import FileSystemStore from '@zarrita/storage/fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as zarr from 'zarrita';
import { type Box, BYTES_PER_VOXEL, boxShape, type DType, mipBox, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { connect } from '../../src/client/node.ts';
import type { Session } from '../../src/client/session.ts';
import { openSource } from '../../src/image/open-source.ts';
import { copyBox } from '../../src/query/copy-box.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';
import { labelVolume } from '../support/volume-files.ts';
import { type Outcome, run } from './terminal.ts';

const SHAPE: Vec3 = [150, 90, 70];
const CHUNK: Vec3 = [32, 32, 32];
const LABELS = labelVolume(SHAPE, [11, 7, 5]);
const PATH = 'e/s/d/labels';
const REAL = 'e/s/d/real';

let server: TestServer;
let session: Session;
/** Two labels that become one body by the first edit. */
let pair: readonly [bigint, bigint];
let root = '';
let folder = '';

beforeAll(async () => {
  const grey = new Uint8Array(new Float32Array(volumeOf([40, 40, 40])).map((_, i) => Math.sin(i)).buffer);
  server = await startTestServer({
    kind: 'ws',
    volumes: [
      { path: PATH, data: LABELS.bytes, shape: SHAPE, dtype: 'uint32', type: 'segmentation', chunk: CHUNK },
      { path: REAL, data: grey, shape: [40, 40, 40], dtype: 'float32' },
    ],
  });
  session = await connect(server.url, { reconnect: false });
  const ids = new Set(new Uint32Array(LABELS.bytes.buffer));
  ids.delete(0);
  const [a = 0, b = 0] = ids;
  pair = [BigInt(a), BigInt(b)];
  await session.edit(PATH, [{ op: 'merge', ids: [...pair] }]);
});
afterAll(async () => {
  await session.close();
  await server.stop();
});
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'bfly-export-server-'));
  folder = path.join(root, 'out');
});
afterEach(() => rm(root, { recursive: true }));

const exportTo = (channel: string, to: string, ...args: string[]): Promise<Outcome> =>
  run(['export', server.url, channel, folder, '--to', to, ...args], {
    parts: { connect: (url, options) => connect(url, options) },
  });

/** A level as the server sends it. */
async function pulled(
  mip: number,
  box: Box,
  dtype: DType,
  state: { at?: number; map?: 'merged' },
): Promise<Uint8Array> {
  const out = new Uint8Array(volumeOf(boxShape(box)) * BYTES_PER_VOXEL[dtype]);
  for await (const tile of session.pull(PATH, { mip, box, ...state }))
    copyBox(tile.bytes(), tile.box, out, box, BYTES_PER_VOXEL[dtype]);
  return out;
}

async function levels(): Promise<readonly Box[]> {
  const info = await session.info(PATH);
  if (info.kind !== 'channel') throw new Error('no channel');
  return info.mips.map(mipBox);
}

describe('an export from a server', () => {
  it('as precomputed has every level, and compressed ids', { timeout: 60_000 }, async () => {
    expect(await exportTo(PATH, 'precomputed')).toMatchObject({ code: 0 });
    const source = await openSource({ path: folder });
    const boxes = await levels();
    expect(boxes.length).toBeGreaterThan(1);
    expect(source.info).toMatchObject({ dtype: 'uint32', type: 'segmentation' });
    expect(source.info.mips.map(mipBox)).toEqual(boxes);
    expect(Buffer.compare(await source.read(0, [0, 0, 0, ...SHAPE]), LABELS.bytes)).toBe(0);
    for (const [mip, box] of boxes.entries())
      expect(Buffer.compare(await source.read(mip, box), await pulled(mip, box, 'uint32', {}))).toBe(0);
    expect(await source.readChunk?.(0, [0, 0, 0])).toMatchObject({ encoding: 'cseg' });
    await source.close();
  });

  it.each(['zarr', 'ome-zarr'])('as %s is read back by our own source', { timeout: 60_000 }, async (to) => {
    expect(await exportTo(PATH, to)).toMatchObject({ code: 0 });
    const source = await openSource({ path: folder });
    const boxes = to === 'zarr' ? (await levels()).slice(0, 1) : await levels();
    expect(source.info.dtype).toBe('uint32');
    expect(source.info.mips.map(({ shape }) => shape)).toEqual(boxes.map(boxShape));
    for (const [mip, box] of boxes.entries()) {
      const { offset } = source.info.mips[mip] ?? { offset: [0, 0, 0] };
      expect(offset).toEqual(box.slice(0, 3));
      expect(Buffer.compare(await source.read(mip, box), await pulled(mip, box, 'uint32', {}))).toBe(0);
    }
    await source.close();
  });

  it('as OME-Zarr has every level', { timeout: 60_000 }, async () => {
    expect(await exportTo(PATH, 'ome-zarr')).toMatchObject({ code: 0 });
    for (const [mip, box] of (await levels()).entries()) {
      const array = await zarr.open(new FileSystemStore(path.join(folder, String(mip))), { kind: 'array' });
      const { data } = await zarr.get(array);
      const bytes = new Uint8Array((data as Uint32Array).buffer);
      expect(Buffer.compare(bytes, await pulled(mip, box, 'uint32', {}))).toBe(0);
    }
  });

  it.each(['precomputed', 'h5'])(
    'as %s has bodies where they are asked for, as they were when they are asked for',
    { timeout: 60_000 },
    async (to) => {
      const [low, high] = pair[0] < pair[1] ? pair : [pair[1], pair[0]];
      for (const at of [0, 1]) {
        expect(await exportTo(PATH, to, '--merged', '--at', String(at), '--mip', '0')).toMatchObject({ code: 0 });
        const source = await openSource({ path: to === 'h5' ? path.join(folder, 'labels.h5') : folder });
        expect(source.info.dtype).toBe('uint64');
        const voxels = await source.read(0, [0, 0, 0, ...SHAPE]);
        const expected = BigUint64Array.from(new Uint32Array(LABELS.bytes.buffer), BigInt);
        if (at === 1) for (const [i, id] of expected.entries()) if (id === high) expected[i] = low;
        expect(Buffer.compare(voxels, new Uint8Array(expected.buffer))).toBe(0);
        await source.close();
        await rm(folder, { recursive: true });
      }
    },
  );

  it.each(['precomputed', 'npy', 'tiff', 'h5', 'zarr', 'ome-zarr'])(
    'as %s works for a channel without edits',
    { timeout: 60_000 },
    async (to) => {
      expect(await exportTo(REAL, to, '--mip', '0')).toMatchObject({ code: 0 });
    },
  );

  it('of one coarse level is that level', async () => {
    const [, box] = await levels();
    if (box === undefined) throw new Error('there is one level only');
    expect(await exportTo(PATH, 'tiff', '--mip', '1')).toMatchObject({ code: 0 });
    const source = await openSource({ path: path.join(folder, 'labels.tif') });
    expect(Buffer.compare(await source.read(0, box), await pulled(1, box, 'uint32', {}))).toBe(0);
    await source.close();
  });
});
