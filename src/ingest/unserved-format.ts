/** Knows by sight the formats that are not served, so that what is skipped can be called by its name. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../protocol/errors.ts';

/** A format that is known and not served. */
export interface UnservedFormat {
  readonly name: string;
  /** What one volume of it is. */
  readonly thing: 'file' | 'folder';
  /** Why it is not served, or what to do. */
  readonly advice: string;
}

const NOT_YET = 'not served yet';
const N5: UnservedFormat = { name: 'N5', thing: 'folder', advice: NOT_YET };
const ZARR: UnservedFormat = { name: 'Zarr', thing: 'folder', advice: NOT_YET };
const NIFTI: UnservedFormat = { name: 'NIfTI', thing: 'file', advice: NOT_YET };
const GZIP: UnservedFormat = { name: '.gz', thing: 'file', advice: 'not served yet; gunzip makes a file that is' };

/** Files that make a folder what it is. */
const ZARR_FILES = ['.zarray', '.zgroup', 'zarr.json'];
/** Keys that the attributes of an N5 container, group or dataset have. */
const N5_KEYS = ['n5', 'dimensions', 'multiscales', 'downsamplingFactors', 'scales'];
/** Volumes that are packed once more. */
const PACKED = /\.(h5|hdf5?|tiff?|dat|raw|npy|mrc|nrrd|am)\.gz$/i;

/**
 * Names the format of something that no format takes.
 *
 * @param file a file or folder.
 * @returns undefined where it is nothing that is known.
 */
export async function unservedFormat(file: string): Promise<UnservedFormat | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory() === true) return formatOfFolder(file);
  if (/\.nii(\.gz)?$/i.test(file)) return NIFTI;
  return PACKED.test(file) ? GZIP : undefined;
}

async function formatOfFolder(folder: string): Promise<UnservedFormat | undefined> {
  const names = await readdir(folder).catch((): string[] => []);
  if (ZARR_FILES.some((name) => names.includes(name)) || /\.zarr$/i.test(folder)) return ZARR;
  if (/\.n5$/i.test(folder)) return N5;
  const attributes = names.includes('attributes.json') ? await readMap(path.join(folder, 'attributes.json')) : {};
  return N5_KEYS.some((key) => Object.hasOwn(attributes, key)) ? N5 : undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** What a JSON file holds; nothing where it is none. */
async function readMap(file: string): Promise<Fields> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}; // any object has fields
  } catch {
    return {};
  }
}

/** The error for a volume of such a format; `discover` finds the format in it by `unservedIn`. */
export function unservedError(file: string, format: UnservedFormat): BflyError {
  const { name, advice } = format;
  return new BflyError('UNSUPPORTED', `"${path.basename(file)}" is ${name}: ${advice}`, {
    details: { kind: name, unserved: format },
  });
}

/** The format that an error of `unservedError` is about. */
export function unservedIn(error: unknown): UnservedFormat | undefined {
  // Only `unservedError` sets it.
  return error instanceof BflyError ? (error.details?.['unserved'] as UnservedFormat | undefined) : undefined;
}
