import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import {
  BYTES_PER_VOXEL,
  DTYPES,
  type DType,
  ENCODINGS,
  type EncodingName,
  type Vec3,
  volumeOf,
} from '../../protocol/volume.ts';
import { zstd } from '../../src/image/codecs/compression.ts';
import { codecOf, servableEncodings, storedEncoding } from '../../src/image/codecs/registry.ts';
import { seededRandom, testSeed } from '../support/seed.ts';

const seed = testSeed('codecs');
const SIZE: Vec3 = [13, 7, 5];
const hasZstd = zstd !== undefined;
if (!hasZstd) console.warn('NOT RUN: zstd, for node:zlib has it from Node 22.15 on');

/** Encodings of this server; where node:zlib lacks zstd, without it. */
const NAMES = ENCODINGS.filter((name) => name !== 'lz4' && (hasZstd || !name.includes('zstd')));

function noise(size: Vec3, dtype: DType, values = 256): Uint8Array {
  const random = seededRandom(seed);
  const raw = new Uint8Array(volumeOf(size) * BYTES_PER_VOXEL[dtype]);
  return raw.map(() => Math.floor(random() * values));
}

const legal = NAMES.flatMap((name) =>
  DTYPES.filter((dtype) => codecOf(name).canEncode(dtype)).map((dtype): [EncodingName, DType] => [name, dtype]),
);

