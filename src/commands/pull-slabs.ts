/** A box of a remote volume, a few z planes at a time. */
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, type DType, type MipInfo, volumeOf } from '../../protocol/volume.ts';
import { copyBox } from '../query/copy-box.ts';
import type { RemoteSession } from './context.ts';

/** What to pull. */
export interface SlabRequest {
  readonly path: string;
  readonly mip: number;
  readonly info: MipInfo;
  readonly dtype: DType;
  /** Which state to read; default: as it is, ids as stored. */
  readonly state?: { readonly at?: number; readonly map?: 'merged' };
  /** In voxels of the level; what sticks out of the volume is zeros. */
  readonly box: Box;
  readonly signal: AbortSignal;
  /** Bytes held at a time, unless one z plane is larger; default 128 MiB. */
  readonly maxBytes?: number;
  /** Called for each tile with the voxels of the box that are there. */
  onVoxels(voxels: number): void;
}

const SLAB_BYTES = 128 * 1024 * 1024;

/**
 * Cuts a box along z at the limits of chunks, so that no chunk is sent twice, into slabs of at most `maxBytes`;
 * where one layer of chunks is larger than that, between its planes too.
 */
export function cutSlabs(box: Box, info: MipInfo, dtype: DType, maxBytes = SLAB_BYTES): Box[] {
  const [x0, y0, z0, x1, y1, z1] = box;
  const planeBytes = (x1 - x0) * (y1 - y0) * BYTES_PER_VOXEL[dtype];
  const maxPlanes = Math.max(1, Math.floor(maxBytes / planeBytes));
  const [, , depth] = info.chunk;
  const [, , origin] = info.offset;
  const slabs: Box[] = [];
  for (let from = z0; from < z1; ) {
    const furthest = Math.min(z1, from + maxPlanes);
    const limit = origin + Math.floor((furthest - origin) / depth) * depth;
    const to = furthest < z1 && limit > from ? limit : furthest;
    slabs.push([x0, y0, from, x1, y1, to]);
    from = to;
  }
  return slabs;
}

/**
 * Pulls a box slab by slab.
 *
 * @returns the voxels of whole z planes in order, x fastest, little-endian; each is borrowed until the next is asked for.
 * @throws BflyError as the session; the signal's reason when it is aborted.
 */
export async function* pullSlabs(session: RemoteSession, request: SlabRequest): AsyncGenerator<Uint8Array> {
  const { path, mip, dtype, signal } = request;
  const size = BYTES_PER_VOXEL[dtype];
  let buffer = new Uint8Array(0);
  for (const slab of cutSlabs(request.box, request.info, dtype, request.maxBytes)) {
    const bytes = volumeOf(boxShape(slab)) * size;
    if (buffer.length < bytes) buffer = new Uint8Array(bytes);
    const voxels = buffer.subarray(0, bytes).fill(0);
    for await (const tile of session.pull(path, { mip, box: slab, order: 'scan', signal, ...request.state })) {
      signal.throwIfAborted();
      const source = tile.bytes();
      if (source.length !== volumeOf(boxShape(tile.box)) * size) {
        throw new BflyError('INTERNAL', `the server sent a tile of ${source.length} bytes for a box of another size`);
      }
      copyBox(source, tile.box, voxels, slab, size);
      request.onVoxels(commonVoxels(tile.box, slab));
    }
    signal.throwIfAborted();
    yield voxels;
  }
}

function commonVoxels(a: Box, b: Box): number {
  const along = (axis: 0 | 1 | 2): number => {
    const [low, high] = [axis, axis + 3] as [0 | 1 | 2, 3 | 4 | 5];
    return Math.max(0, Math.min(a[high], b[high]) - Math.max(a[low], b[low]));
  };
  return along(0) * along(1) * along(2);
}
