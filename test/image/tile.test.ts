import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCompressedSegmentation } from '../../protocol/compressed-segmentation.ts';
import {
  readTileHeader,
  TILE_HEADER_BYTES,
  TILE_TYPE,
  TileFlag,
  type TileHeader,
  writeTileHeader,
} from '../../protocol/tile-frame.ts';
import { type Box, BYTES_PER_VOXEL, DTYPES, type DType, encodingNumber } from '../../protocol/volume.ts';
import {
  decodeTileFrame,
  decodeTileFrameSync,
  fillTileFrame,
  frameFromEncoded,
  makeTileFrame,
  tileSize,
  transcodeTileFrame,
  verifyTileFrame,
} from '../../src/image/tile.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const seed = testSeed('tiles');
const BOX: Box = [-3, 4, 1000, 6, 9, 1003];
const VOXELS = 9 * 5 * 3;

function noise(dtype: DType, voxels = VOXELS, values = 3): Uint8Array {
  const random = seededRandom(seed);
  return new Uint8Array(voxels * BYTES_PER_VOXEL[dtype]).map((_, i) => (i === 0 ? 9 : Math.floor(random() * values)));
}

function headerOf(frame: Uint8Array): TileHeader {
  const header = readTileHeader(frame);
  if (header === undefined) throw new Error('no header');
  return header;
}

/** A frame with some fields of its header changed. */
function withHeader(frame: Uint8Array, change: Partial<TileHeader>): Uint8Array {
  const copy = frame.slice();
  writeTileHeader(copy, { ...headerOf(frame), ...change });
  return copy;
}

const tile = { dtype: 'uint32', mip: 2, box: BOX, seq: 2 ** 40 + 1 } as const;

describe('a tile', () => {
  it.each(DTYPES)('of %s is a whole frame: header, then payload, in a buffer of its own length', async (dtype) => {
    const raw = noise(dtype);
    const frame = await makeTileFrame({ ...tile, dtype, raw, encoding: 'raw' });
    expect(headerOf(frame)).toEqual({
      type: TILE_TYPE,
      id: 0,
      flags: TileFlag.LAST,
      item: 0,
      seq: 2 ** 40 + 1,
      mip: 2,
      x: -3,
      y: 4,
      z: 1000,
      encoding: 0,
      rawLength: raw.length,
      crc32: crc32(raw),
      sizeX: 9,
      sizeY: 5,
      length: raw.length,
    });
    expect(frame.buffer.byteLength).toBe(TILE_HEADER_BYTES + raw.length);
    expect(tileSize(headerOf(frame), dtype)).toEqual([9, 5, 3]);
    expect(Buffer.compare(frame.subarray(TILE_HEADER_BYTES), raw)).toBe(0);
    expect(verifyTileFrame(frame)).toBe(true);
  });

  it.each(['raw', 'gzip', 'cseg', 'cseg+gzip'] as const)('in %s decodes to its voxels', async (encoding) => {
    const raw = noise('uint32');
    const frame = await makeTileFrame({ ...tile, raw, encoding });
    expect(headerOf(frame).encoding).toBe(encodingNumber(encoding));
    expect(headerOf(frame).rawLength).toBe(raw.length);
    expect(Buffer.compare(await decodeTileFrame(frame, 'uint32'), raw)).toBe(0);
  });

  it('decodes at once where its encoding needs no thread', async () => {
    const raw = noise('uint32');
    for (const encoding of ['raw', 'cseg'] as const)
      expect(decodeTileFrameSync(await makeTileFrame({ ...tile, raw, encoding }), 'uint32')).toEqual(raw);
    expect(decodeTileFrameSync(fillTileFrame(tile), 'uint32')).toEqual(new Uint8Array(VOXELS * 4));
    for (const encoding of ['gzip', 'cseg+gzip'] as const)
      expect(decodeTileFrameSync(await makeTileFrame({ ...tile, raw, encoding }), 'uint32')).toBeUndefined();
  });

  it('in raw is decoded as a view of its frame', async () => {
    const frame = await makeTileFrame({ ...tile, raw: noise('uint32'), encoding: 'raw' });
    const voxels = await decodeTileFrame(frame, 'uint32');
    expect(voxels.buffer).toBe(frame.buffer);
    expect(voxels.byteOffset).toBe(TILE_HEADER_BYTES);
  });

  it('does not keep the bytes it was made from', async () => {
    const raw = noise('uint32');
    const before = raw.slice();
    const frame = await makeTileFrame({ ...tile, raw, encoding: 'raw' });
    raw.fill(0);
    expect(await decodeTileFrame(frame, 'uint32')).toEqual(before);
  });

  it('too high for a JPEG is raw', async () => {
    const raw = noise('uint8', 65_536);
    const box: Box = [0, 0, 0, 1, 256, 256];
    const frame = await makeTileFrame({ dtype: 'uint8', mip: 0, box, seq: 0, raw, encoding: 'jpeg' });
    expect(headerOf(frame).encoding).toBe(0);
    expect(await transcodeTileFrame(frame, 'uint8', 'jpeg')).toBe(frame);
    const packed = await transcodeTileFrame(frame, 'uint8', 'gzip');
    expect(Buffer.compare(await transcodeTileFrame(packed, 'uint8', 'jpeg'), frame)).toBe(0);
  });

  it('whose voxels are not those of its box is refused', async () => {
    await expect(makeTileFrame({ ...tile, raw: new Uint8Array(8), encoding: 'raw' })).rejects.toThrow(
      'a tile of 9×5×3 uint32 has 540 bytes, not 8',
    );
    expect(() => fillTileFrame({ ...tile, box: [0, 0, 0, 70_000, 1, 1] })).toThrow(/65535/);
    expect(() => fillTileFrame({ ...tile, box: [0, 0, 0, 1, 1, 0] })).toThrow(/1×1×0/);
    expect(() => fillTileFrame({ ...tile, value: new Uint8Array(3) })).toThrow(/4 bytes, not 3/);
  });
});

