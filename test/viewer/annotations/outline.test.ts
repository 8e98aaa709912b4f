import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distanceTo, hull, outlineOf, type Pixel } from '../../../src/viewer/page/annotations/outline.ts';
import { boundsOf, type ShapeKind } from '../../../src/viewer/page/annotations/shape.ts';
import { type Frame, fade, sliceFrame } from '../../../src/viewer/page/annotations/slice-frame.ts';
import type { Place, StagePanel } from '../../../src/viewer/page/stage.ts';
import { testRuns, testSeed } from '../../support/seed.ts';

/** 200 × 100 pixels of 10 nm, looking along z at z = 1,000 nm; x and y begin at 0. */
function panelAt(
  axes: StagePanel['axes'] = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  corner: Place = [0, 0, 1_000],
): StagePanel {
  const nmPerPixel = 10;
  const [right, down] = axes;
  return {
    element: { clientWidth: 200, clientHeight: 100 } as HTMLElement, // no more of it is asked
    kind: 'slice',
    axes,
    nmPerPixel,
    unproject: (x, y) =>
      [0, 1, 2].map(
        (i) => (corner[i] ?? 0) + nmPerPixel * (x * (right[i] ?? 0) + y * (down[i] ?? 0)),
      ) as unknown as Place,
    project: () => undefined,
  };
}

function frameOf(panel = panelAt(), voxel: Place = [10, 10, 40]): Frame {
  const frame = sliceFrame(panel, voxel);
  if (frame === undefined) throw new Error('the panel has a size');
  return frame;
}

function shape(kind: ShapeKind, ...points: Place[]): Parameters<typeof outlineOf>[0] {
  return { kind, points, ...boundsOf(points) };
}

describe('places on a slice', () => {
  it('are found again by the pixel that they were made from, however the slice lies', () => {
    const seed = testSeed('are found again by the pixel');
    const s = Math.SQRT1_2;
    const turns: StagePanel['axes'][] = [
      [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
      [
        [0, 0, 1],
        [0, 1, 0],
        [-1, 0, 0],
      ],
      [
        [s, s, 0],
        [-s, s, 0],
        [0, 0, 1],
      ],
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...turns),
        fc.integer({ min: -50, max: 250 }),
        fc.integer({ min: 0, max: 99 }),
        (axes, x, y) => {
          const panel = panelAt(axes);
          const spot = frameOf(panel).spot(panel.unproject(x, y) ?? [0, 0, 0]);
          expect(spot?.x).toBeCloseTo(x);
          expect(spot?.y).toBeCloseTo(y);
          expect(spot?.depth).toBeCloseTo(0);
        },
      ),
      { seed, numRuns: testRuns(100) },
    );
  });

  it('fade with their depth, eight voxels deep along the axis that is looked at', () => {
    const frame = frameOf();
    expect(frame.reach).toBe(320);
    expect([0, 160, -160, 320, 900].map((depth) => fade(depth, frame.reach))).toEqual([1, 0.5, 0.5, 0, 0]);
    expect([frame.low, frame.high]).toEqual([
      [0, 0, 680],
      [2_000, 1_000, 1_320],
    ]);
  });
});

describe('outlines on a slice', () => {
  it('show a point near the slice, and none beside the panel or far behind', () => {
    expect(outlineOf(shape('point', [500, 300, 1_080]), frameOf())).toMatchObject({ alpha: 0.75, dots: [[50, 30]] });
    expect(outlineOf(shape('point', [2_500, 300, 1_000]), frameOf())).toBeUndefined();
    expect(outlineOf(shape('point', [500, 300, 1_400]), frameOf())).toBeUndefined();
  });

  it('show of a line what is near the slice, and a dot where it goes through', () => {
    const through = outlineOf(shape('line', [500, 500, 360], [500, 500, 1_640]), frameOf());
    expect(through).toMatchObject({ alpha: 1, dots: [[50, 50]], hasHead: false });
    const slanted = outlineOf(shape('line', [0, 500, 1_000], [2_000, 500, 1_640]), frameOf());
    expect(slanted?.lines[0]?.[0]).toEqual([0, 50]);
    expect(slanted?.lines[0]?.[1]?.[0]).toBeCloseTo(100);
  });

  it('show an arrow from pre to post, with its head where the postsynaptic place is near', () => {
    const near = outlineOf(shape('synapse', [100, 100, 1_000], [600, 100, 1_000]), frameOf());
    expect(near).toMatchObject({
      hasHead: true,
      lines: [
        [
          [10, 10],
          [60, 10],
        ],
      ],
    });
    const away = outlineOf(shape('synapse', [100, 100, 1_000], [600, 100, 3_000]), frameOf());
    expect(away?.hasHead).toBe(false);
  });

  it('show where the slice cuts a box, and a shadow of a box that it passes by', () => {
    const cut = outlineOf(shape('box', [100, 100, 900], [500, 400, 1_100]), frameOf());
    expect(cut?.alpha).toBe(1);
    expect(new Set(cut?.lines[0]?.map(String))).toEqual(new Set(['10,10', '50,10', '50,40', '10,40']));
    const passed = outlineOf(shape('box', [100, 100, 1_160], [500, 400, 1_900]), frameOf());
    expect(passed?.alpha).toBe(0.25);
    expect(outlineOf(shape('box', [100, 100, 1_500], [500, 400, 1_900]), frameOf())).toBeUndefined();
  });

  it('show an ellipsoid as the ellipse in which the slice cuts it', () => {
    // Radii 200, 100 and 500 nm; cut 300 nm beside the middle: 0.8 of its width.
    const cut = outlineOf(shape('ellipsoid', [800, 400, 800], [1_200, 600, 1_800]), frameOf());
    const xs = cut?.lines[0]?.map(([x]) => x) ?? [];
    const ys = cut?.lines[0]?.map(([, y]) => y) ?? [];
    expect([Math.min(...xs), Math.max(...xs)].map(Math.round)).toEqual([84, 116]);
    expect([Math.min(...ys), Math.max(...ys)].map(Math.round)).toEqual([42, 58]);
  });
});

describe('hits and hulls', () => {
  it('measure the distance to the nearest line or dot', () => {
    const outline = {
      alpha: 1,
      lines: [
        [
          [0, 0],
          [10, 0],
        ] as Pixel[],
      ],
      dots: [[50, 50] as Pixel],
      hasHead: false,
      label: [0, 0] as Pixel,
    };
    expect(distanceTo(outline, [5, 3])).toBe(3);
    expect(distanceTo(outline, [13, 4])).toBe(5);
    expect(distanceTo(outline, [50, 48])).toBe(2);
  });

  it('hold all points, and only points of their own', () => {
    const seed = testSeed('hold all points');
    const point = fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 })) as fc.Arbitrary<Pixel>;
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 20 }), (points) => {
        const ring = hull(points);
        expect(ring.every((corner) => points.includes(corner))).toBe(true);
        if (ring.length < 3) return;
        for (const [x, y] of points)
          for (const [i, a] of ring.entries()) {
            const b = ring[(i + 1) % ring.length] ?? a;
            expect((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])).toBeGreaterThanOrEqual(0);
          }
      }),
      { seed, numRuns: testRuns(200) },
    );
  });
});
