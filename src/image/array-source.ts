/** A volume in memory, for tests and tools. */
import { BflyError } from '../../protocol/errors.ts';
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type DType,
  mipBox,
  type Vec3,
  type VolumeType,
  volumeOf,
} from '../../protocol/volume.ts';
import { copyBox } from '../query/copy-box.ts';
import type { Source, SourceInfo } from './source.ts';
import { guessVolumeType, levelOf } from './voxel-type.ts';

/** What `openArraySource` serves. */
export interface ArrayVolume {
  /** Shared: the voxels, x fastest, little-endian. */
  readonly data: Uint8Array;
  readonly shape: Vec3;
  readonly dtype: DType;
  /** Default: guessed from the dtype. */
  readonly type?: VolumeType;
  /** Default: 64³, clipped to the volume. */
  readonly chunk?: Vec3;
  /** Size of a voxel in nanometres; default: not known. */
  readonly voxel?: Vec3;
  /** First voxel; default [0, 0, 0]. */
  readonly offset?: Vec3;
  /** Kind that the source says it is; default `array`. */
  readonly kind?: string;
}

let opened = 0;

/**
 * Opens voxels in memory as a source of one level.
 *
 * @throws BflyError UNSUPPORTED where the data are not as long as the shape says.
 */
export async function openArraySource(volume: ArrayVolume): Promise<Source> {
  const { data, shape, dtype } = volume;
  const bytesPerVoxel = BYTES_PER_VOXEL[dtype];
  const expected = volumeOf(shape) * bytesPerVoxel;
  if (data.length !== expected)
    throw new BflyError(
      'UNSUPPORTED',
      `${shape.join('×')} voxels of ${dtype} are ${expected} bytes, not ${data.length}`,
    );
  const chunk = volume.chunk ?? [64, 64, 64];
  const info: SourceInfo = {
    kind: volume.kind ?? 'array',
    type: volume.type ?? guessVolumeType(dtype),
    dtype,
    mips: [
      {
        shape,
        chunk: [Math.min(chunk[0], shape[0]), Math.min(chunk[1], shape[1]), Math.min(chunk[2], shape[2])],
        voxel: volume.voxel ?? [1, 1, 1],
        offset: volume.offset ?? [0, 0, 0],
      },
    ],
    voxelKnown: volume.voxel !== undefined,
    fingerprint: `array:${process.pid}:${++opened}`,
  };
  return {
    info,
    async read(mip: number, box: Box): Promise<Uint8Array> {
      const whole = mipBox(levelOf(info, mip));
      const out = new Uint8Array(volumeOf(boxShape(box)) * bytesPerVoxel);
      copyBox(data, whole, out, box, bytesPerVoxel);
      return out;
    },
    async close(): Promise<void> {},
  };
}
