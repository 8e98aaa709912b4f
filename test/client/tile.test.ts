import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type Box,
  BYTES_PER_VOXEL,
  DTYPES,
  type DType,
  type EncodingName,
  encodingNumber,
  type VoxelArray,
} from '../../protocol/index.ts';
import { gunzip } from '../../src/client/gunzip.ts';
import { DECODABLE, makeTile, preferredEncodings, type Tile } from '../../src/client/tile.ts';
import { type JoinedTile, TileJoiner } from '../../src/client/tile-joiner.ts';
import { type FakeVolume, naiveCutout, tileFrames } from '../support/fake-server.ts';

const BOX: Box = [3, -4, 5, 14, 6, 12];

function volume(dtype: DType, more: Partial<FakeVolume> = {}): FakeVolume {
  const big = dtype === 'uint64' || dtype === 'int64';
  const voxel = (x: number, y: number, z: number): number | bigint => {
    const n = (x * 31 + y * 17 + z * 3) & 15;
    if (dtype === 'uint64') return 2n ** 64n - 1n - BigInt(n);
    return big ? -(2n ** 62n) - BigInt(n) : n;
  };
  const [x, y, z] = BOX;
  return {
    dtype,
    offset: [x, y, z],
    shape: [11, 10, 7],
    chunk: [11, 10, 7],
    voxel,
    enc: ['raw', 'gzip', 'cseg', 'cseg+gzip'],
    ...more,
  };
}

function joined(
  of: FakeVolume,
  enc: EncodingName,
  frame = 1e6,
  verify = false,
  damage?: (payload: Uint8Array) => void,
): JoinedTile {
  const joiner = new TileJoiner(verify);
  let tile: JoinedTile | undefined;
  for (const { message } of tileFrames(of, [enc], { id: 1, item: 0, mip: 0, frame }, BOX)) {
    if (message.kind !== 'TILE') continue;
    const payload = message.payload.slice();
    damage?.(payload);
    tile = joiner.add(message.header, payload);
  }
  if (tile === undefined) throw new Error('the tile is not whole');
  return tile;
}

const constructorOf: Record<DType, new () => VoxelArray> = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  float32: Float32Array,
};

function expectVoxels(tile: Tile, of: FakeVolume): void {
  expect(tile.error).toBeUndefined();
  expect(tile.box).toEqual(BOX);
  expect(tile.voxels()).toBeInstanceOf(constructorOf[of.dtype]);
  expect(tile.voxels().length).toBe(770);
  expect(Buffer.compare(tile.bytes(), naiveCutout(of, BOX))).toBe(0);
}

