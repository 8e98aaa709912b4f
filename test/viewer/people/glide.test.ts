import { describe, expect, it } from 'vitest';
import { Glide } from '../../../src/viewer/page/people/glide.ts';
import { spotOn } from '../../../src/viewer/page/people/spot.ts';

describe('a cursor on its way', () => {
  it('moves there without a jump and arrives', () => {
    const glide = new Glide([0, 0, 0]);
    expect(glide.isMoving(0)).toBe(false);
    glide.moveTo([90, 0, -90], 1_000);
    expect(glide.at(1_000)).toEqual([0, 0, 0]);
    const [x] = glide.at(1_030);
    expect(x).toBeGreaterThan(0);
    expect(x).toBeLessThan(90);
    glide.moveTo([0, 0, 0], 1_030);
    expect(glide.at(1_030)[0]).toBe(x);
    expect(glide.at(2_000)).toEqual([0, 0, 0]);
    expect(glide.isMoving(2_000)).toBe(false);
  });

  it('rests where it is told of the same place again', () => {
    const glide = new Glide([1, 2, 3]);
    glide.moveTo([1, 2, 3], 5);
    expect(glide.isMoving(5)).toBe(false);
  });
});

describe('a cursor on a panel', () => {
  const panel = (kind: 'slice' | '3d', depth: number | undefined) => ({
    kind,
    project: () => (depth === undefined ? undefined : { x: 3, y: 4, depth }),
  });

  it('is plain on the slice, fades beside it, and is gone far from it, before it as behind', () => {
    const at = (depth: number) => spotOn(panel('slice', depth), [0, 0, 0], 10)?.opacity;
    expect(at(0)).toBe(1);
    expect(at(400)).toBeLessThan(1);
    expect(at(400)).toBe(at(-400));
    expect(at(700)).toBeLessThan(at(400) ?? 0);
    expect(at(1_000)).toBeUndefined();
    expect(at(-1_000)).toBeUndefined();
  });

  it('is plain in 3-D, and nowhere outside', () => {
    expect(spotOn(panel('3d', 0), [0, 0, 0], 0)).toEqual({ x: 3, y: 4, opacity: 1 });
    expect(spotOn(panel('slice', undefined), [0, 0, 0], 10)).toBeUndefined();
  });
});
