/** Random things for the tests of brushes. */
import fc from 'fast-check';
import type { Box, Vec3 } from '../../../src/client/index.ts';
import type { SliceAxes } from '../../../src/viewer/page/tools/brush.ts';
import { VoxelSet } from '../../../src/viewer/page/tools/voxel-set.ts';

export const sizes = fc.tuple(
  fc.constantFrom(4, 8, 10),
  fc.constantFrom(4, 8, 10),
  fc.constantFrom(4, 10, 40),
) as fc.Arbitrary<Vec3>;

/** The three ways to look along an axis, some of them turned. */
const ALONG: readonly SliceAxes[] = [
  [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  [
    [1, 0, 0],
    [0, 0, 1],
    [0, -1, 0],
  ],
  [
    [0, 0, -1],
    [0, 1, 0],
    [1, 0, 0],
  ],
  [
    [0, -1, 0],
    [1, 0, 0],
    [0, 0, 1],
  ],
  [
    [Math.SQRT1_2, Math.SQRT1_2, 0],
    [-Math.SQRT1_2, Math.SQRT1_2, 0],
    [0, 0, 1],
  ],
];

export const straight = fc.constantFrom(...ALONG);

/** Turned by two angles. */
export const oblique = fc
  .tuple(fc.double({ min: 0.1, max: 1.4, noNaN: true }), fc.double({ min: 0.1, max: 1.4, noNaN: true }))
  .map(([a, b]): SliceAxes => {
    const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
    return [
      [ca, sa, 0],
      [-sa * cb, ca * cb, sb],
      [sa * sb, -ca * sb, cb],
    ];
  });

/** A box in [0, 12)³. */
export const boxes = fc
  .tuple(...Array.from({ length: 6 }, () => fc.integer({ min: 0, max: 12 })))
  .map(([a = 0, b = 0, c = 0, d = 0, e = 0, f = 0]): Box => {
    const span = (p: number, q: number): [number, number] => [Math.min(p, q), Math.max(p, q) + (p === q ? 1 : 0)];
    const [[x0, x1], [y0, y1], [z0, z1]] = [span(a, d), span(b, e), span(c, f)];
    return [x0, y0, z0, x1, y1, z1];
  });

/** Runs that were added in any order. */
export const runs = fc.array(
  fc.tuple(
    fc.integer({ min: -2, max: 12 }),
    fc.integer({ min: 0, max: 6 }),
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: 0, max: 5 }),
  ),
  { maxLength: 40 },
);

/** The set of runs, and its voxels as text. */
export function setOf(added: readonly (readonly [number, number, number, number])[]): {
  set: VoxelSet;
  voxels: Set<string>;
} {
  const set = new VoxelSet();
  const voxels = new Set<string>();
  for (const [x, length, y, z] of added) {
    set.add(x, x + length, y, z);
    for (let i = 0; i < length; i++) voxels.add([x + i, y, z].join());
  }
  return { set, voxels };
}

/** The voxels of a set as text. */
export function textOf(set: VoxelSet): Set<string> {
  const voxels = new Set<string>();
  set.forEachRun((x0, x1, y, z) => {
    for (let x = x0; x < x1; x++) voxels.add([x, y, z].join());
  });
  return voxels;
}