describe('a tile of one value', () => {
  it.each(DTYPES)('of %s is a FILL of one voxel, whatever the encoding, and decodes to all of them', async (dtype) => {
    const voxel = Uint8Array.from({ length: BYTES_PER_VOXEL[dtype] }, (_, i) => 200 - i);
    const raw = new Uint8Array(VOXELS * voxel.length).map((_, i) => voxel[i % voxel.length] as number);
    for (const encoding of ['raw', 'cseg', 'gzip'] as const) {
      const frame = await makeTileFrame({ ...tile, dtype, raw, encoding });
      const header = headerOf(frame);
      expect(header.flags).toBe(TileFlag.FILL | TileFlag.LAST);
      expect(header.encoding).toBe(0);
      expect(header.rawLength).toBe(raw.length);
      expect(header.crc32).toBe(crc32(voxel));
      expect(frame.subarray(TILE_HEADER_BYTES)).toEqual(voxel);
      expect(frame).toEqual(fillTileFrame({ ...tile, dtype, value: voxel }));
      expect(Buffer.compare(await decodeTileFrame(frame, dtype), raw)).toBe(0);
    }
  });

  it('is found exactly where all voxels are equal', async () => {
    const arbitrary = fc.tuple(fc.constantFrom(...DTYPES), fc.nat(VOXELS * 8 - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(arbitrary, async ([dtype, at, change]) => {
        const raw = new Uint8Array(VOXELS * BYTES_PER_VOXEL[dtype]).fill(7);
        raw[at % raw.length] = 7 ^ change;
        const frame = await makeTileFrame({ ...tile, dtype, raw, encoding: 'raw' });
        expect(headerOf(frame).flags & TileFlag.FILL).toBe(0);
      }),
      { seed, numRuns: testRuns(200) },
    );
  });

  it('stays a FILL in every encoding', async () => {
    const frame = fillTileFrame({ ...tile, value: Uint8Array.of(1, 2, 3, 4) });
    for (const to of ['gzip', 'cseg', 'jpeg'] as const)
      expect(await transcodeTileFrame(frame, 'uint32', to)).toBe(frame);
  });

  it('of a single voxel decodes too', async () => {
    const frame = await makeTileFrame({
      dtype: 'uint8',
      mip: 0,
      box: [0, 0, 0, 1, 1, 1],
      seq: 0,
      raw: Uint8Array.of(5),
      encoding: 'raw',
    });
    expect(await decodeTileFrame(frame, 'uint8')).toEqual(Uint8Array.of(5));
  });
});

describe('a tile in another encoding', () => {
  it('has the same place and seq, and the same voxels', async () => {
    const raw = noise('uint32');
    const frame = await makeTileFrame({ ...tile, raw, encoding: 'cseg' });
    for (const to of ['raw', 'gzip', 'cseg+gzip'] as const) {
      const other = await transcodeTileFrame(frame, 'uint32', to);
      expect(Buffer.compare(other, await makeTileFrame({ ...tile, raw, encoding: to }))).toBe(0);
      expect(Buffer.compare(await transcodeTileFrame(other, 'uint32', 'cseg'), frame)).toBe(0);
    }
  });

  it('is the frame itself where nothing changes', async () => {
    const frame = await makeTileFrame({ ...tile, raw: noise('uint32'), encoding: 'gzip' });
    expect(await transcodeTileFrame(frame, 'uint32', 'gzip')).toBe(frame);
    const error = withHeader(frame, { flags: TileFlag.ERROR | TileFlag.LAST });
    expect(await transcodeTileFrame(error, 'uint32', 'raw')).toBe(error);
  });

  it('that cannot hold its dtype is UNSUPPORTED', async () => {
    const frame = await makeTileFrame({ ...tile, raw: noise('uint32'), encoding: 'raw' });
    await expect(transcodeTileFrame(frame, 'uint32', 'jpeg')).rejects.toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED' }),
    );
  });
});

