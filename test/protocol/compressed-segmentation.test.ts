import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { crc32, gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeCompressedSegmentation as decode,
  encodeCompressedSegmentation as encode,
  type SegmentationDType,
} from '../../protocol/compressed-segmentation.ts';
import { BflyError } from '../../protocol/errors.ts';
import type { Vec3 } from '../../protocol/volume.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const seed = testSeed('compressed segmentation');
const options = { seed, numRuns: testRuns(150) };

/** The format as its description tells it, voxel by voxel; trusts its input. */
function naiveDecode(bytes: Uint8Array, size: Vec3, dtype: SegmentationDType, block: Vec3): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const word = (i: number): number => view.getUint32(4 * (1 + i), true);
  const grid = size.map((n, axis) => Math.ceil(n / (block[axis] as number)));
  const ids: bigint[] = [];
  for (let z = 0; z < size[2]; z++)
    for (let y = 0; y < size[1]; y++)
      for (let x = 0; x < size[0]; x++) {
        const [bx, by, bz] = [Math.floor(x / block[0]), Math.floor(y / block[1]), Math.floor(z / block[2])];
        const header = 2 * (bx + (grid[0] as number) * (by + (grid[1] as number) * bz));
        const bits = word(header) >>> 24;
        const table = word(header) & 0xff_ffff;
        const bit = bits * ((x % block[0]) + block[0] * ((y % block[1]) + block[1] * (z % block[2])));
        const packed = bits === 0 ? 0n : BigInt(word(word(header + 1) + Math.floor(bit / 32)));
        const index = Number((packed >> BigInt(bit % 32)) & ((1n << BigInt(bits)) - 1n));
        const at = dtype === 'uint64' ? table + 2 * index : table + index;
        ids.push(dtype === 'uint64' ? BigInt(word(at)) | (BigInt(word(at + 1)) << 32n) : BigInt(word(at)));
      }
  return ids;
}

function bytesOf(ids: readonly bigint[], dtype: SegmentationDType): Uint8Array {
  const array = dtype === 'uint64' ? BigUint64Array.from(ids) : Uint32Array.from(ids, Number);
  return new Uint8Array(array.buffer);
}

/** Boxes with runs of few or many ids, of any size and block size. */
const boxes = fc
  .record({
    size: fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 })),
    block: fc.oneof(
      fc.constant<[number, number, number]>([8, 8, 8]),
      fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
    ),
    dtype: fc.constantFrom<SegmentationDType>('uint32', 'uint64'),
    ids: fc.constantFrom(1, 2, 3, 5, 16, 17, 24, 25, 300, 5000),
    run: fc.constantFrom(0, 0.5, 0.95),
    seed: fc.nat(),
  })
  .map((box) => {
    const random = seededRandom(box.seed);
    const number = (): bigint => BigInt(Math.floor(random() * 0x1_0000_0000)) >> BigInt(Math.floor(random() * 32));
    const palette = Array.from({ length: box.ids }, () =>
      box.dtype === 'uint64' ? (number() << 32n) | number() : number(),
    );
    let id = palette[0] as bigint;
    const ids = Array.from({ length: box.size[0] * box.size[1] * box.size[2] }, () => {
      if (random() >= box.run) id = palette[Math.floor(random() * box.ids)] as bigint;
      return id;
    });
    return { ...box, ids };
  });

