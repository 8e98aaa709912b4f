import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Seed } from '../../protocol/edit-ops.ts';
import { type Vec3, volumeOf } from '../../protocol/volume.ts';
import { type DivideRequest, divideBySeeds, stepsOf } from '../../src/image/divide.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const seed = testSeed('divide by seeds');

/** Distances in tenths of a nm as bigints, relaxed until nothing changes. */
function naiveDistances({ object, shape, seeds }: DivideRequest, tenths: Vec3, group: number): (bigint | undefined)[] {
  const [nx, ny, nz] = shape;
  const at = (x: number, y: number, z: number): number => x + nx * (y + ny * z);
  const found: (bigint | undefined)[] = Array.from({ length: volumeOf(shape) });
  for (const [x, y, z, of] of seeds) if (of === group) found[at(x, y, z)] = 0n;
  const steps: readonly (readonly [Vec3, bigint])[] = [
    [[1, 0, 0], BigInt(tenths[0])],
    [[0, 1, 0], BigInt(tenths[1])],
    [[0, 0, 1], BigInt(tenths[2])],
  ];
  for (let changed = true; changed; ) {
    changed = false;
    for (let z = 0; z < nz; z++)
      for (let y = 0; y < ny; y++)
        for (let x = 0; x < nx; x++)
          for (const sign of [-1, 1])
            for (const [[dx, dy, dz], length] of steps) {
              const [a, b, c] = [x + sign * dx, y + sign * dy, z + sign * dz];
              if (a < 0 || b < 0 || c < 0 || a >= nx || b >= ny || c >= nz) continue;
              const from = found[at(a, b, c)];
              const to = at(x, y, z);
              if (from === undefined || object[to] === 0) continue;
              const known = found[to];
              if (known !== undefined && known <= from + length) continue;
              found[to] = from + length;
              changed = true;
            }
  }
  return found;
}

function naive(request: DivideRequest, tenths: Vec3): Uint8Array {
  const first = naiveDistances(request, tenths, 1);
  const second = naiveDistances(request, tenths, 2);
  return request.object.map((_, i) => {
    const [a, b] = [first[i], second[i]];
    return b !== undefined && (a === undefined || b < a) ? 1 : 0;
  });
}

const side = fc.integer({ min: 1, max: 7 });
const cases = fc
  .record({
    shape: fc.tuple(side, side, side),
    density: fc.constantFrom(0.4, 0.6, 0.8, 1),
    // Sums of tenths differ with their order where they are added as floating-point numbers.
    tenths: fc.constantFrom<Vec3>([1, 1, 1], [1, 2, 3], [40, 40, 300], [1, 1, 10], [7, 11, 13], [397, 397, 1]),
    seeds: fc.integer({ min: 1, max: 6 }),
    of: fc.nat(),
  })
  .map(({ shape, density, tenths, seeds, of }) => {
    const random = seededRandom(of);
    const object = Uint8Array.from({ length: volumeOf(shape) }, () => (random() < density ? 1 : 0));
    const inside = [...object.keys()].filter((i) => object[i] === 1);
    const planted = Array.from({ length: inside.length === 0 ? 0 : seeds }, (_, n): Seed => {
      const i = inside[Math.floor(random() * inside.length)] as number;
      return [i % shape[0], Math.floor(i / shape[0]) % shape[1], Math.floor(i / (shape[0] * shape[1])), 1 + (n % 2)];
    });
    return { object, shape, seeds: planted, tenths };
  });

