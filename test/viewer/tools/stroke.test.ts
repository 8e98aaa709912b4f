import { describe, expect, it } from 'vitest';
import { boxShape, volumeOf } from '../../../protocol/volume.ts';
import { decodeMask } from '../../../protocol/voxel-mask.ts';
import type { ChannelInfo, EditOp } from '../../../src/client/index.ts';
import { boxLimits, gridOf, Stroke, writeOps } from '../../../src/viewer/page/tools/stroke.ts';
import { textOf } from './arbitrary.ts';

const info: ChannelInfo = {
  ...{ path: 'e/s/d/labels', kind: 'channel', type: 'segmentation', dtype: 'uint32', enc: ['raw'], source: 'array' },
  mips: [{ shape: [200, 100, 20], chunk: [16, 16, 16], voxel: [10, 10, 40], offset: [5, 0, 0] }],
  ...{ editable: true, epoch: new Uint8Array(8), first: 1, head: 0, tables: {} },
};
const XY = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
] as const;

function drawn(...places: (readonly [number, number, number])[]): Stroke {
  const stroke = new Stroke(gridOf(info), { shape: 'disc', radius: 30 }, XY);
  for (const place of places) stroke.to(place);
  return stroke;
}

function writes(ops: readonly EditOp[]): (EditOp & { op: 'write' })[] {
  return ops.filter((op) => op.op === 'write');
}

/** All voxels that ops write. */
function written(ops: readonly EditOp[]): Set<string> {
  const voxels = new Set<string>();
  for (const { box, mask } of writes(ops)) {
    const [nx, ny] = boxShape(box);
    decodeMask(mask ?? new Uint8Array(), volumeOf(boxShape(box))).forEach((set, at) => {
      if (set === 0) return;
      const row = Math.floor(at / nx);
      voxels.add([box[0] + (at % nx), box[1] + (row % ny), box[2] + Math.floor(row / ny)].join());
    });
  }
  return voxels;
}

describe('a stroke', () => {
  it('leaves no gap between places that are far apart', () => {
    const { set } = drawn([305, 305, 60], [1505, 305, 60]);
    for (let x = 30; x <= 150; x++) expect(set.has(x, 30, 1)).toBe(true);
  });

  it('tells whether it covers more, and where it began', () => {
    const stroke = drawn();
    expect(stroke.first).toBeUndefined();
    expect(stroke.to([305, 305, 60])).toBe(true);
    expect(stroke.to([306, 306, 61])).toBe(false);
    expect(stroke.first).toEqual([30, 30, 1]);
    expect(drawn([-500, 0, 60]).first).toBeUndefined();
  });

  it('stays within the volume, whose first voxel need not be 0', () => {
    expect(drawn([0, 0, 60], [900, 0, 60]).set.bounds).toEqual([5, 0, 1, 94, 4, 2]);
    expect(drawn([-500, -500, 60]).set.count).toBe(0);
  });

  it('is one edit, of one box where that is within the limits', () => {
    const { set } = drawn([305, 305, 60], [605, 505, 60]);
    const ops = writeOps(set, 17n, boxLimits(info, { writeVoxels: 2 ** 24, writeTiles: 512 }));
    expect(ops).toHaveLength(1);
    expect(ops[0]).toMatchObject({ op: 'write', value: 17n });
    expect(written(ops)).toEqual(textOf(set));
  });

  it('is cut into boxes of the same edit where it is longer, which share the new id [E1]', () => {
    const { set } = drawn([305, 305, 60], [1905, 905, 60]);
    const limits = boxLimits(info, { writeVoxels: 2 ** 24, writeTiles: 12 });
    const ops = writeOps(set, 'new', limits);
    expect(ops.length).toBeGreaterThan(1);
    expect(writes(ops).map(({ value }) => value)).toEqual(['new', ...ops.slice(1).map(() => ({ new: 0 }))]);
    expect(written(ops)).toEqual(textOf(set));
  });

  it('is refused in words where one edit cannot hold it', () => {
    const { set } = drawn([305, 305, 60], [1905, 905, 60]);
    const limits = boxLimits(info, { writeVoxels: 2 ** 24, writeTiles: 1 });
    expect(() => writeOps(set, 1n, limits)).toThrow(/too long for one edit/);
  });
});
