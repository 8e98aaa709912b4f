import { describe, expect, it } from 'vitest';
import type { WireMap } from '../../protocol/messages.ts';
import { encodeMask } from '../../protocol/voxel-mask.ts';
import { SHAPE } from '../support/storm-volume.ts';
import { ReplayedVoxels } from '../support/storm-voxels.ts';

/** Box of the first voxels along x: as ingested their ids are 1. */
const row = (x0: number, x1: number): number[] => [x0, 0, 0, x1, 1, 1];
const write = (x0: number, x1: number, value: unknown): WireMap => ({ op: 'write', box: row(x0, x1), value });
const split = (id: number, x0: number, x1: number, ...set: number[]): WireMap => {
  const mask = encodeMask(Uint8Array.from(set));
  return { op: 'split', id, box: row(x0, x1), mask };
};
const undo = (seq: number): WireMap => ({ op: 'undo', seq });

/** The first voxels of a level after some edits, each its ops and what they created. */
function voxelsOf(
  edits: readonly (readonly [ops: readonly WireMap[], ids?: readonly (number | undefined)[]])[],
  mip = 0,
): number[] {
  const replay = new ReplayedVoxels();
  for (const [at, [ops, ids = []]] of edits.entries())
    replay.take({ seq: at + 1, ops, results: ops.map((_, k) => (ids[k] === undefined ? null : { id: ids[k] })) });
  return [...(replay.levels(mip + 1)[mip] ?? [])].slice(0, 6).map(Number);
}

describe('the replayed voxels of the storms', () => {
  it('are as ingested before any edit: blocks of 8³, each an id', () => {
    const [nx, ny] = SHAPE;
    const [finest] = new ReplayedVoxels().levels(1);
    expect(finest?.[7]).toBe(1n);
    expect(finest?.[8]).toBe(2n);
    expect(finest?.[8 * nx]).toBe(17n);
    expect(finest?.[8 * nx * ny]).toBe(65n);
    expect(finest?.at(-1)).toBe(256n);
  });

  it('[E26] show the newest edit in force', () => {
    expect(voxelsOf([[[write(0, 3, 5)]], [[write(1, 2, 6)]]])).toEqual([5, 6, 5, 1, 1, 1]);
    expect(voxelsOf([[[write(0, 3, 5)]], [[write(1, 2, 6)]], [[undo(1)]]])).toEqual([1, 6, 1, 1, 1, 1]);
    expect(voxelsOf([[[write(0, 3, 5)]], [[undo(1)]], [[undo(2)]]])).toEqual([5, 5, 5, 1, 1, 1]);
  });

  it('[E5] [E8] split the voxels of one id under a mask', () => {
    expect(voxelsOf([[[write(1, 2, 5)]], [[split(1, 0, 4, 1, 1, 0, 1)], [300]]])).toEqual([300, 5, 1, 300, 1, 1]);
  });

  it('[E26] leave a split as it was when what it met is undone', () => {
    const edits = [[[write(1, 3, 5)]], [[split(5, 0, 4, 1, 1, 1, 1)], [300]], [[undo(1)]]] as const;
    expect(voxelsOf(edits)).toEqual([1, 300, 300, 1, 1, 1]);
  });

  it('[E1] see what earlier ops of the edit did, undos too', () => {
    expect(voxelsOf([[[write(0, 1, 'new'), write(2, 3, { new: 0 })], [300]]])).toEqual([300, 1, 300, 1, 1, 1]);
    expect(
      voxelsOf([
        [[write(0, 4, 5)]],
        [
          [undo(1), split(1, 0, 4, 1, 0, 0, 0)],
          [undefined, 300],
        ],
      ]),
    ).toEqual([300, 1, 1, 1, 1, 1]);
  });

  it('[E9] take a value for each voxel that the mask sets', () => {
    const values = new Uint8Array(BigUint64Array.of(7n, 0n).buffer);
    const mask = encodeMask(Uint8Array.of(1, 0, 1));
    expect(voxelsOf([[[{ op: 'write', box: row(0, 3), mask, values }]]])).toEqual([7, 1, 0, 1, 1, 1]);
  });

  it('[E27] are at the next level what most of eight voxels are, and no background where that ties', () => {
    expect(voxelsOf([[[{ op: 'write', box: [0, 0, 0, 2, 2, 1], value: 0 }]]], 1)).toEqual([1, 1, 1, 1, 2, 2]);
    expect(voxelsOf([[[{ op: 'write', box: [0, 0, 0, 2, 2, 2], value: 9 }]]], 1)).toEqual([9, 1, 1, 1, 2, 2]);
  });
});
