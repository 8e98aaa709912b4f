import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Vec3 } from '../../../src/client/index.ts';
import { type SliceAxes, snap, sweep, type VoxelGrid } from '../../../src/viewer/page/tools/brush.ts';
import { VoxelSet } from '../../../src/viewer/page/tools/voxel-set.ts';
import { testRuns, testSeed } from '../../support/seed.ts';
import { oblique, sizes, straight } from './arbitrary.ts';
import { lies, voxelsOf } from './naive-brush.ts';

const XY: SliceAxes = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];

/** Places around a volume of 14 × 14 × 8 voxels, in voxels; none between two of them, where rounding decides. */
const along = (min: number, max: number): fc.Arbitrary<number> =>
  fc.integer({ min: 16 * min, max: 16 * max }).map((n) => (n + 0.5) / 16);
const places = fc.tuple(along(-3, 17), along(-3, 17), along(-2, 10));
const radii = fc.constantFrom(0.5, 1, 2, 3.3, 5);
const shapes = fc.constantFrom('ball', 'disc') as fc.Arbitrary<'ball' | 'disc'>;

function gridOf(voxel: Vec3): VoxelGrid {
  return { voxel, bounds: [0, 1, 0, 14, 14, 8] };
}

function scaled(place: readonly number[], voxel: Vec3): Vec3 {
  return [(place[0] ?? 0) * voxel[0], (place[1] ?? 0) * voxel[1], (place[2] ?? 0) * voxel[2]];
}

/** Puts a place onto the plane of another. */
function onSlice(place: Vec3, [, , n]: SliceAxes, on: Vec3): Vec3 {
  const off = (place[0] - on[0]) * n[0] + (place[1] - on[1]) * n[1] + (place[2] - on[2]) * n[2];
  return [place[0] - off * n[0], place[1] - off * n[1], place[2] - off * n[2]];
}

function painted(
  grid: VoxelGrid,
  ...stroke: Parameters<typeof sweep> extends [unknown, unknown, ...infer Rest] ? Rest : never
): VoxelSet {
  const set = new VoxelSet();
  sweep(set, grid, ...stroke);
  return set;
}

function isIn(at: Vec3, { bounds }: VoxelGrid): boolean {
  return at.every((value, axis) => value >= (bounds[axis] ?? 0) && value < (bounds[axis + 3] ?? 0));
}

describe('a brush', () => {
  const seed = testSeed('brush');
  const options = { seed, numRuns: testRuns(250) };

  for (const [name, axes] of [
    ['slices along the axes', straight],
    ['oblique slices', oblique],
  ] as const)
    it(`covers the voxels whose middles it meets, whatever their proportions, within the volume: ${name}`, () => {
      fc.assert(
        fc.property(sizes, axes, shapes, radii, places, places, (voxel, view, shape, r, a, b) => {
          const grid = gridOf(voxel);
          const on = scaled(a, voxel);
          const from = snap(grid, on);
          const to = snap(grid, onSlice(scaled(b, voxel), view, on));
          const brush = { shape, radius: r * Math.min(...voxel) };
          const set = painted(grid, brush, from, to, view, on);
          const level = axes === straight ? snap(grid, on) : on;
          const wrong = [...voxelsOf([-1, -1, -1, 16, 16, 10])].filter((at) => {
            const judged = isIn(at, grid) ? lies(at, grid, brush, from, to, view, level) : 'out';
            return judged !== 'edge' && set.has(...at) !== (judged === 'in');
          });
          expect(wrong).toEqual([]);
        }),
        options,
      );
    });

  it('paints the voxel under the pointer, however small it is', () => {
    fc.assert(
      fc.property(sizes, straight, shapes, places, (voxel, view, shape, a) => {
        const grid = gridOf(voxel);
        const on = scaled(a, voxel);
        const under = a.map(Math.floor) as [number, number, number];
        const place = snap(grid, on);
        const set = painted(grid, { shape, radius: Math.min(...voxel) / 2 }, place, place, view, on);
        const isInside = isIn(under, grid);
        expect(set.has(...under)).toBe(isInside);
        expect(set.count).toBe(isInside ? 1 : 0);
      }),
      options,
    );
  });

  it('a disc is one voxel thick on a slice along the axes', () => {
    fc.assert(
      fc.property(sizes, straight, places, places, (voxel, view, a, b) => {
        const grid = gridOf(voxel);
        const on = scaled(a, voxel);
        const across = view[2].findIndex((part) => Math.abs(part) > 0.5);
        const to = snap(grid, onSlice(scaled(b, voxel), view, on));
        const { bounds } = painted(
          grid,
          { shape: 'disc', radius: 3 * Math.min(...voxel) },
          snap(grid, on),
          to,
          view,
          on,
        );
        const layer = Math.floor(a[across] ?? 0);
        if (bounds !== undefined) expect([bounds[across], bounds[across + 3]]).toEqual([layer, layer + 1]);
      }),
      options,
    );
  });

  it('has a voxel whose middle is exactly one radius away', () => {
    const grid: VoxelGrid = { voxel: [10, 10, 10], bounds: [0, 0, 0, 20, 20, 20] };
    const set = painted(grid, { shape: 'ball', radius: 30 }, [105, 105, 105], [105, 105, 105], XY, [105, 105, 105]);
    expect([set.has(7, 10, 10), set.has(6, 10, 10), set.has(10, 10, 13), set.has(10, 10, 14)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    // As many as there are whole-numbered points in a ball of radius 3.
    expect(set.count).toBe(123);
  });

  it('takes fewer voxels along an axis where they are longer', () => {
    const grid: VoxelGrid = { voxel: [4, 4, 40], bounds: [0, 0, 0, 100, 100, 20] };
    const middle: Vec3 = [202, 202, 420];
    const { bounds } = painted(grid, { shape: 'ball', radius: 80 }, middle, middle, XY, middle);
    expect(bounds).toEqual([30, 30, 8, 71, 71, 13]);
  });
});
