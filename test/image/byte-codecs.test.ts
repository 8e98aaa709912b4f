/** Compressions of chunks, fed with what is damaged or made to hurt. */
import Lz4 from 'numcodecs/lz4';
import Zstd from 'numcodecs/zstd';
import { describe, expect, it } from 'vitest';
import { unpack } from '../../src/image/byte-codecs.ts';
import { zstdSize } from '../../src/image/zstd-frames.ts';
import { seededRandom, testSeed } from '../support/seed.ts';

const MiB = 2 ** 20;
const lz4 = Lz4.fromConfig({ id: 'lz4' });
const zstd = Zstd.fromConfig({ id: 'zstd' });

/** Bytes that shrink: runs, repetitions and noise. */
function mixedBytes(random: () => number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const part = Math.min(length - at, 1 + Math.floor(random() * 700));
    const kind = Math.floor(random() * 3);
    const value = Math.floor(random() * 256);
    for (let i = 0; i < part; i++)
      bytes[at + i] = kind === 0 ? value : kind === 1 ? (bytes[Math.max(0, at + i - 37)] ?? 0) : random() * 256;
    at += part;
  }
  return bytes;
}

type Block = readonly [kind: 1 | 2, size: number, body: readonly number[]];

/** A frame of Zstandard that does not tell its length. */
function frameOf(blocks: readonly Block[]): Uint8Array {
  const bytes = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
  blocks.forEach(([kind, size, body], i) => {
    const head = Number(i === blocks.length - 1) | (kind << 1) | (size << 3);
    bytes.push(head & 255, (head >> 8) & 255, (head >> 16) & 255, ...body);
  });
  return Uint8Array.from(bytes);
}

describe('lz4', () => {
  it('unpacks what the encoder packed', async () => {
    const seed = testSeed('lz4');
    const random = seededRandom(seed);
    for (let turn = 0; turn < 40; turn++) {
      const bytes = mixedBytes(random, Math.floor(random() ** 3 * 200_000));
      const packed = await lz4.encode(bytes);
      expect(Buffer.compare(await unpack('lz4', packed, bytes.length), bytes), `seed ${seed}, turn ${turn}`).toBe(0);
    }
  });

  it('unpacks damaged blocks to as many bytes as they tell, or not at all', async () => {
    const seed = testSeed('lz4 damage');
    const random = seededRandom(seed);
    const packed = await lz4.encode(mixedBytes(random, 20_000));
    for (let turn = 0; turn < 2_000; turn++) {
      const broken = Uint8Array.from(packed);
      for (let i = 0; i < 3; i++) broken[4 + Math.floor(random() * (packed.length - 4))] = random() * 256;
      const part = turn % 3 === 0 ? broken.subarray(0, 4 + Math.floor(random() * packed.length)) : broken;
      const unpacked = await unpack('lz4', part, 20_000).catch((error: unknown) => error);
      if (unpacked instanceof Uint8Array) expect(unpacked.length, `seed ${seed}, turn ${turn}`).toBe(20_000);
      else
        expect((unpacked as Error).message, `seed ${seed}, turn ${turn}`).toMatch(/^it (is no whole lz4|unpacks to)/);
    }
  });

  it('goes on after any number of broken blocks', async () => {
    const bytes = mixedBytes(seededRandom(7), 16 * MiB);
    const packed = await lz4.encode(bytes);
    // Its length stands whole, but the block ends too early.
    const broken = packed.subarray(0, 64);
    for (let turn = 0; turn < 160; turn++)
      await expect(unpack('lz4', broken, 16 * MiB)).rejects.toThrow('it is no whole lz4');
    expect(Buffer.compare(await unpack('lz4', packed, 16 * MiB), bytes)).toBe(0);
  });
});

describe('zstd', () => {
  it('is not unpacked where its blocks are more than a chunk holds', async () => {
    const bomb = frameOf(Array.from({ length: 20_000 }, () => [1, 131_072, [0x41]] as const));
    expect(bomb.length).toBeLessThan(100_000);
    await expect(unpack('zstd', bomb, 1_000)).rejects.toThrow('it unpacks to 2621440000 bytes instead of 1000');
  });

  it('is not unpacked where a frame behind the first is more than a chunk holds', async () => {
    const bomb = frameOf(Array.from({ length: 20_000 }, () => [1, 131_072, [0x41]] as const));
    const first = frameOf([[1, 10, [0x41]]]);
    const skipped = Uint8Array.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const both = new Uint8Array(Buffer.concat([first, skipped, bomb]));
    await expect(unpack('zstd', both, 1_000)).rejects.toThrow('it unpacks to 2621440010 bytes instead of 1000');
  });

  it('is not unpacked where packed blocks could be far more than a chunk holds', async () => {
    const bomb = frameOf(Array.from({ length: 600 }, () => [2, 4, [1, 2, 3, 4]] as const));
    await expect(unpack('zstd', bomb, 1_000)).rejects.toThrow('it may unpack to 78643200 bytes instead of 1000');
  });

  it('tells the length of what the encoder packed', async () => {
    const seed = testSeed('zstd');
    const random = seededRandom(seed);
    for (const length of [0, 1, 255, 256, 257, 65_791, 65_792, 300_000]) {
      const bytes = mixedBytes(random, length);
      const packed = await zstd.encode(bytes);
      const { least, most } = zstdSize(packed);
      expect([least, most], `seed ${seed}, length ${length}`).toEqual([length, length]);
      expect(Buffer.compare(await unpack('zstd', packed, length), bytes)).toBe(0);
    }
  });

  it('is unpacked where a frame does not tell its length', async () => {
    const frame = frameOf([
      [1, 600, [0x41]],
      [1, 400, [0x42]],
    ]);
    const unpacked = await unpack('zstd', frame, 1_000);
    expect([unpacked.length, unpacked[599], unpacked[600]]).toEqual([1_000, 0x41, 0x42]);
  });
});
