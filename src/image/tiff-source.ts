/** TIFF: the pages of one file are the planes of one volume of one level. */
import { stat } from 'node:fs/promises';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, volumeOf } from '../../protocol/volume.ts';
import { fileStamp } from './file-stamp.ts';
import { inParallel } from './in-parallel.ts';
import type { FoundVolume, Source, SourceFormat, SourceInfo, SourceSpec } from './source.ts';
import { TiffFile } from './tiff-file.ts';
import { quotedName, volumeName } from './volume-name.ts';
import { guessVolumeType, levelOf } from './voxel-type.ts';

const PAGES_AT_ONCE = 4;

/** TIFF and BigTIFF files by their first bytes, whatever their name. */
export const tiffFormat: SourceFormat = {
  kind: 'tiff',
  async find(path: string): Promise<readonly FoundVolume[] | undefined> {
    const file = await openFile(path);
    if (file === undefined) return undefined;
    file.close();
    return [{ spec: { path }, name: volumeName(path), kind: 'tiff' }];
  },
  async open({ path, dataset }: SourceSpec): Promise<Source> {
    if (dataset !== undefined)
      throw new BflyError('NOT_FOUND', `${quotedName(path)} is a TIFF, which holds no datasets`);
    const stamp = await fileStamp(path);
    const file = await openFile(path);
    if (file === undefined) throw new BflyError('UNSUPPORTED', `${quotedName(path)} is not a TIFF file`);
    return new TiffSource(file, stamp);
  },
};

async function openFile(path: string): Promise<TiffFile | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true ? TiffFile.open(path) : undefined;
}

class TiffSource implements Source {
  readonly info: SourceInfo;
  readonly #file: TiffFile;

  constructor(file: TiffFile, stamp: string) {
    this.#file = file;
    const { width, height, pages, dtype } = file;
    this.info = {
      kind: 'tiff',
      type: guessVolumeType(dtype),
      dtype,
      mips: [{ shape: [width, height, pages], chunk: [width, height, 1], voxel: [1, 1, 1], offset: [0, 0, 0] }],
      voxelKnown: false,
      fingerprint: `tiff:${stamp}`,
    };
  }

  async read(mip: number, box: Box): Promise<Uint8Array> {
    levelOf(this.info, mip);
    const [sx, sy, sz] = boxShape(box);
    const planeBytes = sx * sy * BYTES_PER_VOXEL[this.info.dtype];
    const out = new Uint8Array(volumeOf([planeBytes, 1, sz]));
    await inParallel(PAGES_AT_ONCE, Array(sz).keys(), async (z) => {
      out.set(await this.#file.read(box[2] + z, box[0], box[1], box[3], box[4]), z * planeBytes);
    });
    return out;
  }

  async close(): Promise<void> {
    this.#file.close();
  }
}