describe('compressed segmentation', () => {
  it('is read by the plain reading of the format, whatever the size, the block and the number of ids', () => {
    fc.assert(
      fc.property(boxes, ({ ids, size, dtype, block }) => {
        expect(naiveDecode(encode(bytesOf(ids, dtype), size, dtype, block), size, dtype, block)).toEqual(ids);
      }),
      options,
    );
  });

  it('decodes to what was encoded', () => {
    fc.assert(
      fc.property(boxes, ({ ids, size, dtype, block }) => {
        const raw = bytesOf(ids, dtype);
        expect(Buffer.compare(decode(encode(raw, size, dtype, block), size, dtype, block), raw)).toBe(0);
      }),
      options,
    );
  });

  it('holds more ids in a block than 16 bits can count', () => {
    const raw = bytesOf(
      Array.from({ length: 41 ** 3 }, (_, i) => BigInt(i) << 20n),
      'uint64',
    );
    const bytes = encode(raw, [41, 41, 41], 'uint64', [41, 41, 41]);
    expect(bytes[7]).toBe(32);
    expect(Buffer.compare(decode(bytes, [41, 41, 41], 'uint64', [41, 41, 41]), raw)).toBe(0);
  });

  it('has the layout of the format, word by word', () => {
    const raw = new Uint8Array(new Uint32Array([7, 5, 7, 7, 7, 7, 7, 7, 9]).buffer);
    const words = new Uint32Array(encode(raw, [9, 1, 1], 'uint32').buffer);
    const tableOfFirst = 4 + 16;
    expect([...words.subarray(0, 5)]).toEqual([1, (1 << 24) | tableOfFirst, 4, tableOfFirst + 2, tableOfFirst + 2]);
    expect((words[5] as number) & 0xff).toBe(0b1111_1101);
    expect([...words.subarray(21)]).toEqual([5, 7, 9]);
  });

  it('writes the table of equal blocks once', () => {
    const checker = Array.from({ length: 16 * 16 * 16 }, (_, i) => BigInt((i + (i >> 4)) % 2) + 3n);
    const words = new Uint32Array(encode(bytesOf(checker, 'uint64'), [16, 16, 16], 'uint64').buffer);
    const tables = new Set(Array.from({ length: 8 }, (_, block) => (words[1 + 2 * block] as number) & 0xff_ffff));
    expect(tables.size).toBe(1);
    expect(words.length).toBe(1 + 2 * 8 + 8 * 16 + 4);
  });

  it('writes each id of a block once, also where there are many', () => {
    const ids = Array.from({ length: 512 }, (_, i) => BigInt((i * 7) % 40) << 33n);
    expect(encode(bytesOf(ids, 'uint64'), [8, 8, 8], 'uint64').length).toBe(4 * (1 + 2 + 128 + 2 * 40));
  });

  it('does not take a table for an equal one because their hashes are equal', () => {
    const raw = bytesOf([...Array<bigint>(8).fill(128n), ...Array<bigint>(8).fill(2n ** 32n)], 'uint64');
    expect(decode(encode(raw, [16, 1, 1], 'uint64'), [16, 1, 1], 'uint64')).toEqual(raw);
  });

  it('takes and gives bytes at any alignment', () => {
    const raw = bytesOf([1n, 2n, 2n, 1n << 40n], 'uint64');
    const shifted = new Uint8Array(raw.length + 1);
    shifted.set(raw, 1);
    const bytes = encode(shifted.subarray(1), [4, 1, 1], 'uint64');
    const moved = new Uint8Array(bytes.length + 3);
    moved.set(bytes, 3);
    expect(decode(moved.subarray(3), [4, 1, 1], 'uint64')).toEqual(raw);
    expect(bytes.buffer.byteLength).toBe(bytes.length);
  });

  it('does not remember the box before', () => {
    const noise = bytesOf(
      Array.from({ length: 512 }, (_, i) => BigInt(i) * 77_777_777_777n),
      'uint64',
    );
    const plain = bytesOf([5n], 'uint64');
    const before = encode(plain, [1, 1, 1], 'uint64');
    encode(noise, [8, 8, 8], 'uint64');
    expect(encode(plain, [1, 1, 1], 'uint64')).toEqual(before);
  });

  it('refuses to encode voxels that are not those of the box', () => {
    expect(() => encode(new Uint8Array(12), [2, 1, 1], 'uint64')).toThrow(/16 bytes, not 12/);
    expect(() => encode(new Uint8Array(0), [0, 1, 1], 'uint64')).toThrow(BflyError);
  });
});

