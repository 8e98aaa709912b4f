/** A server's volume in miniature, behind the session that commands use. */
import { BflyError } from '../../protocol/errors.ts';
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type ChannelInfo,
  type DType,
  type Vec3,
  viewVoxels,
  volumeOf,
} from '../../protocol/volume.ts';
import type { RemoteSession, RemoteTile } from '../../src/commands/context.ts';
import { intersect } from '../../src/query/box.ts';
import { copyBox } from '../../src/query/copy-box.ts';

/** A volume whose voxel at x, y, z is 1 + x + 10 y + 100 z, cut to the dtype. */
export class RemoteVolume {
  readonly info: ChannelInfo;
  readonly box: Box;
  readonly bytes: Uint8Array;
  closed = 0;
  /** Boxes that were pulled. */
  readonly pulled: Box[] = [];

  constructor(
    dtype: DType,
    shape: Vec3,
    chunk: Vec3,
    offset: Vec3 = [0, 0, 0],
    type: 'image' | 'segmentation' = 'image',
  ) {
    const [x, y, z] = offset;
    this.box = [x, y, z, x + shape[0], y + shape[1], z + shape[2]];
    this.bytes = new Uint8Array(volumeOf(shape) * BYTES_PER_VOXEL[dtype]);
    const view = viewVoxels(dtype, this.bytes);
    for (let i = 0; i < view.length; i++) {
      const value =
        1 + (i % shape[0]) + 10 * (Math.floor(i / shape[0]) % shape[1]) + 100 * Math.floor(i / (shape[0] * shape[1]));
      view[i] = dtype === 'uint64' || dtype === 'int64' ? BigInt(value) : value;
    }
    this.info = {
      path: 'e/s/d/c',
      kind: 'channel',
      type,
      dtype,
      mips: [{ shape, chunk, voxel: [8, 8, 40], offset }],
      enc: ['raw'],
      source: 'test',
      editable: true,
      epoch: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 255),
      first: 0,
      head: 12,
      tables: { synapse: 3 },
      maxId: 2n ** 60n,
    };
  }

  /** The voxels of a box, zeros outside the volume. */
  cut(box: Box): Uint8Array {
    const size = BYTES_PER_VOXEL[this.info.dtype];
    const cut = new Uint8Array(volumeOf(boxShape(box)) * size);
    copyBox(this.bytes, this.box, cut, box, size);
    return cut;
  }

  readonly session: RemoteSession = {
    info: async (path) => {
      if (path === 'e/s/d') return { path, kind: 'dataset', channels: [this.info] };
      if (path === 'e/s/d/c') return this.info;
      throw new BflyError('NOT_FOUND', `there is no "${path}"`);
    },
    list: async (path) => {
      if (path === '') return [{ name: 'e', kind: 'experiment', path: 'e' }];
      if (path === 'e') return [{ name: 's', kind: 'sample', path: 'e/s' }];
      if (path === 'e/s') return [{ name: 'd', kind: 'dataset', path: 'e/s/d' }];
      return ['c', 'gone'].map((name) => ({ name, kind: 'channel' as const, path: `e/s/d/${name}` }));
    },
    unique: async (_path, { box }) => {
      const values = [...viewVoxels(this.info.dtype, this.cut(box))].map(BigInt);
      return new BigUint64Array(new Set(values)).sort();
    },
    pull: (_path, { box }) => this.#tiles(box),
    close: async () => {
      this.closed++;
    },
  };

  /** Whole chunks that meet the box, in no good order. */
  async *#tiles(wanted: Box): AsyncGenerator<RemoteTile> {
    this.pulled.push(wanted);
    const [mip] = this.info.mips;
    if (mip === undefined) return;
    const tiles: Box[] = [];
    const [x0, y0, z0, x1, y1, z1] = this.box;
    for (let z = z0; z < z1; z += mip.chunk[2])
      for (let y = y0; y < y1; y += mip.chunk[1])
        for (let x = x0; x < x1; x += mip.chunk[0]) {
          const tile = intersect(this.box, [x, y, z, x + mip.chunk[0], y + mip.chunk[1], z + mip.chunk[2]]);
          if (tile !== undefined && intersect(tile, wanted) !== undefined) tiles.push(tile);
        }
    for (const box of tiles.reverse()) yield { box, bytes: () => this.cut(box) };
  }
}
