/**
 * Boxes put together from tiles, part by part, so that a large one never stands in memory whole.
 *
 * The output (voxels of the box, x fastest) is cut into parts that are each one contiguous run of bytes:
 * some planes, or some rows of a plane, or a piece of a row, whichever is the largest that fits.
 */

import { TILE_HEADER_BYTES, TileFlag } from '../../protocol/tile-frame.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, type MipInfo } from '../../protocol/volume.ts';
import { boxVolume } from '../query/box.ts';
import { copyBox } from '../query/copy-box.ts';
import { BoxRoom, MAX_ROOM_BYTES } from '../query/copy-rows.ts';
import { tileBox, tilesIn, tilesOf } from '../query/tile-grid.ts';
import type { Channel } from './channel.ts';
import type { Reading } from './reading.ts';
import type { TileReader } from './tile-reader.ts';

/** An assembled box in the making. */
export class Cutout {
  readonly #reader: TileReader;
  readonly #channel: Channel;
  readonly #mip: number;
  readonly #level: MipInfo;
  readonly #box: Box;
  readonly #reading: Reading | undefined;
  readonly #voxelBytes: number;
  /** Bytes of the whole output. */
  readonly totalBytes: number;
  /** Size of a part: x, y, z extent. */
  readonly #step: readonly [number, number, number];
  /** Where the next part begins. */
  #at: [number, number, number];
  /** The next part, where it had to be loaded. */
  #ready: Uint8Array | undefined;

