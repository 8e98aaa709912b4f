/** Where the voxels of an id are. */
import { BflyError } from '../../protocol/errors.ts';
import { type Box, type MipInfo, mipBox, type Vec3, viewVoxels } from '../../protocol/volume.ts';
import { boxVolume, intersect } from '../query/box.ts';
import { levelOf } from '../query/query.ts';
import { tileBox, tilesIn, tilesOf } from '../query/tile-grid.ts';
import type { Channel } from './channel.ts';
import type { OpenedReading, ReadWish } from './reading.ts';

/** What it needs of the Core. */
export interface VoxelCore {
  openReading(channel: Channel, wish: ReadWish): Promise<OpenedReading>;
  /** Voxels of a box, x fastest. */
  readBox(channel: Channel, mip: number, box: Box, opened?: OpenedReading): Promise<{ readonly raw: Uint8Array }>;
}

/** Bounds of one look. */
export interface VoxelListLimits {
  /** Voxels of the volume that may be looked at. */
  readonly maxVoxels: number;
  /** Called between tiles: lets others have their turn, or throws. */
  readonly pause: () => Promise<void>;
}

/** Positions of voxels, by z, then y, then x. */
export interface VoxelList {
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly z: readonly number[];
}

/** Voxels of an answer: three integers of up to 5 bytes each stay under 64 KiB. */
const MOST_VOXELS = 4_000;

/**
 * Lists the voxels of a box that have an id.
 *
 * @throws BflyError TOO_LARGE for a box or an answer that is too large; UNSUPPORTED for voxels that are no ids.
 */
export async function listVoxels(
  core: VoxelCore,
  channel: Channel,
  mip: number,
  box: Box,
  id: bigint,
  { maxVoxels, pause }: VoxelListLimits,
): Promise<VoxelList> {
  if (channel.dtype === 'float32') throw new BflyError('UNSUPPORTED', 'voxels of float32 are no ids');
  const level = levelOf(channel.mips, mip);
  const inside = intersect(mipBox(level), box);
  if (inside === undefined) return { x: [], y: [], z: [] };
  if (boxVolume(inside) > maxVoxels)
    throw new BflyError('TOO_LARGE', `the box holds more than ${maxVoxels} voxels: ask for parts of it`);
  const reading = await core.openReading(channel, {});
  const found: Vec3[] = [];
  for (const part of partsOf(level, inside)) {
    await pause();
    const { raw } = await core.readBox(channel, mip, part, reading);
    addVoxels(found, viewVoxels(channel.dtype, raw), part, id);
    if (found.length > MOST_VOXELS)
      throw new BflyError(
        'TOO_LARGE',
        `more than ${MOST_VOXELS} voxels have that id: ask for parts of the box, or a CUTOUT`,
      );
  }
  found.sort((a, b) => a[2] - b[2] || a[1] - b[1] || a[0] - b[0]);
  return { x: found.map(([x]) => x), y: found.map(([, y]) => y), z: found.map(([, , z]) => z) };
}

/** The parts of a box that lie in one tile each. */
function* partsOf(level: MipInfo, box: Box): Generator<Box> {
  for (const [x, y, z] of tilesIn(tilesOf(level, box))) {
    const part = intersect(tileBox(level, x, y, z), box);
    if (part !== undefined) yield part;
  }
}

/** Adds the voxels of a part that have an id; stops where they are too many. */
function addVoxels(found: Vec3[], voxels: ReturnType<typeof viewVoxels>, part: Box, id: bigint): void {
  const [x0, y0, z0] = part;
  const nx = part[3] - x0;
  const ny = part[4] - y0;
  // The value as the array has it: a number that is no such value is never found.
  const wanted = voxels instanceof BigUint64Array || voxels instanceof BigInt64Array ? id : Number(id);
  // `indexOf` runs at the speed of memory, and most voxels are others. One of its overloads fits each kind of array.
  const all = voxels as { indexOf(value: number | bigint, from: number): number };
  for (let at = all.indexOf(wanted, 0); at >= 0 && found.length <= MOST_VOXELS; at = all.indexOf(wanted, at + 1))
    found.push([x0 + (at % nx), y0 + (Math.floor(at / nx) % ny), z0 + Math.floor(at / (nx * ny))]);
}
