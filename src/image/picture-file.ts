/** A file with one grey picture: a slice of a stack, or a tile of a grid. PNG, JPEG, TIFF of one page, or HDF5. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import { BYTES_PER_VOXEL, type DType } from '../../protocol/volume.ts';
import { decodeGrey, readGreyHeader } from './grey-image.ts';
import { Hdf5File, type Hdf5Volume } from './hdf5-file.ts';
import { TiffFile } from './tiff-file.ts';

/** What a picture is like. */
export interface PictureShape {
  readonly width: number;
  readonly height: number;
  readonly dtype: DType;
}

/** A decoded picture. */
export interface Picture extends PictureShape {
  /** Owned: rows from the top, little-endian. */
  readonly bytes: Uint8Array;
}

type Kind = 'tiff' | 'hdf5' | 'grey';

const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['.png', 'grey'],
  ['.jpg', 'grey'],
  ['.jpeg', 'grey'],
  ['.tif', 'tiff'],
  ['.tiff', 'tiff'],
  ['.h5', 'hdf5'],
  ['.hdf5', 'hdf5'],
]);

/** Endings of files that can hold a picture, with their points. */
export const PICTURE_ENDINGS: readonly string[] = [...KINDS.keys()];

/** How large a picture is, and of which type, by its header. @throws BflyError UNSUPPORTED saying what is wrong with it. */
export async function readPictureShape(path: string): Promise<PictureShape> {
  switch (kindOf(path)) {
    case 'tiff':
      return withTiff(path, async ({ width, height, dtype }) => ({ width, height, dtype }));
    case 'hdf5':
      return withHdf5(path, async (_file, volume) => shapeOf(volume));
    default:
      return readGreyHeader(path);
  }
}

/** Decodes a picture. @throws BflyError UNSUPPORTED, INTERNAL saying what is wrong with it. */
export async function readPicture(path: string): Promise<Picture> {
  switch (kindOf(path)) {
    case 'tiff':
      return withTiff(path, async (file) => {
        const { width, height, dtype } = file;
        return { width, height, dtype, bytes: await file.read(0, 0, 0, width, height) };
      });
    case 'hdf5':
      return withHdf5(path, async (file, volume) => ({
        ...shapeOf(volume),
        bytes: await file.read(volume, [0, 0, 0], volume.shape),
      }));
    default:
      return decodeGrey(path);
  }
}

/** As `readPicture`; undefined where there is no file of that name. */
export async function readPictureIfThere(path: string): Promise<Picture | undefined> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return undefined;
    throw cause;
  });
  if (found === undefined) return undefined;
  // A pipe would be waited for.
  if (!found.isFile()) throw new BflyError('UNSUPPORTED', 'it is not a plain file');
  return readPicture(path);
}

/** What is wrong, where that can be told: the messages of the system hold paths. */
export function faultOfPicture(cause: unknown): string {
  return cause instanceof BflyError ? cause.message : 'it cannot be read';
}

function kindOf(path: string): Kind {
  return KINDS.get(extname(path).toLowerCase()) ?? 'grey';
}

function shapeOf({ shape: [, height, width], dtype }: Hdf5Volume): PictureShape {
  return { width, height, dtype };
}

async function withTiff<T>(path: string, work: (file: TiffFile) => Promise<T>): Promise<T> {
  const file = TiffFile.open(path);
  if (file === undefined) throw new BflyError('UNSUPPORTED', 'it is not a TIFF');
  try {
    if (file.pages !== 1)
      throw new BflyError('UNSUPPORTED', `it has ${file.pages} pages; one page a file would be right`);
    return await work(file);
  } finally {
    file.close();
  }
}

/** The first dataset of a file, which must be a picture. */
async function withHdf5<T>(path: string, work: (file: Hdf5File, volume: Hdf5Volume) => Promise<T>): Promise<T> {
  const file = await Hdf5File.open(path);
  try {
    const [dataset] = file.datasets();
    const verdict = dataset === undefined ? undefined : file.judgePicture(dataset);
    if (verdict === undefined) throw new BflyError('UNSUPPORTED', 'it has no dataset');
    if ('fault' in verdict) throw new BflyError('UNSUPPORTED', `its dataset "${dataset}" has ${verdict.fault}`);
    if (verdict.volume.storedBytes !== BYTES_PER_VOXEL[verdict.volume.dtype])
      throw new BflyError('UNSUPPORTED', `its dataset "${dataset}" has floats of 64 bits; 32 would be right`);
    return await work(file, verdict.volume);
  } finally {
    file.close();
  }
}