describe('an encoding', () => {
  it.each(legal.filter(([name]) => name !== 'jpeg'))('%s gives %s voxels back as they were', async (name, dtype) => {
    const raw = noise(SIZE, dtype);
    const codec = codecOf(name);
    const encoded = await codec.encode(raw, SIZE, dtype);
    const decoded = await codec.decode(encoded, SIZE, dtype);
    expect(Buffer.compare(decoded, raw)).toBe(0);
    expect(decoded.constructor).toBe(Uint8Array);
    expect(encoded.constructor).toBe(Uint8Array);
    expect(encoded.buffer.byteLength).toBe(encoded.length);
    if (codec.decodeSync !== undefined) expect(Buffer.compare(codec.decodeSync(encoded, SIZE, dtype), raw)).toBe(0);
  });

  it.each(legal)('%s takes %s voxels at any alignment', async (name, dtype) => {
    const raw = noise(SIZE, dtype, 2);
    const shifted = new Uint8Array(raw.length + 1);
    shifted.set(raw, 1);
    const codec = codecOf(name);
    const encoded = await codec.encode(shifted.subarray(1), SIZE, dtype);
    expect(encoded).toEqual(await codec.encode(raw, SIZE, dtype));
    const moved = new Uint8Array(encoded.length + 1);
    moved.set(encoded, 1);
    expect((await codec.decode(moved.subarray(1), SIZE, dtype)).length).toBe(raw.length);
  });

  it.each(legal)('%s refuses %s voxels that are not those of the box', async (name, dtype) => {
    const raw = noise(SIZE, dtype);
    await expect(codecOf(name).encode(raw.subarray(BYTES_PER_VOXEL[dtype]), SIZE, dtype)).rejects.toThrow(/bytes, not/);
  });

  it.each(legal)('%s says INTERNAL where %s voxels decode to another length', async (name, dtype) => {
    const codec = codecOf(name);
    const encoded = await codec.encode(noise(SIZE, dtype), SIZE, dtype);
    for (const size of [
      [13, 7, 4],
      [13, 7, 6],
      [40, 40, 40],
    ] as const) {
      // A compressed segmentation does not hold its size, so it may be read as one of fewer blocks.
      if (name.startsWith('cseg') && size[2] < 8) continue;
      await expect(codec.decode(encoded, size, dtype)).rejects.toThrow(
        expect.objectContaining({ name: 'BflyError', code: 'INTERNAL' }),
      );
    }
  });

  it.each(legal.filter(([name]) => name !== 'raw'))(
    '%s says INTERNAL where the payload of %s voxels is damaged',
    async (name, dtype) => {
      for (const bytes of [new Uint8Array(0), Uint8Array.from({ length: 64 }, (_, i) => (i * 37) & 0xff)])
        await expect(codecOf(name).decode(bytes, SIZE, dtype)).rejects.toThrow(
          expect.objectContaining({ name: 'BflyError', code: 'INTERNAL' }),
        );
    },
  );

  it('that does not fit the dtype is UNSUPPORTED', async () => {
    for (const [name, dtype] of [
      ['jpeg', 'uint16'],
      ['png', 'float32'],
      ['cseg', 'int32'],
    ] as const)
      await expect(codecOf(name).encode(noise(SIZE, dtype), SIZE, dtype)).rejects.toThrow(
        expect.objectContaining({ code: 'UNSUPPORTED' }),
      );
  });

  it('that this server lacks is UNSUPPORTED, and the error names those it has', () => {
    expect(() => codecOf('lz4')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
    expect(() => codecOf('lz4')).toThrow(/lz4.*raw, .*png/);
  });

  it.skipIf(hasZstd)('zstd is UNSUPPORTED where node:zlib lacks it', () => {
    expect(() => codecOf('zstd')).toThrow(BflyError);
  });
});

describe('a decompression bomb', () => {
  it('of gzip ends at the length of the box', async () => {
    const bomb = gzipSync(new Uint8Array(64 << 20));
    const before = process.memoryUsage().arrayBuffers;
    await expect(codecOf('gzip').decode(bomb, SIZE, 'uint8')).rejects.toThrow(
      'the tile decodes to more than 455 bytes instead of 455',
    );
    await expect(codecOf('cseg+gzip').decode(bomb, SIZE, 'uint32')).rejects.toThrow(/decodes to more than/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
  });

  it('of png or jpeg is refused by its header, before a pixel is decoded', async () => {
    const png = Buffer.from(await codecOf('png').encode(noise(SIZE, 'uint8'), SIZE, 'uint8'));
    png.writeUInt32BE(30_000, 16);
    png.writeUInt32BE(30_000, 20);
    png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
    await expect(codecOf('png').decode(png, SIZE, 'uint8')).rejects.toThrow(
      'the tile decodes to 900000000 bytes instead of 455',
    );
    const jpeg = Buffer.from(await codecOf('jpeg').encode(noise(SIZE, 'uint8'), SIZE, 'uint8'));
    jpeg.writeUInt32BE((30_000 << 16) | 30_000, jpeg.indexOf(Buffer.of(0xff, 0xc0)) + 5);
    await expect(codecOf('jpeg').decode(jpeg, SIZE, 'uint8')).rejects.toThrow(/900000000 bytes instead of 455/);
  });
});

describe('pictures', () => {
  it('are grey, sx wide and sy·sz high', async () => {
    for (const [name, dtype] of [
      ['jpeg', 'uint8'],
      ['png', 'uint8'],
      ['png', 'uint16'],
    ] as const) {
      const bytes = await codecOf(name).encode(noise(SIZE, dtype), SIZE, dtype);
      const { format, width, height, channels, depth } = await sharp(bytes).metadata();
      expect({ format, width, height, channels, depth }).toEqual({
        format: name,
        width: 13,
        height: 35,
        channels: 1,
        depth: dtype === 'uint16' ? 'ushort' : 'uchar',
      });
    }
  });

  it('of JPEG stay near the voxels', async () => {
    const size: Vec3 = [32, 32, 4];
    const raw = Uint8Array.from({ length: 32 * 32 * 4 }, (_, i) => 128 + 90 * Math.sin((i % 32) / 6));
    const decoded = await codecOf('jpeg').decode(await codecOf('jpeg').encode(raw, size, 'uint8'), size, 'uint8');
    expect(Math.max(...raw.map((value, i) => Math.abs(value - (decoded[i] as number))))).toBeLessThan(12);
  });

  it('of JPEG cannot be higher than the format allows', async () => {
    const size: Vec3 = [1, 256, 256];
    expect(codecOf('jpeg').canEncode('uint8', size)).toBe(false);
    await expect(codecOf('jpeg').encode(new Uint8Array(65_536), size, 'uint8')).rejects.toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED' }),
    );
  });

  it('written by others are read whatever way their rows are cut', async () => {
    const raw = noise(SIZE, 'uint8');
    const png = await sharp(raw, { raw: { width: 91, height: 5, channels: 1 } })
      .png()
      .toBuffer();
    const grey = await sharp(png).toColourspace('b-w').png().toBuffer();
    expect(Buffer.compare(await codecOf('png').decode(grey, SIZE, 'uint8'), raw)).toBe(0);
  });

  it('of another depth or format are not read as if they were right', async () => {
    const deep = await codecOf('png').encode(noise(SIZE, 'uint16'), SIZE, 'uint16');
    await expect(codecOf('png').decode(deep, SIZE, 'uint8')).rejects.toThrow(/16 bits a pixel/);
    const jpeg = await codecOf('jpeg').encode(noise(SIZE, 'uint8'), SIZE, 'uint8');
    await expect(codecOf('png').decode(jpeg, SIZE, 'uint8')).rejects.toThrow(BflyError);
    const png = await codecOf('png').encode(noise(SIZE, 'uint8'), SIZE, 'uint8');
    await expect(codecOf('jpeg').decode(png, SIZE, 'uint8')).rejects.toThrow('the tile is a png instead of a jpeg');
  });
});

describe('gzip', () => {
  it('is RFC 1952 and not a bare deflate stream', async () => {
    const raw = noise(SIZE, 'uint8');
    expect([...(await codecOf('gzip').encode(raw, SIZE, 'uint8')).subarray(0, 3)]).toEqual([0x1f, 0x8b, 8]);
    await expect(codecOf('gzip').decode(deflateRawSync(raw), SIZE, 'uint8')).rejects.toThrow(/corrupt/);
  });
});

describe('the encodings of a channel', () => {
  const without = (names: readonly EncodingName[]): EncodingName[] =>
    names.filter((name) => hasZstd || !name.includes('zstd'));

  it('begin with the stored one, then raw, then the others by cost', () => {
    expect(servableEncodings('segmentation', 'uint64', 'cseg')).toEqual(
      without(['cseg', 'raw', 'zstd', 'cseg+zstd', 'cseg+gzip', 'gzip']),
    );
    expect(servableEncodings('image', 'uint8', 'raw')).toEqual(without(['raw', 'zstd', 'gzip', 'jpeg', 'png']));
    expect(servableEncodings('image', 'uint8', 'jpeg')[0]).toBe('jpeg');
    expect(servableEncodings('image', 'float32', 'raw')).toEqual(without(['raw', 'zstd', 'gzip']));
  });

  it('never hold ids in a JPEG, nor an encoding that this server lacks', () => {
    expect(servableEncodings('segmentation', 'uint8', 'raw')).not.toContain('jpeg');
    for (const dtype of DTYPES) expect(servableEncodings('image', dtype, 'lz4')).not.toContain('lz4');
  });

  it('keep ids compressed and grey values raw', () => {
    expect(storedEncoding('segmentation', 'uint64')).toBe('cseg');
    expect(storedEncoding('segmentation', 'uint32')).toBe('cseg');
    expect(storedEncoding('segmentation', 'uint16')).toBe('raw');
    expect(storedEncoding('image', 'uint32')).toBe('raw');
    expect(storedEncoding('image', 'uint8')).toBe('raw');
  });
});
