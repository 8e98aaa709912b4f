import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { DTYPES, type MipInfo, type Vec3, volumeOf } from '../../protocol/volume.ts';
import {
  butterflyBlock,
  checkDataQuery,
  type DataQuery,
  defaultChunk,
  fitsOneChunk,
  isLegacyIdType,
  levelOf,
  MAX_ANSWER_VOXELS,
  makeDataQuery,
  makeTileQuery,
  selectTiles,
} from '../../src/query/query.ts';
import { testRuns, testSeed } from '../support/seed.ts';

const MiB = 2 ** 20;

/** The error that a call throws. */
function faultOf(call: () => unknown): BflyError {
  try {
    call();
  } catch (error) {
    if (error instanceof BflyError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('[parity 85] the blocks of Butterfly for HDF5', () => {
  it.each<[zyx: Vec3, bytes: number, max: number, block: Vec3]>([
    [[4, 6, 8], 1, MiB, [4, 6, 8]],
    [[10, 128, 128], 1, MiB, [10, 128, 128]],
    [[10, 129, 128], 1, MiB, [10, 65, 64]],
    [[100, 1000, 1000], 1, MiB, [64, 125, 125]],
    [[100, 1000, 1000], 4, MiB, [64, 63, 63]],
    [[2000, 26624, 26624], 1, MiB, [64, 128, 128]],
    [[2000, 26624, 26624], 4, MiB, [64, 64, 64]],
    [[75, 1024, 1024], 2, MiB, [64, 86, 86]],
    [[100, 200, 200], 4, MiB, [64, 50, 50]],
    [[100, 1000, 1000], 1, 8 * MiB, [64, 334, 334]],
  ])('a volume of z, y, x %s with %i bytes a voxel and blocks of %i bytes has %s', ([z, y, x], bytes, max, block) => {
    expect(butterflyBlock([x, y, z], bytes, max)).toEqual([block[2], block[1], block[0]]);
  });
});

describe('the default chunk', () => {
  it('holds at most 64³ voxels, stays inside the volume, and is more than a quarter full where the volume is large', () => {
    const side = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 100_000 }));
    fc.assert(
      fc.property(side, side, side, (x, y, z) => {
        const chunk = defaultChunk([x, y, z]);
        expect(volumeOf(chunk)).toBeLessThanOrEqual(64 ** 3);
        expect(chunk.every((n, axis) => n >= 1 && n <= ([x, y, z][axis] as number))).toBe(true);
        if (x >= 512 && y >= 512) expect(volumeOf(chunk)).toBeGreaterThan(64 ** 3 / 4);
        // As wide as high, where the volume lets it.
        if (x >= 512 && y >= 512) expect(chunk[0]).toBe(chunk[1]);
      }),
      { seed: testSeed('default chunk'), numRuns: testRuns(500) },
    );
  });

  it.each<[Vec3, Vec3]>([
    [
      [1000, 1000, 1000],
      [64, 64, 64],
    ],
    [
      [1000, 1000, 40],
      [64, 64, 40],
    ],
    [
      [1000, 1000, 16],
      [128, 128, 16],
    ],
    [
      [1000, 1000, 4],
      [256, 256, 4],
    ],
    [
      [1000, 1000, 1],
      [512, 512, 1],
    ],
    [
      [8, 6, 4],
      [8, 6, 4],
    ],
  ])('of a volume of %s is %s', (shape, chunk) => {
    expect(defaultChunk(shape)).toEqual(chunk);
  });
});

