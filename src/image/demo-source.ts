/** A volume that needs no files: tissue that is computed as it is read, to try Butterfly and to test it. */
import { BflyError } from '../../protocol/errors.ts';
import { type Box, boxShape, type MipInfo, mipBox, type Vec3 } from '../../protocol/volume.ts';
import { tissueIds, tissueImage } from './demo-tissue.ts';
import type { Source, SourceInfo } from './source.ts';

/** What the demonstration shows: the image, or the ids of the cells in it. */
export type DemoName = 'em' | 'segmentation';

/** Which tissue, and how much of it. */
export interface DemoOptions {
  /** An integer; another seed is another tissue. The image and the ids of one seed fit each other. */
  readonly seed?: number;
  /** Size in voxels. */
  readonly shape?: Vec3;
}

const DEFAULT_SEED = 20;
const DEFAULT_SHAPE: Vec3 = [512, 512, 128];
const CHUNK: Vec3 = [64, 64, 64];
const VOXEL: Vec3 = [8, 8, 8];

/**
 * Opens the demonstration volume: 8 nm voxels, the image uint8, the ids uint64 with some above 2³², membranes 0.
 *
 * @throws BflyError BAD_REQUEST where seed or shape are no such numbers.
 */
export async function openDemoSource(name: DemoName, options: DemoOptions = {}): Promise<Source> {
  const { seed = DEFAULT_SEED, shape = DEFAULT_SHAPE } = options;
  if (!Number.isSafeInteger(seed))
    throw new BflyError('BAD_REQUEST', `the seed of the demonstration is an integer, not ${seed}`);
  if (!shape.every((n) => Number.isSafeInteger(n) && n > 0))
    throw new BflyError(
      'BAD_REQUEST',
      `the shape of the demonstration is three positive integers, not ${shape.join(', ')}`,
    );
  const mip: MipInfo = { shape, chunk: CHUNK, voxel: VOXEL, offset: [0, 0, 0] };
  const info: SourceInfo = {
    kind: 'demo',
    type: name === 'em' ? 'image' : 'segmentation',
    dtype: name === 'em' ? 'uint8' : 'uint64',
    mips: [mip],
    voxelKnown: true,
    fingerprint: `demo-1:${name}:${seed}:${shape.join('x')}`,
  };
  return {
    info,
    async read(level, box) {
      checkInside(level, box, mipBox(mip));
      return name === 'em' ? tissueImage(seed, box) : tissueIds(seed, box);
    },
    async close() {},
  };
}

function checkInside(level: number, box: Box, volume: Box): void {
  const inside = volume[0] <= box[0] && volume[1] <= box[1] && volume[2] <= box[2];
  const ends = box[3] <= volume[3] && box[4] <= volume[4] && box[5] <= volume[5];
  if (level !== 0 || !inside || !ends || boxShape(box).some((n) => !(n > 0)))
    throw new BflyError(
      'INTERNAL',
      `the box ${box.join(', ')} of level ${level} is not inside the demonstration volume`,
    );
}