describe('corrupt compressed segmentation', () => {
  const size: Vec3 = [9, 8, 8];
  const raw = bytesOf(
    Array.from({ length: 9 * 8 * 8 }, (_, i) => BigInt(i % 5) << 33n),
    'uint64',
  );
  const good = new Uint32Array(encode(raw, size, 'uint64').buffer);
  const bad = (change: (words: Uint32Array) => Uint32Array): Uint8Array => {
    const result = change(good.slice());
    return new Uint8Array(result.buffer, result.byteOffset, result.byteLength);
  };

  it.each<[string, (words: Uint32Array) => Uint32Array, RegExp]>([
    ['no words', (w) => w.subarray(0, 0), /missing instead of 1/],
    ['two channels', (w) => w.fill(2, 0, 1), /2 instead of 1/],
    ['missing block headers', (w) => w.subarray(0, 4), /2 block headers do not fit/],
    ['an index of 3 bits', (w) => w.fill(0x0300_0004, 1, 2), /3 bits/],
    ['an index of 64 bits', (w) => w.fill(0x4000_0004, 1, 2), /64 bits/],
    ['a table behind the end', (w) => w.fill(0x00ff_ffff, 1, 2), /table of block 0/],
    ['half a table entry at the end', (w) => w.fill(w.length - 2, 1, 2), /table of block 0/],
    ['values behind the end', (w) => w.fill(0xffff_fff0, 2, 3), /values of block 0/],
    ['values across the end', (w) => w.fill(w.length - 9, 2, 3), /values of block 0/],
    ['an index behind the table', (w) => w.fill((4 << 24) | (w.length - 3), 1, 2), /index of block 0/],
  ])('with %s is a BAD_REQUEST', (_what, change, message) => {
    expect(() => decode(bad(change), size, 'uint64')).toThrow(message);
    expect(() => decode(bad(change), size, 'uint64')).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });

  it('that is no whole number of words is a BAD_REQUEST', () => {
    expect(() => decode(new Uint8Array(good.buffer, 0, 41), size, 'uint64')).toThrow(/whole 32-bit words/);
  });

  it('is decoded to a box of the right size or refused, however it is damaged', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(0xffff_ffff)), { minLength: 1 }), (damage) => {
        const bytes = bad((words) => {
          for (const [at, value] of damage) words[at] = value;
          return words;
        });
        try {
          expect(decode(bytes, size, 'uint64').length).toBe(raw.length);
        } catch (error) {
          expect(error).toBeInstanceOf(BflyError);
        }
      }),
      { seed, numRuns: testRuns(500) },
    );
  });

  it('does not make a large box out of few bytes', () => {
    expect(() => decode(Uint8Array.of(1, ...new Uint8Array(63)), [60_000, 60_000, 1_000], 'uint64')).toThrow(
      /do not fit 64 bytes/,
    );
  });
});

const bodies = new URL('../../../shared/data/fib25-training2-precomputed/bodies_cseg/10nm/', import.meta.url);
const dvid = new URL('../../../shared/data/dvid-blocks/', import.meta.url);
const missing = !existsSync(bodies) || !existsSync(dvid);
if (missing) console.warn('NOT RUN: compressed segmentation of real volumes, for ../shared/data is missing');

describe.skipIf(missing)('compressed segmentation of real volumes', () => {
  /** Each stored chunk with its place, from names like `0-64_64-128_192-250.gz`. */
  const chunks = (missing ? [] : readdirSync(bodies)).map((name) => {
    const ranges = name
      .replace('.gz', '')
      .split('_')
      .map((range) => range.split('-').map(Number));
    const begin = ranges.map(([from]) => from as number);
    const size = ranges.map(([from, to]) => (to as number) - (from as number));
    return {
      begin: begin as unknown as Vec3,
      size: size as unknown as Vec3,
      bytes: new Uint8Array(gunzipSync(readFileSync(new URL(name, bodies)))),
    };
  });

  it('written by others decodes to the known voxels', () => {
    const volume = new Uint32Array(250 ** 3);
    for (const { begin, size, bytes } of chunks) {
      const raw = new Uint32Array(decode(bytes, size, 'uint32').buffer);
      for (let row = 0; row < size[1] * size[2]; row++) {
        const y = begin[1] + (row % size[1]);
        const z = begin[2] + Math.floor(row / size[1]);
        volume.set(raw.subarray(row * size[0], (row + 1) * size[0]), begin[0] + 250 * (y + 250 * z));
      }
    }
    expect(volume[125 + 250 * (125 + 250 * 125)]).toBe(114_488);
    expect(volume[83 + 250 * (50 + 250 * 35)]).toBe(2_150);
    expect(crc32(new Uint8Array(volume.buffer)).toString(16)).toBe('2be2539e');
  });

  it('survives encoding and decoding, no larger than others wrote it', () => {
    for (const { size, bytes } of chunks) {
      const raw = decode(bytes, size, 'uint32');
      const ours = encode(raw, size, 'uint32');
      expect(Buffer.compare(decode(ours, size, 'uint32'), raw)).toBe(0);
      expect(ours.length).toBeLessThanOrEqual(bytes.length);
    }
  });

  it('keeps ids beyond 2³²', () => {
    for (const name of readdirSync(dvid)) {
      const raw = Uint8Array.from(gunzipSync(readFileSync(new URL(name, dvid))));
      const encoded = encode(raw, [64, 64, 64], 'uint64');
      expect(encoded.length).toBeLessThan(raw.length / 20);
      expect(Buffer.compare(decode(encoded, [64, 64, 64], 'uint64'), raw)).toBe(0);
    }
  });
});
