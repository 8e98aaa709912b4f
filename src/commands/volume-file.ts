/** The files that `bfly pull` writes, by their endings. */
import path from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import { BYTES_PER_VOXEL, type DType, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { npyHeader } from '../utility/npy.ts';
import { tiffChunks, tiffFault } from '../utility/tiff.ts';

/** Shape x, y, z of what is written, and the size of its voxels in nanometres. */
export interface VolumeLayout {
  readonly dtype: DType;
  readonly shape: Vec3;
  readonly voxel: Vec3;
  /** Ids as Butterfly's colours. */
  readonly colour?: boolean;
}

/** Whole z planes in order, each borrowed until the next is asked for. */
export type Planes = AsyncIterable<Uint8Array>;

interface VolumeFormat {
  /** Why this volume cannot be written so, or undefined. */
  fault(layout: VolumeLayout): BflyError | undefined;
  /** The bytes of the file, in order. */
  chunks(layout: VolumeLayout, planes: Planes): AsyncIterable<Uint8Array>;
}

/** A PNG is one image that must be in memory. */
const PNG_MAX_BYTES = 512 * 1024 * 1024;

const npy: VolumeFormat = {
  fault: () => undefined,
  async *chunks(layout, planes) {
    yield npyHeader(layout.dtype, layout.shape);
    yield* planes;
  },
};

const raw: VolumeFormat = { fault: () => undefined, chunks: (_layout, planes) => planes };

const tif: VolumeFormat = { fault: tiffFault, chunks: tiffChunks };

/** Slices stand one below the other, as in Butterfly's images of volumes. */
const png: VolumeFormat = {
  fault({ dtype, shape, colour = false }) {
    if (!colour && dtype !== 'uint8' && dtype !== 'uint16') {
      const right = BYTES_PER_VOXEL[dtype] > 4 ? '.npy or .raw' : '.npy, .tif or .raw';
      const ids = dtype === 'float32' ? '' : ', or ids in colours by --colour';
      return new BflyError('UNSUPPORTED', `PNG holds uint8 and uint16, this is ${dtype}; write ${right}${ids}`);
    }
    if (volumeOf(shape) * BYTES_PER_VOXEL[dtype] <= PNG_MAX_BYTES) return undefined;
    return new BflyError('TOO_LARGE', 'that is too large for one PNG; write .npy or .tif, or a smaller --box');
  },
  async *chunks({ dtype, shape, colour = false }, planes) {
    const image = new Uint8Array(volumeOf(shape) * BYTES_PER_VOXEL[dtype]);
    let at = 0;
    for await (const slab of planes) {
      image.set(slab, at);
      at += slab.length;
    }
    yield await (colour ? colouredPng(image, shape, dtype) : greyPng(image, shape, dtype));
  },
};

// Loaded only here: sharp is large, and every command would wait for it.
async function greyPng(raw: Uint8Array, shape: Vec3, dtype: DType): Promise<Uint8Array> {
  const { pngCodec } = await import('../image/codecs/picture.ts');
  return pngCodec.encode(raw, shape, dtype);
}

async function colouredPng(raw: Uint8Array, shape: Vec3, dtype: DType): Promise<Uint8Array> {
  const { renderVoxels } = await import('../image/render.ts');
  const picture = { raw, shape, dtype, type: 'segmentation', format: 'png', view: 'colormap' } as const;
  return (await renderVoxels(picture)).bytes;
}

const FORMATS: ReadonlyMap<string, VolumeFormat> = new Map([
  ['.npy', npy],
  ['.raw', raw],
  ['.png', png],
  ['.tif', tif],
  ['.tiff', tif],
]);

/** The endings that can be written, for messages. */
export const VOLUME_ENDINGS = [...FORMATS.keys()].join(', ');

/** Whether a file's ending names a format that can be written. */
export function isVolumeFile(file: string): boolean {
  return FORMATS.has(path.extname(file).toLowerCase());
}

/**
 * Gives the bytes of a file by its ending.
 *
 * @throws BflyError at once, before `planes` is read: UNSUPPORTED (the ending, or a dtype that the format does not hold, or colours in
 *   another format than PNG), TOO_LARGE.
 */
export function volumeFileChunks(file: string, layout: VolumeLayout, planes: Planes): AsyncIterable<Uint8Array> {
  const format = FORMATS.get(path.extname(file).toLowerCase());
  if (format === undefined) throw new BflyError('UNSUPPORTED', `the output must end in one of ${VOLUME_ENDINGS}`);
  if (layout.colour === true && format !== png)
    throw new BflyError('UNSUPPORTED', '--colour makes a picture: the output must end in .png');
  const fault = format.fault(layout);
  if (fault !== undefined) throw fault;
  return format.chunks(layout, planes);
}