  /** @param maxPartBytes largest part; at least one voxel. @param reading unset: as it was ingested. */
  constructor(reader: TileReader, channel: Channel, mip: number, box: Box, maxPartBytes: number, reading?: Reading) {
    this.#reading = reading;
    this.#reader = reader;
    this.#channel = channel;
    this.#mip = mip;
    this.#level = channel.mips[mip] as MipInfo;
    this.#box = box;
    this.#voxelBytes = BYTES_PER_VOXEL[reading?.merged === true ? 'uint64' : channel.dtype];
    this.totalBytes = boxVolume(box) * this.#voxelBytes;
    const [nx, ny, nz] = boxShape(box);
    const voxels = Math.max(1, Math.floor(maxPartBytes / this.#voxelBytes));
    if (nx * ny <= voxels) this.#step = [nx, ny, Math.min(nz, Math.floor(voxels / (nx * ny)))];
    else if (nx <= voxels) this.#step = [nx, Math.floor(voxels / nx), 1];
    else this.#step = [voxels, 1, 1];
    this.#at = [box[0], box[1], box[2]];
  }

  /** Box of the next part; undefined when all were taken. */
  get nextBox(): Box | undefined {
    const [x, y, z] = this.#at;
    const [, , , x1, y1, z1] = this.#box;
    if (z >= z1) return undefined;
    return [x, y, z, Math.min(x1, x + this.#step[0]), Math.min(y1, y + this.#step[1]), Math.min(z1, z + this.#step[2])];
  }

  /** Bytes of the next part; 0 when there is none. */
  get nextBytes(): number {
    const part = this.nextBox;
    return part === undefined ? 0 : boxVolume(part) * this.#voxelBytes;
  }

  /**
   * Assembles the next part and goes on to the one after it.
   *
   * @param into at least `nextBytes` long; every byte of the part is written.
   * @returns undefined when it is done at once; a promise where tiles must be loaded first (then nothing has been taken).
   * @throws BflyError of a tile that cannot be read; so does the promise.
   */
  next(into: Uint8Array): undefined | Promise<void> {
    const part = this.nextBox;
    if (part === undefined) return undefined;
    if (this.#ready !== undefined) {
      into.set(this.#ready);
      this.#ready = undefined;
    } else if (!this.#assembleNow(part, into)) return this.#assembleLater(part);
    this.#advance(part);
    return undefined;
  }

  /** Writes a part from tiles that are at hand; false where some are not. Zeros outside the volume. */
  #assembleNow(part: Box, into: Uint8Array): boolean {
    const bytes = boxVolume(part) * this.#voxelBytes;
    // Whole rows of tiles are as good as one run each, and need no room on the way.
    const room = bytes <= MAX_ROOM_BYTES && !this.#hasWholeRows(part) ? BoxRoom.get() : undefined;
    const target = room?.target(bytes) ?? into.subarray(0, bytes);
    if (!isCovered(this.#level, part)) target.fill(0);
    for (const tile of tilesIn(tilesOf(this.#level, part))) {
      const frame = this.#reader.peek(this.#channel, this.#mip, tile, 'raw', false, this.#reading);
      if (frame === undefined) return false;
      copyTile(frame, tileBox(this.#level, tile[0], tile[1], tile[2]), target, part, this.#voxelBytes, room);
    }
    if (room !== undefined) into.set(target);
    return true;
  }

  /** Whether a part is just as wide as one tile that it lies in. */
  #hasWholeRows([x0, , , x1]: Box): boolean {
    const { offset, chunk, shape } = this.#level;
    const [begin, end] = [x0 - offset[0], x1 - offset[0]];
    return begin % chunk[0] === 0 && end === Math.min(begin + chunk[0], shape[0]);
  }

  /** Loads the tiles of a part, a few at a time, and copies each as it comes: progress does not depend on the cache. */
  async #assembleLater(part: Box): Promise<void> {
    const target = new Uint8Array(boxVolume(part) * this.#voxelBytes);
    const tiles = tilesIn(tilesOf(this.#level, part));
    const work = async (): Promise<void> => {
      for (const tile of tiles) {
        const frame = await this.#reader.load(this.#channel, this.#mip, tile, 'raw', this.#reading);
        copyTile(frame, tileBox(this.#level, tile[0], tile[1], tile[2]), target, part, this.#voxelBytes);
      }
    };
    await Promise.all(Array.from({ length: LOADS_AT_ONCE }, work));
    this.#ready = target;
  }

  #advance(part: Box): void {
    const [x0, y0, , x1, y1] = this.#box;
    if (part[3] < x1) this.#at[0] = part[3];
    else {
      this.#at[0] = x0;
      if (part[4] < y1) this.#at[1] = part[4];
      else {
        this.#at[1] = y0;
        this.#at[2] = part[5];
      }
    }
  }
}

/** Tiles that are loaded at the same time for one cutout. */
const LOADS_AT_ONCE = 8;

/** Whether the volume has every voxel of the box, so that no zeros are needed. */
function isCovered({ offset, shape }: MipInfo, box: Box): boolean {
  for (let axis = 0; axis < 3; axis++) {
    const from = offset[axis] as number;
    if ((box[axis] as number) < from || (box[axis + 3] as number) > from + (shape[axis] as number)) return false;
  }
  return true;
}

/** Copies a raw or FILL frame's part of a box. @param room where `target` is part of one. */
export function copyTile(
  frame: Uint8Array,
  box: Box,
  target: Uint8Array,
  targetBox: Box,
  voxelBytes: number,
  room?: BoxRoom,
): void {
  const payload = frame.subarray(TILE_HEADER_BYTES);
  if (((frame[8] as number) & TileFlag.FILL) === 0)
    if (room === undefined) copyBox(payload, box, target, targetBox, voxelBytes);
    else room.copy(payload, box, target, targetBox, voxelBytes);
  else fillBox(payload, box, target, targetBox, voxelBytes);
}

/** Writes one voxel's value into the common part of two boxes. */
function fillBox(voxel: Uint8Array, box: Box, target: Uint8Array, targetBox: Box, voxelBytes: number): void {
  const x0 = Math.max(box[0], targetBox[0]);
  const x1 = Math.min(box[3], targetBox[3]);
  const width = (targetBox[3] - targetBox[0]) * voxelBytes;
  const row = new Uint8Array(Math.max(0, x1 - x0) * voxelBytes);
  for (let at = 0; at < row.length; at += voxelBytes) row.set(voxel.subarray(0, voxelBytes), at);
  for (let z = Math.max(box[2], targetBox[2]); z < Math.min(box[5], targetBox[5]); z++)
    for (let y = Math.max(box[1], targetBox[1]); y < Math.min(box[4], targetBox[4]); y++) {
      const plane = (z - targetBox[2]) * (targetBox[4] - targetBox[1]);
      target.set(row, (plane + (y - targetBox[1])) * width + (x0 - targetBox[0]) * voxelBytes);
    }
}
