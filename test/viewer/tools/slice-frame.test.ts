import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Vec3 } from '../../../src/client/index.ts';
import type { SliceAxes } from '../../../src/viewer/page/tools/brush.ts';
import { brushMark, forEachRectangle, layerFrame } from '../../../src/viewer/page/tools/slice-frame.ts';
import { testRuns, testSeed } from '../../support/seed.ts';
import { oblique, runs, setOf, sizes, straight } from './arbitrary.ts';

const places = fc.tuple(
  fc.double({ min: -20, max: 140, noNaN: true }),
  fc.double({ min: -20, max: 140, noNaN: true }),
  fc.double({ min: 0.5, max: 239, noNaN: true }),
) as fc.Arbitrary<Vec3>;
const zooms = fc.constantFrom(0.7, 1, 4.17);
const XY: SliceAxes = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];
const XZ: SliceAxes = [
  [1, 0, 0],
  [0, 0, 1],
  [0, -1, 0],
];

describe('voxels on a slice panel', () => {
  const options = { seed: testSeed('slice frame'), numRuns: testRuns(300) };

  it('lie where the panel shows their places', () => {
    fc.assert(
      fc.property(
        sizes,
        straight,
        places,
        zooms,
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: 0, max: 300 }),
        (voxel, axes, origin, nmPerPixel, x, y) => {
          const frame = layerFrame({ axes, nmPerPixel, origin }, voxel);
          if (frame === undefined) throw new Error('the slice runs along the axes');
          // The place of a pixel, in voxels of the frame's axes, is that pixel again.
          const at = (axis: 0 | 1 | 2): number =>
            (origin[axis] + (axes[0][axis] * x + axes[1][axis] * y) * nmPerPixel) / voxel[axis];
          const [a, b, c, d, e, f] = frame.transform;
          expect(a * at(frame.u) + c * at(frame.v) + e).toBeCloseTo(x, 6);
          expect(b * at(frame.u) + d * at(frame.v) + f).toBeCloseTo(y, 6);
          expect(Math.floor(at(frame.across) + 1e-6)).toBe(frame.layer);
        },
      ),
      options,
    );
  });

  it('are covered once by the rectangles of their layer, and no others are', () => {
    fc.assert(
      fc.property(runs, straight, fc.integer({ min: -1, max: 6 }), (added, axes, layer) => {
        const { set, voxels } = setOf(added);
        const middle = layer * 10 + 5;
        const frame = layerFrame({ axes, nmPerPixel: 1, origin: [middle, middle, middle] }, [10, 10, 10]);
        if (frame === undefined) throw new Error('the slice runs along the axes');
        const seen: string[] = [];
        forEachRectangle(set, frame, (u0, v0, u1, v1) => {
          for (let v = v0; v < v1; v++)
            for (let u = u0; u < u1; u++) {
              const voxel = [0, 0, 0];
              voxel[frame.u] = u;
              voxel[frame.v] = v;
              voxel[frame.across] = layer;
              seen.push(voxel.join());
            }
        });
        const wanted = [...voxels].filter((text) => Number(text.split(',')[frame.across]) === layer);
        expect(seen.sort()).toEqual(wanted.sort());
      }),
      options,
    );
  });

  it('has no layer where the slice is oblique', () => {
    fc.assert(
      fc.property(oblique, (axes) => {
        expect(layerFrame({ axes, nmPerPixel: 1, origin: [0, 0, 0] }, [4, 4, 40])).toBeUndefined();
      }),
      options,
    );
  });
});

describe('the mark of a brush', () => {
  const ball = { shape: 'ball', radius: 50 } as const;
  const disc = { shape: 'disc', radius: 50 } as const;
  const at = (origin: Vec3, axes: SliceAxes) => ({ axes, nmPerPixel: 2, origin });

  it('is the circle in which a slice cuts the ball', () => {
    const view = at([0, 0, 130], XY);
    expect(brushMark(view, ball, [100, 60, 100], XY[2], 10)).toMatchObject({
      kind: 'circle',
      x: 50,
      y: 30,
      radius: 20,
    });
    expect(brushMark(view, ball, [100, 60, 70], XY[2], 10)).toBeUndefined();
  });

  it('is a circle on the slice of a disc alone, and a line on those that cross it', () => {
    expect(brushMark(at([0, 0, 103], XY), disc, [100, 60, 105], XY[2], 10)).toMatchObject({
      kind: 'circle',
      radius: 25,
    });
    expect(brushMark(at([0, 0, 113], XY), disc, [100, 60, 105], XY[2], 10)).toBeUndefined();
    const crossing = brushMark(at([0, 90, 0], XZ), disc, [100, 60, 105], XY[2], 10);
    expect(crossing).toMatchObject({ kind: 'line', x: 50, y: 52.5, radius: 20 });
    expect(Math.abs(Math.sin(crossing?.angle ?? 1))).toBeCloseTo(0);
  });
});