describe('a data query', () => {
  const query = (more: Partial<DataQuery>): DataQuery => ({ ...makeDataQuery({ path: 'e/s/d/c' }), ...more });

  it('[parity 9] is made for one voxel at the origin', () => {
    expect(makeDataQuery({ path: 'e/s/d/c' })).toEqual({
      path: 'e/s/d/c',
      resolution: 0,
      origin: [0, 0, 0],
      size: [1, 1, 1],
      format: 'png',
      view: 'grayscale',
    });
    expect(() => checkDataQuery(makeDataQuery({ path: 'e/s/d/c' }))).not.toThrow();
  });

  it.each<[string, Partial<DataQuery>, string]>([
    ['no width', { size: [0, 1, 1] }, 'The width 0 is not positive.'],
    ['a negative height', { size: [1, -1, 1] }, 'The height -1 is not positive.'],
    ['no depth', { size: [1, 1, 0] }, 'The depth 0 is not positive.'],
    ['half a width', { size: [1.5, 1, 1] }, 'The width 1.5 is not an integer.'],
    ['a width that is no number', { size: [Number.NaN, 1, 1] }, 'The width NaN is not an integer.'],
    ['an endless width', { size: [Number.POSITIVE_INFINITY, 1, 1] }, 'The width Infinity is not an integer.'],
    ['half an x', { origin: [1.5, 0, 0] }, 'The x 1.5 is not an integer.'],
    [
      'a z beyond all numbers',
      { origin: [0, 0, 2 ** 53] },
      'The z 9007199254740992 is not in -4503599627370496..4503599627370496.',
    ],
    ['a negative resolution', { resolution: -1 }, 'The resolution -1 is not in 0..30.'],
    ['half a resolution', { resolution: 0.5 }, 'The resolution 0.5 is not in 0..30.'],
    ['an absurd resolution', { resolution: 31 }, 'The resolution 31 is not in 0..30.'],
  ])('[parity 7] is refused for %s', (_, more, message) => {
    const fault = faultOf(() => checkDataQuery(query(more)));
    expect(fault.code).toBe('BAD_REQUEST');
    expect(fault.message).toBe(message);
  });

  it('is refused for more voxels than an answer may hold, and not for one voxel less', () => {
    expect(faultOf(() => checkDataQuery(query({ size: [2 ** 15, 2 ** 15, 2] }))).code).toBe('TOO_LARGE');
    expect(faultOf(() => checkDataQuery(query({ size: [2 ** 32 - 1, 1, 1] }))).code).toBe('TOO_LARGE');
    expect(faultOf(() => checkDataQuery(query({ size: [2 ** 53, 2 ** 53, 2 ** 53] }))).code).toBe('TOO_LARGE');
    expect(() => checkDataQuery(query({ size: [MAX_ANSWER_VOXELS, 1, 1] }))).not.toThrow();
  });

  it('may begin before the volume and far behind it', () => {
    expect(() => checkDataQuery(query({ origin: [-5, 0, 2 ** 40] }))).not.toThrow();
  });
});

describe('a tile query', () => {
  const level: MipInfo = { shape: [200, 200, 100], chunk: [50, 50, 64], voxel: [1, 1, 1], offset: [0, 0, 0] };
  const query: DataQuery = { ...makeDataQuery({ path: '/d/big.h5' }), origin: [40, 60, 60], size: [20, 50, 10] };

  it('[parity 6] holds the part of the query on its tile, in voxels of the tile', () => {
    expect(makeTileQuery(query, level, [1, 1, 1]).crop).toEqual([0, 10, 0, 10, 50, 6]);
    expect(makeTileQuery(query, level, [0, 1, 0]).crop).toEqual([40, 10, 60, 50, 50, 64]);
  });

  it('has an empty crop on a tile that the query does not meet', () => {
    expect(makeTileQuery(query, level).crop).toEqual([0, 0, 0, 0, 0, 0]);
    expect(makeTileQuery(query, level, [3, 3, 1]).crop).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('[parity 9] is known by path, scales and index, z first', () => {
    expect(makeTileQuery(query, level).key).toBe('/d/big.h5[1 1 1 0 0 0]');
    expect(makeTileQuery({ ...query, resolution: 1 }, level, [3, 2, 1]).key).toBe('/d/big.h5[1 2 2 1 2 3]');
  });
});

describe('levels and tiles of a channel', () => {
  const level: MipInfo = { shape: [10, 10, 10], chunk: [4, 4, 4], voxel: [1, 1, 1], offset: [0, 0, 0] };

  it('selects the tiles that a box meets, and counts them', () => {
    expect(selectTiles(level, [3, 3, 3, 5, 5, 4])).toEqual({ range: [0, 0, 0, 2, 2, 1], count: 4 });
    expect(selectTiles(level, [10, 0, 0, 11, 1, 1])).toEqual({ range: undefined, count: 0 });
  });

  it('refuses a level that does not exist, naming those that do', () => {
    expect(levelOf([level], 0)).toBe(level);
    for (const mip of [1, -1, 0.5]) {
      const fault = faultOf(() => levelOf([level], mip));
      expect(fault.code).toBe('OUT_OF_BOUNDS');
      expect(fault.message).toContain('mips 0 to 0');
    }
  });

  it('knows whether a volume is one chunk', () => {
    expect(fitsOneChunk(level)).toBe(false);
    expect(fitsOneChunk({ ...level, chunk: [10, 10, 10] })).toBe(true);
    expect(fitsOneChunk({ ...level, chunk: [10, 9, 10] })).toBe(false);
    expect(fitsOneChunk({ ...level, chunk: [64, 64, 64], offset: [5, 5, 5] })).toBe(true);
  });

  it('[parity 6.2] takes all integers of 16 bits and more for ids', () => {
    expect(DTYPES.filter(isLegacyIdType)).toEqual(['uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64']);
  });
});