describe('a stored payload', () => {
  it('is wrapped as it is', async () => {
    const raw = noise('uint32');
    const bytes = encodeCompressedSegmentation(raw, [9, 5, 3], 'uint32');
    const frame = frameFromEncoded({ ...tile, encoding: 'cseg', bytes });
    expect(Buffer.compare(frame, await makeTileFrame({ ...tile, raw, encoding: 'cseg' }))).toBe(0);
  });
});

describe('a corrupt tile', () => {
  const corrupt: readonly [string, (frame: Uint8Array) => Uint8Array, RegExp][] = [
    ['a changed byte of its payload', (frame) => frame.with(70, (frame[70] as number) ^ 1), /checksum/],
    ['a missing byte', (frame) => frame.subarray(0, frame.length - 1), /header of a TILE/],
    ['the header of a BULK', (frame) => frame.with(1, 0x31), /header of a TILE/],
    ['no width', (frame) => withHeader(frame, { sizeX: 0 }), /no box 0×5/],
    ['a length that is no whole slices', (frame) => withHeader(frame, { rawLength: 541 }), /541 bytes are no box/],
    ['no length', (frame) => withHeader(frame, { rawLength: 0 }), /0 bytes are no box/],
    ['a length of gigabytes', (frame) => withHeader(frame, { rawLength: 180 * 20_000_000 }), /are no box/],
    ['another length', (frame) => withHeader(frame, { rawLength: 360 }), /540 bytes instead of 360/],
    ['an unknown encoding', (frame) => withHeader(frame, { encoding: 77 }), /77 is not/],
    ['a FILL of more than a voxel', (frame) => withHeader(frame, { flags: 6 }), /540 bytes/],
    ['only its first part', (frame) => withHeader(frame, { flags: 0 }), /part of a tile/],
    ['only its last part', (frame) => withHeader(frame, { flags: 3 }), /part of a tile/],
    ['an error instead of voxels', (frame) => withHeader(frame, { flags: TileFlag.ERROR | 2 }), /report of an error/],
  ];

  it.each(corrupt)('with %s is INTERNAL', async (_what, damage, message) => {
    const frame = damage(await makeTileFrame({ ...tile, raw: noise('uint32'), encoding: 'raw' }));
    await expect(decodeTileFrame(frame, 'uint32')).rejects.toThrow(message);
    await expect(decodeTileFrame(frame, 'uint32')).rejects.toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    expect(() => decodeTileFrameSync(frame, 'uint32')).toThrow(message);
  });

  it('is found by its checksum, unless there is none', async () => {
    const frame = await makeTileFrame({ ...tile, raw: noise('uint32'), encoding: 'raw' });
    const damaged = frame.with(70, (frame[70] as number) ^ 1);
    expect(verifyTileFrame(damaged)).toBe(false);
    expect(verifyTileFrame(withHeader(damaged, { crc32: 0 }))).toBe(true);
    expect(verifyTileFrame(frame.subarray(0, 60))).toBe(false);
  });
});
