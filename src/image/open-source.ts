/** Finds out what a path holds. The list below is all there is to add a format to. */
import { stat } from 'node:fs/promises';
import { basename, dirname, relative, resolve, sep } from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import { isRemoteUrl, plainRemoteUrl } from '../utility/remote-url.ts';
import { isChoice } from './axis-choice.ts';
import { bossFormat } from './boss-source.ts';
import { hdf5JsonFormat } from './hdf5-json-source.ts';
import { hdf5Format, isHdf5 } from './hdf5-source.ts';
import { mojoFormat } from './mojo-source.ts';
import { n5Format } from './n5-source.ts';
import { niftiFormat } from './nifti-source.ts';
import { precomputedFormat } from './precomputed-source.ts';
import type { FoundVolume, Source, SourceFormat, SourceSpec } from './source.ts';
import { stackFormat } from './stack-source.ts';
import { tiffFormat } from './tiff-source.ts';
import { quotedName, volumeName } from './volume-name.ts';
import { zarrFormat } from './zarr-source.ts';

/** A format, and what it says of a path that is not of its kind. */
interface Registered {
  readonly format: SourceFormat;
  readonly otherwise: string;
  /** Volumes of it may lie on a server. */
  readonly isRemote?: true;
}

/** Every format that can be read, in the order in which they are tried. */
const REGISTRY: readonly Registered[] = [
  { format: hdf5Format, otherwise: 'not a file with the HDF5 signature' },
  { format: hdf5JsonFormat, otherwise: 'not a JSON list of HDF5 files' },
  { format: bossFormat, otherwise: 'not a JSON index of tiles' },
  { format: mojoFormat, otherwise: 'not a folder with a tiledVolumeDescription.xml' },
  { format: precomputedFormat, otherwise: 'not a folder with an info file', isRemote: true },
  { format: zarrFormat, otherwise: 'not a folder with a zarr.json, .zarray or .zgroup', isRemote: true },
  { format: n5Format, otherwise: 'not a folder with an attributes.json of N5', isRemote: true },
  { format: tiffFormat, otherwise: 'not a file that begins as a TIFF' },
  { format: niftiFormat, otherwise: 'not a file that begins as NIfTI' },
  { format: stackFormat, otherwise: 'not a folder with PNG, JPEG or TIFF files' },
];

/** Every format that can be read, in the order in which they are tried. */
export const SOURCE_FORMATS: readonly SourceFormat[] = REGISTRY.map(({ format }) => format);

const registeredFor = (path: string): readonly Registered[] =>
  isRemoteUrl(path) ? REGISTRY.filter(({ isRemote }) => isRemote) : REGISTRY;

/** The formats that a path may be of: all, or for an address those that can be read over HTTP. */
export function formatsFor(path: string): readonly SourceFormat[] {
  return registeredFor(path).map(({ format }) => format);
}

/**
 * Says which file a path means. A path may go on inside an HDF5 file as in h5ls: `crop.h5/volumes/raw` is dataset `volumes/raw` of `crop.h5`.
 * It may end with a choice from the further axes of an array: `cells.zarr/c=1`.
 *
 * @param path of a file or folder, made absolute; or an address.
 * @throws BflyError NOT_FOUND where there is no such file or folder.
 */
export async function resolveSpec(path: string): Promise<SourceSpec> {
  if (isRemoteUrl(path)) return remoteSpec(plainRemoteUrl(path));
  const whole = resolve(path);
  for (let file = whole; ; file = dirname(file)) {
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined && file === whole) return { path: whole };
    if (found?.isFile() === true && (await isHdf5(file)))
      return { path: file, dataset: relative(file, whole).split(sep).join('/') };
    if (found !== undefined && dirname(whole) === file && isChoice(basename(whole)))
      return { path: file, dataset: basename(whole) };
    if (found !== undefined || dirname(file) === file)
      throw new BflyError('NOT_FOUND', `there is no file or folder ${quotedName(whole)}`);
  }
}

function remoteSpec(url: string): SourceSpec {
  const { origin, pathname, search } = new URL(url);
  const last = decodeURIComponent(basename(pathname));
  return isChoice(last) ? { path: `${origin}${dirname(pathname)}${search}`, dataset: last } : { path: url };
}

/**
 * Lists the volumes at a path.
 *
 * @param path as in `resolveSpec`; a path that ends at a group of an HDF5 file gives the volumes within it.
 * @returns at least one volume, each with an absolute path.
 * @throws BflyError NOT_FOUND (no such path, no such dataset), UNSUPPORTED with the reason of each format.
 */
export async function findVolumes(path: string): Promise<readonly FoundVolume[]> {
  const spec = await resolveSpec(path);
  const { volumes, format } = await probe(spec.path);
  const { dataset } = spec;
  if (dataset === undefined) return volumes;
  const inside = volumes.filter(
    ({ spec: { dataset: name = '' } }) => name === dataset || name.startsWith(`${dataset}/`),
  );
  if (inside.length > 0) return inside;
  // What is there but is not listed cannot be served: opening it says why.
  await (await format.open(spec)).close();
  return [{ spec, name: volumeName(spec.path, dataset), kind: format.kind }];
}

/**
 * Opens a volume by the first format that takes its path.
 *
 * @param spec with an absolute path, as `findVolumes` and `resolveSpec` give it.
 * @throws BflyError NOT_FOUND (no such path, no such dataset), UNSUPPORTED with the reason of each format.
 */
export async function openSource(spec: SourceSpec): Promise<Source> {
  if (!isRemoteUrl(spec.path))
    await stat(spec.path).catch((cause: unknown) => {
      throw new BflyError('NOT_FOUND', `there is no file or folder ${quotedName(spec.path)}`, { cause });
    });
  // A named dataset may be fine where others in its file are not, so such files are not listed first.
  if (spec.dataset !== undefined && (await isHdf5(spec.path))) return hdf5Format.open(spec);
  return (await formatOf(spec.path)).open(spec);
}

/** The first format that takes a path, found without listing what is there as far as that can be. */
async function formatOf(path: string): Promise<SourceFormat> {
  for (const format of formatsFor(path)) {
    // What is broken is found again below, with what the others say.
    const isIt = await (format.takes?.(path) ?? format.find(path)).catch((error: unknown) => unlessUnsupported(error));
    if (isIt !== undefined && isIt !== false) return format;
  }
  return (await probe(path)).format;
}

function unlessUnsupported(error: unknown): undefined {
  if (!(error instanceof BflyError) || error.code !== 'UNSUPPORTED') throw error;
}

/** What the first format that takes a path finds there. */
async function probe(
  path: string,
): Promise<{ readonly format: SourceFormat; readonly volumes: readonly FoundVolume[] }> {
  const reasons: string[] = [];
  for (const { format, otherwise } of registeredFor(path)) {
    try {
      const volumes = await format.find(path);
      if (volumes !== undefined) return { format, volumes };
      reasons.push(`${format.kind}: ${otherwise}`);
    } catch (error) {
      if (!(error instanceof BflyError) || error.code !== 'UNSUPPORTED') throw error;
      reasons.push(`${format.kind}: ${error.message}`);
    }
  }
  throw new BflyError('UNSUPPORTED', `no format takes ${quotedName(path)} (${reasons.join('; ')})`);
}