describe('a tile', () => {
  it.each(DTYPES)('decodes raw, gzip and FILL of %s, in one frame or many', async (dtype) => {
    for (const enc of ['raw', 'gzip'] as const)
      for (const frame of [1e6, 100, 7])
        expectVoxels(await makeTile(joined(volume(dtype), enc, frame), dtype, 0), volume(dtype));
    const flat = volume(dtype, { fill: true, voxel: () => (BYTES_PER_VOXEL[dtype] === 8 ? 2n ** 62n + 1n : 77) });
    const tile = await makeTile(joined(flat, 'gzip'), dtype, 0);
    expect(tile.fill).toBe(true);
    expect(tile.payload.length).toBe(BYTES_PER_VOXEL[dtype]);
    expectVoxels(tile, flat);
  });

  it.each(['uint32', 'uint64'] as const)('decodes cseg and cseg+gzip of %s', async (dtype) => {
    for (const enc of ['cseg', 'cseg+gzip'] as const)
      expectVoxels(await makeTile(joined(volume(dtype), enc, 64), dtype, 0), volume(dtype));
  });

  it('keeps every bit of a uint64', async () => {
    const tile = await makeTile(joined(volume('uint64'), 'cseg'), 'uint64', 0);
    expect(tile.voxels()[0]).toBe(2n ** 64n - 1n - BigInt((3 * 31 - 4 * 17 + 5 * 3) & 15));
  });

  it('views a raw payload without a copy', async () => {
    const one = joined(volume('uint32'), 'raw');
    const tile = await makeTile(one, 'uint32', 0);
    expect(tile.voxels().buffer).toBe(one.payload.buffer);
  });

  it('gives what it cannot decode as payload, and says so', async () => {
    const one = joined(volume('uint8'), 'raw');
    const tile = await makeTile({ ...one, header: { ...one.header, encoding: encodingNumber('jpeg') } }, 'uint8', 0);
    expect(tile).toMatchObject({ encoding: 'jpeg', error: undefined, payload: one.payload });
    expect(() => tile.voxels()).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
    const later = await makeTile({ ...one, header: { ...one.header, encoding: 99 } }, 'uint8', 0);
    expect(later.error).toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('[D20] is an error tile where a checksum is wrong, if checksums are looked at', async () => {
    const flip = (payload: Uint8Array): void => {
      payload[3] = (payload[3] ?? 0) ^ 1;
    };
    const of = volume('uint8', { crc: true });
    const tile = await makeTile(joined(of, 'raw', 100, true, flip), 'uint8', 0);
    expect(tile.error).toMatchObject({ name: 'BflyError', code: 'INTERNAL' });
    expectVoxels(await makeTile(joined(of, 'raw', 100, true), 'uint8', 0), of);
    expect((await makeTile(joined(of, 'raw', 100, false, flip), 'uint8', 0)).error).toBeUndefined();
    expect((await makeTile(joined(volume('uint8'), 'raw', 100, true, flip), 'uint8', 0)).error).toBeUndefined();
  });

  it('is an error tile where its bytes are not what the header says', async () => {
    const one = joined(volume('uint8'), 'raw');
    const short = await makeTile({ ...one, payload: one.payload.subarray(1) }, 'uint8', 0);
    expect(short.error).toMatchObject({ code: 'INTERNAL', message: 'the tile has 769 bytes where 770 belong' });
    const zipped = joined(volume('uint8'), 'gzip');
    const garbage = await makeTile({ ...zipped, payload: zipped.payload.map((byte) => byte ^ 0x55) }, 'uint8', 0);
    expect(garbage.error).toMatchObject({ code: 'INTERNAL' });
    const cut = await makeTile({ ...zipped, payload: zipped.payload.subarray(0, 20) }, 'uint8', 0);
    expect(cut.error).toMatchObject({ code: 'INTERNAL' });
    const bomb = await makeTile({ ...zipped, payload: gzipSync(new Uint8Array(1e6)) }, 'uint8', 0);
    expect(bomb.error).toMatchObject({ code: 'INTERNAL' });
    const segments = joined(volume('uint32'), 'cseg');
    const wrong = await makeTile({ ...segments, payload: segments.payload.subarray(0, 12) }, 'uint32', 0);
    expect(() => wrong.voxels()).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it('[D23] reads the error of an ERROR tile, even one of a later version or none at all', async () => {
    const broken = joined(volume('uint8', { broken: () => true }), 'raw');
    const tile = await makeTile(broken, 'uint8', 0);
    expect(tile.error).toMatchObject({ code: 'INTERNAL', message: 'the chunk is damaged' });
    expect(tile.box).toEqual(BOX);
    const empty = await makeTile({ ...broken, payload: new Uint8Array(0) }, 'uint8', 0);
    expect(empty.error).toMatchObject({ code: 'INTERNAL' });
    const sizeless = await makeTile(
      { ...broken, header: { ...broken.header, rawLength: 0, sizeX: 0, sizeY: 0 } },
      'uint8',
      0,
    );
    expect(sizeless.error).toMatchObject({ code: 'INTERNAL' });
  });
});

describe('the wish for encodings', () => {
  it('keeps the order of the server, leaves out what cannot be decoded, and ends with raw', () => {
    expect(preferredEncodings(['jpeg', 'gzip', 'raw'])).toEqual(['gzip', 'raw']);
    expect(preferredEncodings(['cseg+zstd', 'cseg'])).toEqual(['cseg', 'raw']);
    expect(preferredEncodings([])).toEqual(['raw']);
    expect(DECODABLE).toEqual(['raw', 'gzip', 'cseg', 'cseg+gzip']);
  });
});

describe('gunzip', () => {
  it('stops at its limit', async () => {
    const zeros = gzipSync(new Uint8Array(50e6));
    await expect(gunzip(zeros, 1_000)).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(gunzip(gzipSync(new Uint8Array(1_000)), 1_000)).resolves.toHaveLength(1_000);
  });
});
