/** A folder of images, one a plane, in the natural order of their names. */
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, boxShape } from '../../protocol/volume.ts';
import { copyBox } from '../query/copy-box.ts';
import { fileStamp } from './file-stamp.ts';
import { inParallel } from './in-parallel.ts';
import { admitFile } from './json-file.ts';
import { faultOfPicture, type PictureShape, readPicture, readPictureShape } from './picture-file.ts';
import { RecentValues } from './recent-values.ts';
import type { FoundVolume, Source, SourceFormat, SourceInfo, SourceSpec } from './source.ts';
import { quotedName, volumeName } from './volume-name.ts';
import { guessVolumeType, levelOf } from './voxel-type.ts';

const IMAGE_ENDINGS = new Set(['.png', '.jpg', '.jpeg', '.tif', '.tiff']);
const SLICES_AT_ONCE = 4;
const RECENT_SLICE_BYTES = 128 * 1024 * 1024;

const natural = new Intl.Collator('en', { numeric: true });

/** Folders with at least one PNG, JPEG or TIFF file. Hidden files, other files and sub-folders do not count. */
export const stackFormat: SourceFormat = {
  kind: 'stack',
  async find(path: string): Promise<readonly FoundVolume[] | undefined> {
    const files = await imageFiles(path);
    return files.length === 0 ? undefined : [{ spec: { path }, name: volumeName(path), kind: 'stack' }];
  },
  async open({ path, dataset, within }: SourceSpec): Promise<Source> {
    if (dataset !== undefined)
      throw new BflyError('NOT_FOUND', `${quotedName(path)} is a folder, which holds no datasets`);
    const files = await imageFiles(path);
    const [first] = files;
    if (first === undefined)
      throw new BflyError('UNSUPPORTED', `${quotedName(path)} is not a folder with PNG, JPEG or TIFF files`);
    const shape = await admitted(first, within)
      .then(readPictureShape)
      .catch((cause: unknown) => {
        if (isForbidden(cause)) throw cause;
        throw new BflyError(
          'UNSUPPORTED',
          `the first slice, ${quotedName(first)}, cannot be served: ${faultOfPicture(cause)}`,
          { cause },
        );
      });
    const stamps = await Promise.all([path, first, files.at(-1) ?? first].map(fileStamp));
    return new StackSource(files, within, shape, `stack:${files.length}:${stamps.join(':')}`);
  },
};

/** Orders names as people do: runs of digits by their value, so that "2.png" comes before "10.png". */
export function compareNaturally(a: string, b: string): number {
  return natural.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/** Where a slice really is. @throws BflyError FORBIDDEN, NOT_FOUND */
async function admitted(file: string, within: readonly string[] | undefined): Promise<string> {
  const real = await admitFile(file, within);
  if (real === undefined) throw new BflyError('NOT_FOUND', 'it is not there any more');
  return real;
}

function isForbidden(cause: unknown): boolean {
  return cause instanceof BflyError && cause.code === 'FORBIDDEN';
}

async function imageFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.') || !IMAGE_ENDINGS.has(extname(entry.name).toLowerCase())) continue;
    const target = entry.isSymbolicLink() ? await stat(join(folder, entry.name)).catch(() => undefined) : entry;
    if (target?.isFile() === true) names.push(entry.name);
  }
  return names.sort(compareNaturally).map((name) => join(folder, name));
}

class StackSource implements Source {
  readonly info: SourceInfo;
  readonly #files: readonly string[];
  readonly #within: readonly string[] | undefined;
  readonly #shape: PictureShape;
  readonly #slices = new RecentValues<Uint8Array>(RECENT_SLICE_BYTES, (slice) => slice.length);

  constructor(
    files: readonly string[],
    within: readonly string[] | undefined,
    shape: PictureShape,
    fingerprint: string,
  ) {
    this.#files = files;
    this.#within = within;
    this.#shape = shape;
    const { width, height, dtype } = shape;
    this.info = {
      kind: 'stack',
      type: guessVolumeType(dtype),
      dtype,
      mips: [{ shape: [width, height, files.length], chunk: [width, height, 1], voxel: [1, 1, 1], offset: [0, 0, 0] }],
      voxelKnown: false,
      fingerprint,
    };
  }

  async read(mip: number, box: Box): Promise<Uint8Array> {
    levelOf(this.info, mip);
    const { width, height, dtype } = this.#shape;
    const [sx, sy, sz] = boxShape(box);
    const out = new Uint8Array(sx * sy * sz * BYTES_PER_VOXEL[dtype]);
    await inParallel(SLICES_AT_ONCE, this.#files.slice(box[2], box[5]).entries(), async ([i, path]) => {
      const z = box[2] + i;
      const slice = await this.#slices.get(path, () => this.#readSlice(path));
      copyBox(slice, [0, 0, z, width, height, z + 1], out, box, BYTES_PER_VOXEL[dtype]);
    });
    return out;
  }

  async #readSlice(path: string): Promise<Uint8Array> {
    const { width, height, dtype } = this.#shape;
    const expected = `${width}×${height} ${dtype} grey, as the first slice, would be right`;
    const name = basename(path);
    const slice = await admitted(path, this.#within)
      .then(readPicture)
      .catch((cause: unknown) => {
        if (isForbidden(cause)) throw cause;
        throw new BflyError('INTERNAL', `slice "${name}" cannot be read: ${faultOfPicture(cause)}; ${expected}`, {
          cause,
        });
      });
    if (slice.width !== width || slice.height !== height || slice.dtype !== dtype)
      throw new BflyError('INTERNAL', `slice "${name}" is ${slice.width}×${slice.height} ${slice.dtype}; ${expected}`);
    return slice.bytes;
  }

  async close(): Promise<void> {
    this.#slices.clear();
  }
}
