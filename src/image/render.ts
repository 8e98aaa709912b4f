/**
 * Turns an assembled box into an image or another file format, as Butterfly's clients expect it.
 *
 * A volume of several slices is one tall picture, slices stacked downwards, in all formats but npz and npy. Source: parity.md 6.
 */
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { BflyError } from '../../protocol/errors.ts';
import type { DType, Vec3 } from '../../protocol/volume.ts';
import { isLegacyIdType } from '../query/query.ts';
import { writeBmp } from './bmp.ts';
import { owned, rawLengthOf } from './codecs/codec.ts';
import { type GreyPixels, greyPixels } from './grey-pixels.ts';
import { writeNpy } from './npy-file.ts';
import { type RenderFormat, readFormat, readView, type View } from './render-format.ts';
import { writeTiff } from './tiff-picture.ts';
import type { RenderRequest } from './tile-maker.ts';
import { colormapVoxels, reverseColours, rgbVoxels } from './views.ts';

const deflateBytes = promisify(deflate);

/** That of OpenCV, which Butterfly drew with. */
const JPEG_QUALITY = 95;
const JPEG_MAX_SIDE = 65_535;
/** libvips' limit. */
const PNG_MAX_SIDE = 10_000_000;
/** Higher levels take several times as long and gain little: nothing on noise, and ids shrink a lot at any. */
const ZLIB_LEVEL = 1;

/** What a format is written from. */
interface Canvas {
  /** The voxels as they are, or three colours for each. */
  readonly bytes: Uint8Array;
  readonly shape: Vec3;
  readonly dtype: DType;
  readonly channels: 1 | 3;
}

/**
 * Renders a box.
 *
 * @returns the file and its MIME type. `bytes` are those of the request for raw grayscale (shared), else owned.
 * @throws BflyError BAD_REQUEST for an unknown format or view, or a view that the dtype does not have; TOO_LARGE for a picture
 *   that is larger than its format allows; INTERNAL where `raw` is not as long as the shape says.
 */
export async function renderVoxels(
  request: RenderRequest,
): Promise<{ readonly bytes: Uint8Array; readonly mime: string }> {
  const { raw, shape, dtype } = request;
  const format = readFormat(request.format);
  const view = viewOf(request, format);
  if (raw.length !== rawLengthOf(shape, dtype) || raw.length === 0)
    throw new BflyError('INTERNAL', `a box of ${shape.join('×')} ${dtype} does not have ${raw.length} bytes`);
  checkSides(format, request.format, shape);
  return { bytes: await write(paint(request, view, format), format), mime: format.mime };
}

/** Ids are coloured in pictures, where their values cannot be seen; images of many bits stay grey. */
function viewOf({ view, dtype, type }: RenderRequest, format: RenderFormat): View {
  const asked = readView(view);
  const coloured = format.picture && type === 'segmentation' && isLegacyIdType(dtype);
  return asked === 'grayscale' && coloured ? 'colormap' : asked;
}

function checkSides({ kind }: RenderFormat, name: string, [width, height, depth]: Vec3): void {
  const most = kind === 'jpeg' ? JPEG_MAX_SIDE : kind === 'png' ? PNG_MAX_SIDE : Number.POSITIVE_INFINITY;
  if (Math.max(width, height * depth) > most)
    throw new BflyError(
      'TOO_LARGE',
      `A ${name} has at most ${most} pixels on a side, not ${width}×${height * depth}: ask for a smaller box.`,
    );
}

function paint({ raw, shape, dtype }: RenderRequest, view: View, { picture }: RenderFormat): Canvas {
  switch (view) {
    case 'grayscale':
      return { bytes: raw, shape, dtype, channels: 1 };
    case 'rgb':
      return { bytes: rgbVoxels(raw, dtype), shape, dtype: 'uint8', channels: 3 };
    case 'colormap': {
      const bytes = colormapVoxels(raw, dtype);
      // OpenCV took the first plane for blue, and clients know the colours that came of it.
      if (picture) reverseColours(bytes);
      return { bytes, shape, dtype: 'uint8', channels: 3 };
    }
  }
}

async function write(canvas: Canvas, { kind }: RenderFormat): Promise<Uint8Array> {
  const { bytes, shape, dtype, channels } = canvas;
  const [width, height, depth] = shape;
  switch (kind) {
    case 'raw':
      return bytes;
    case 'zip':
      return owned(await deflateBytes(bytes, { level: ZLIB_LEVEL }));
    case 'npy':
      return arrayFile(canvas, []);
    case 'npz':
      return owned(await deflateBytes(arrayFile(canvas, [1]), { level: ZLIB_LEVEL }));
    case 'tiff':
      return writeTiff(bytes, width, height * depth, dtype, channels);
    case 'bmp':
      return writeBmp(greyPixels(bytes, dtype, false), width, height * depth, channels);
    case 'jpeg': {
      // Halved colours would run over the borders of segments.
      const options = { quality: JPEG_QUALITY, chromaSubsampling: '4:4:4' };
      return owned(
        await picture(greyPixels(bytes, dtype, false), canvas)
          .jpeg(options)
          .toBuffer(),
      );
    }
    case 'png':
      return owned(
        await picture(greyPixels(bytes, dtype, true), canvas)
          .png({ compressionLevel: ZLIB_LEVEL })
          .toBuffer(),
      );
  }
}

function arrayFile({ bytes, shape, dtype, channels }: Canvas, front: readonly number[]): Uint8Array {
  const [x, y, z] = shape;
  return writeNpy(dtype, [...front, z, y, x, ...(channels === 1 ? [] : [channels])], bytes);
}

function picture(pixels: GreyPixels, { shape, channels }: Canvas): Sharp {
  const image = sharp(pixels, {
    raw: { width: shape[0], height: shape[1] * shape[2], channels },
    limitInputPixels: false,
  });
  if (channels === 3) return image;
  return image.toColourspace(pixels instanceof Uint16Array ? 'grey16' : 'b-w');
}
