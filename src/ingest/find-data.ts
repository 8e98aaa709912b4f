/** Asks every format for the volumes at a path, and keeps apart what is no data and what is broken data. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import { bossFormat } from '../image/boss-source.ts';
import { findVolumes, formatsFor, openSource, resolveSpec } from '../image/open-source.ts';
import type { FoundVolume } from '../image/source.ts';
import { isRemoteUrl } from '../utility/remote-url.ts';
import { unservedError, unservedFormat } from './unserved-format.ts';

/** Beside such a file or folder, images are pictures of it rather than the slices of a volume. */
const VOLUME_OF_ITS_OWN = /\.(h5|hdf5?|nii(\.gz)?|zarr|n5)$/i;

/**
 * Lists the volumes at a path, for `discover`.
 *
 * @param file path of a file or folder, which may go on inside an HDF5 file; or an address.
 * @returns undefined where no format knows the path, or where a folder of images holds volumes rather than slices.
 * @throws BflyError NOT_FOUND; UNSUPPORTED with `details.kind` where a format knows it and cannot read it, or where it is of a format
 *   that is known by name alone, see `unservedIn`.
 */
export async function findData(file: string): Promise<readonly FoundVolume[] | undefined> {
  const spec = await resolveSpec(file);
  if (spec.dataset !== undefined || isRemoteUrl(file)) return findVolumes(file);
  let broken: BflyError | undefined;
  for (const { kind, find } of formatsFor(spec.path)) {
    try {
      const volumes = await find(spec.path);
      if (volumes !== undefined) return kind === 'stack' ? await judgeStack(volumes) : volumes;
    } catch (error) {
      if (!(error instanceof BflyError) || error.code !== 'UNSUPPORTED') throw error;
      broken ??= new BflyError('UNSUPPORTED', error.message, { details: { kind }, cause: error });
    }
  }
  if (broken !== undefined) throw broken;
  const format = await unservedFormat(spec.path);
  if (format !== undefined) throw unservedError(spec.path, format);
  return undefined;
}

/** Any folder with an image passes for a stack; here it is one only where its images can be slices. */
async function judgeStack(volumes: readonly FoundVolume[]): Promise<readonly FoundVolume[] | undefined> {
  for (const { spec } of volumes) {
    const names = (await readdir(spec.path)).filter((name) => !name.startsWith('.'));
    if (names.some((name) => VOLUME_OF_ITS_OWN.test(name))) return undefined;
    // Beside the index of a grid they are its tiles.
    for (const name of names)
      if ((await bossFormat.find(path.join(spec.path, name)).catch(() => [])) !== undefined) return undefined;
    try {
      await (await openSource(spec)).close();
    } catch (error) {
      // TIFFs of several pages are volumes one by one.
      if (error instanceof BflyError && names.some((name) => /\.tiff?$/i.test(name))) return undefined;
      throw error;
    }
  }
  return volumes;
}
