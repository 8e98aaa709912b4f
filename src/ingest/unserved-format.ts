/** Knows by sight the formats that are not served, so that what is skipped can be called by its name. */
import { stat } from 'node:fs/promises';
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

const GZIP: UnservedFormat = { name: '.gz', thing: 'file', advice: 'not served yet; gunzip makes a file that is' };

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
  return found?.isFile() === true && PACKED.test(file) ? GZIP : undefined;
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