describe('division by seeds', () => {
  it('[E10] gives group 2 what is nearer to its seeds, as Dijkstra by the book finds it', () => {
    fc.assert(
      fc.property(cases, ({ tenths, ...rest }) => {
        const request: DivideRequest = { ...rest, voxel: [tenths[0] / 10, tenths[1] / 10, tenths[2] / 10] };
        expect(divideBySeeds(request)).toEqual(naive(request, tenths));
      }),
      { seed, numRuns: testRuns(400) },
    );
  });

  it('[E10] does not depend on the order of the seeds', () => {
    fc.assert(
      fc.property(cases, ({ tenths, seeds, ...rest }) => {
        const voxel: Vec3 = [tenths[0] / 10, tenths[1] / 10, tenths[2] / 10];
        expect(divideBySeeds({ ...rest, voxel, seeds: seeds.toReversed() })).toEqual(
          divideBySeeds({ ...rest, voxel, seeds }),
        );
      }),
      { seed, numRuns: testRuns(100) },
    );
  });

  it('[E10] gives ties and unreached voxels to group 1', () => {
    const line = (object: readonly number[], seeds: readonly Seed[]): number[] => [
      ...divideBySeeds({ object: Uint8Array.from(object), shape: [object.length, 1, 1], voxel: [8, 8, 30], seeds }),
    ];
    const seeds: readonly Seed[] = [
      [0, 0, 0, 2],
      [4, 0, 0, 1],
    ];
    expect(line([1, 1, 1, 1, 1, 0, 1], seeds)).toEqual([1, 1, 0, 0, 0, 0, 0]);
    expect(line([1, 1, 0, 1, 1], seeds)).toEqual([1, 1, 0, 0, 0]);
    expect(line([1, 1], [[0, 0, 0, 1]])).toEqual([0, 0]);
    expect(
      line(
        [1, 1],
        [
          [0, 0, 0, 2],
          [0, 0, 0, 1],
        ],
      ),
    ).toEqual([0, 0]);
    expect(line([1, 1], [[1, 0, 0, 2]])).toEqual([1, 1]);
  });

  it('[E10] finds a tie where 0.1 + 0.2 is a way and 0.3 the other', () => {
    // From (0,0,0) by x and y, and from (1,1,1) by z, to (1,1,0): both 0.3 nm, though 0.1 + 0.2 > 0.3 in floating-point numbers.
    const object = Uint8Array.from([1, 1, 0, 1, 0, 0, 0, 1]);
    const mask = divideBySeeds({
      object,
      shape: [2, 2, 2],
      voxel: [0.1, 0.2, 0.3],
      seeds: [
        [0, 0, 0, 1],
        [1, 1, 1, 2],
      ],
    });
    expect([...mask]).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
  });

  it('[E10] refuses a seed outside the object or of another group, naming the field', () => {
    const at = (seeds: readonly Seed[]) => () =>
      divideBySeeds({ object: Uint8Array.of(1, 0), shape: [2, 1, 1], voxel: [1, 1, 1], seeds });
    const wrong = expect.objectContaining({ code: 'BAD_REQUEST', details: { field: 'seeds' } });
    expect(at([[1, 0, 0, 1]])).toThrow(wrong);
    expect(at([[-1, 0, 0, 1]])).toThrow(wrong);
    expect(at([[0, 1, 0, 2]])).toThrow(wrong);
    expect(at([[0, 0, 0, 3]])).toThrow(wrong);
    expect(at([[0, 0, 0, 1]])).not.toThrow();
  });

  it('measures steps in whole numbers of the sizes as they are written', () => {
    const voxels = 2 ** 24;
    expect(stepsOf([4, 4, 40], voxels)).toEqual([1, 1, 10]);
    expect(stepsOf([3.97, 3.97, 30], voxels)).toEqual([397, 397, 3000]);
    expect(stepsOf([1e-9, 2e-9, 1e-8], voxels)).toEqual([1, 2, 10]);
    expect(stepsOf([1e21, 2e21, 3e21], voxels)).toEqual([1, 2, 3]);
  });

  it('keeps every distance below 2⁵³ where sizes have no small ratio', () => {
    const voxels = 2 ** 24;
    for (const voxel of [
      [1 / 3, 2 / 3, 1],
      [Math.PI, Math.E, 1e-300],
    ] as const) {
      const steps = stepsOf(voxel, voxels);
      expect(steps.every((step) => Number.isSafeInteger(step * voxels) && step >= 1)).toBe(true);
      expect(steps[1] / steps[0]).toBeCloseTo(voxel[1] / voxel[0], 7);
    }
  });

  it('divides a folded sheet along its inside, not through the air', () => {
    // A comb: the tips of two teeth are neighbours in space and far apart in the object.
    const comb = Uint8Array.from([1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1]);
    const mask = divideBySeeds({
      object: comb,
      shape: [3, 4, 1],
      voxel: [1, 1, 1],
      seeds: [
        [0, 0, 0, 1],
        [2, 0, 0, 2],
      ],
    });
    expect([...mask]).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1]);
  });
});
