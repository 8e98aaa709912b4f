import { describe, expect, it } from 'vitest';
import type { Seed } from '../../protocol/edit-ops.ts';
import type { Box } from '../../protocol/volume.ts';
import { fullMask } from '../../protocol/voxel-mask.ts';
import { decodeTileFrame, fillTileFrame, frameAtSeq, makeTileFrame, seqOfFrame } from '../../src/image/tile.ts';
import { encodeDelta } from '../../src/image/voxel-delta.ts';
import { doVoxelWork, type VoxelWork } from '../../src/image/voxel-work.ts';
import { WorkerTileMaker } from '../../src/image/worker-tile-maker.ts';
import { needsBuild } from '../support/line-server.ts';

needsBuild();

const box: Box = [0, 0, 0, 4, 1, 1];
const base = fillTileFrame({ dtype: 'uint64', mip: 0, box, seq: 0, value: Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0) });
const delta = encodeDelta(
  { tile: [0, 0, 0], mask: Uint8Array.of(1, 2), values: new Uint8Array(new BigUint64Array([7n, 8n]).buffer) },
  8,
);
const to = new Uint8Array(new BigUint64Array([9n]).buffer);

/** One request of each kind. */
const REQUESTS: { readonly [K in keyof VoxelWork]: VoxelWork[K]['request'] } = {
  editTile: { base, baseMask: new Uint8Array(0), deltas: [delta], dtype: 'uint64', box, seq: 3, encoding: 'cseg' },
  rebuildTile: {
    ...{ base, mask: Uint8Array.of(1, 1), finer: [base], dtype: 'uint64', type: 'segmentation', factors: [1, 1, 1] },
    ...{ finerVolume: box, mip: 1, box, seq: 3, encoding: 'raw' },
  },
  maskOfDeltas: { deltas: [delta], base: Uint8Array.of(0, 1), voxels: 4 },
  coarserMask: { finer: [{ box, mask: Uint8Array.of(2, 1) }], box: [0, 0, 0, 2, 1, 1], factors: [2, 1, 1] },
  remapTile: {
    frame: base,
    dtype: 'uint64',
    mip: 0,
    ids: BigUint64Array.of(5n),
    to: BigUint64Array.of(1n),
    encoding: 'raw',
  },
  cutWrite: { dtype: 'uint64', box, value: to, tiles: [{ tile: [0, 0, 0], box }], ids: true },
  objectVoxels: { frame: base, deltas: [delta], dtype: 'uint64', id: 5n, box },
  cutSplit: {
    ...{ dtype: 'uint64', box, object: [{ tile: [0, 0, 0], box, mask: fullMask(4) }], voxel: [1, 1, 1], to },
    seeds: [
      [0, 0, 0, 1],
      [3, 0, 0, 2],
    ],
  },
  mergeDeltas: { tile: [0, 0, 0], deltas: [delta, delta], voxels: 4, dtype: 'uint64' },
};

describe('work on edited voxels', () => {
  it('comes to the same in a worker as in the calling thread', async () => {
    const maker = new WorkerTileMaker({ threads: 1 });
    try {
      for (const name of Object.keys(REQUESTS) as (keyof VoxelWork)[])
        expect([name, await maker.work(name, REQUESTS[name])]).toEqual([name, await doVoxelWork(name, REQUESTS[name])]);
    } finally {
      await maker.close();
    }
  });

  it('[E11] is refused by a worker with the field that is wrong', async () => {
    const maker = new WorkerTileMaker({ threads: 1 });
    try {
      expect(await maker.maxId([base], 'uint64')).toBe(5n);
      const seeds: readonly Seed[] = [[4, 0, 0, 1]];
      await expect(maker.work('cutSplit', { ...REQUESTS.cutSplit, seeds })).rejects.toMatchObject({
        code: 'BAD_REQUEST',
        details: { field: 'seeds' },
      });
      const wrong = { ...REQUESTS.cutWrite, mask: Uint8Array.of(9) };
      await expect(maker.work('cutWrite', wrong)).rejects.toMatchObject({
        code: 'BAD_REQUEST',
        details: { field: 'mask' },
      });
    } finally {
      await maker.close();
    }
  });

  it('[E26] lays deltas over a tile whatever it is encoded in, and leaves the tile as it was', async () => {
    for (const encoding of ['raw', 'cseg', 'gzip'] as const) {
      const raw = new Uint8Array(new BigUint64Array([1n, 2n, 3n, 4n]).buffer);
      const stored = await makeTileFrame({ raw, dtype: 'uint64', mip: 0, box, seq: 0, encoding });
      const before = Uint8Array.from(stored);
      const { frame } = await doVoxelWork('editTile', { ...REQUESTS.editTile, base: stored });
      expect([...new BigUint64Array(Uint8Array.from(await decodeTileFrame(frame, 'uint64')).buffer)]).toEqual([
        1n,
        7n,
        8n,
        4n,
      ]);
      expect(seqOfFrame(frame)).toBe(3);
      expect(stored).toEqual(before);
    }
  });

  it('[D20] gives a tile another seq, and no one else one', () => {
    const later = frameAtSeq(base, 2 ** 33 + 5);
    expect(seqOfFrame(later)).toBe(2 ** 33 + 5);
    expect(seqOfFrame(base)).toBe(0);
    expect(frameAtSeq(later, 0)).toEqual(base);
  });
});
