/**
 * Mojo and Dojo: a folder with `tiledVolumeDescription.xml` and tiles in `tiles/w=00000000/z=00000000/y=00000000,x=00000000.tif`. Its
 * levels are those that are stored; x and y are halved from one to the next, z never is. Beside it, or above it, stand the folders
 * `images` and `ids` of a whole set. The names of segments in `segmentInfo.db` are not read.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { BflyError } from '../../protocol/errors.ts';
import type { DType, MipInfo, Vec3 } from '../../protocol/volume.ts';
import { fileStamp } from './file-stamp.ts';
import { admitFile } from './json-file.ts';
import { PICTURE_ENDINGS, type Picture, readPictureIfThere } from './picture-file.ts';
import type { FoundVolume, Source, SourceFormat, SourceSpec } from './source.ts';
import { TiledSource, type TileGrid, type TilePlace } from './tiled-source.ts';
import { quotedName, volumeName } from './volume-name.ts';
import { dtypeOf, guessVolumeType } from './voxel-type.ts';

const DESCRIPTION = 'tiledVolumeDescription.xml';
const MAX_DESCRIPTION_BYTES = 1024 * 1024;
/** The volumes of a set, by their folders. */
const PARTS = ['images', 'ids'];
const MAX_LEVELS = 32;

/** What a description says. */
interface Description {
  readonly dtype: DType;
  /** x, y, z of the finest level. */
  readonly shape: Vec3;
  /** Voxels of a tile. */
  readonly width: number;
  readonly height: number;
  readonly levels: number;
  /** With its point. */
  readonly ending: string;
}

/** Folders with a description, and folders whose `images` or `ids` have one. */
export const mojoFormat: SourceFormat = {
  kind: 'mojo',
  async find(path: string): Promise<readonly FoundVolume[] | undefined> {
    if ((await readDescription(path)) !== undefined) return [{ spec: { path }, name: volumeName(path), kind: 'mojo' }];
    const parts = await partsOf(path);
    if (parts.length === 0) return undefined;
    return parts.map((name) => ({ spec: { path: join(path, name) }, name, kind: 'mojo' }));
  },
  async open({ path, dataset, within }: SourceSpec): Promise<Source> {
    if (dataset !== undefined)
      throw new BflyError('NOT_FOUND', `${quotedName(path)} is a folder, which holds no datasets`);
    const description = await readDescription(path);
    if (description !== undefined) return openVolume(path, description, within);
    const [part, another] = await partsOf(path);
    if (part === undefined) throw new BflyError('UNSUPPORTED', `${quotedName(path)} has no ${DESCRIPTION}`);
    if (another !== undefined)
      throw new BflyError(
        'UNSUPPORTED',
        `${quotedName(path)} holds two volumes: name its folder ${part} or ${another}`,
      );
    return mojoFormat.open({ path: join(path, part) });
  },
};

/** The volumes of a set; one that is broken is told when it is opened, unless all are. */
async function partsOf(folder: string): Promise<string[]> {
  const parts: string[] = [];
  const faults: unknown[] = [];
  for (const name of PARTS) {
    const found = await readDescription(join(folder, name)).catch((fault: unknown) => faults.push(fault));
    if (found !== undefined) parts.push(name);
  }
  if (parts.length > 0 && parts.length === faults.length) throw faults[0];
  return parts;
}

async function openVolume(
  path: string,
  description: Description,
  within: readonly string[] | undefined,
): Promise<Source> {
  const { dtype, shape, width, height, levels, ending } = description;
  const mips = Array.from({ length: levels }, (_, w): MipInfo => {
    const [x, y] = [Math.ceil(shape[0] / 2 ** w), Math.ceil(shape[1] / 2 ** w)];
    return {
      ...{ shape: [x, y, shape[2]], chunk: [Math.min(width, x), Math.min(height, y), 1] },
      ...{ voxel: [2 ** w, 2 ** w, 1], offset: [0, 0, 0] },
    };
  });
  const folders = mips.map((_, w) => join(path, 'tiles', `w=${eight(w)}`));
  const stamps = await Promise.all([join(path, DESCRIPTION), ...folders].map(fileStamp));
  const type = basename(path) === 'ids' ? 'segmentation' : guessVolumeType(dtype);
  const nameOf = ({ mip, z, row, column }: TilePlace): string =>
    `tiles/w=${eight(mip)}/z=${eight(z)}/y=${eight(row)},x=${eight(column)}${ending}`;
  const read = async (place: TilePlace): Promise<Picture | undefined> => {
    const file = await admitFile(join(path, nameOf(place)), within);
    return file === undefined ? undefined : readPictureIfThere(file);
  };
  const grid: TileGrid = { width, height, nameOf, read };
  return new TiledSource(
    { kind: 'mojo', type, dtype, mips, voxelKnown: false, fingerprint: `mojo:${stamps.join(':')}` },
    grid,
  );
}

const eight = (n: number): string => String(n).padStart(8, '0');

/** @returns undefined where the folder has none. @throws BflyError UNSUPPORTED naming the attribute that is wrong. */
async function readDescription(folder: string): Promise<Description | undefined> {
  const file = join(folder, DESCRIPTION);
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true) return undefined;
  if (found.size > MAX_DESCRIPTION_BYTES) throw unreadable(folder, `has ${found.size} bytes, more than it can need`);
  const text = await readFile(file, 'utf8');
  const fault = XMLValidator.validate(text);
  if (fault !== true) throw unreadable(folder, `is not XML: ${fault.err.msg} (line ${fault.err.line})`);
  const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '', processEntities: false });
  const tree: unknown = parser.parse(text);
  const attributes = childOf(tree, 'tiledVolumeDescription');
  if (attributes === undefined) throw unreadable(folder, 'has no element tiledVolumeDescription');
  return describe(folder, (name) => childOf(attributes, name));
}

function describe(folder: string, attribute: (name: string) => unknown): Description {
  const count = (name: string): number => {
    const value = Number(attribute(name));
    if (Number.isSafeInteger(value) && value > 0) return value;
    throw unreadable(folder, `must have a whole number above 0 as ${name}; ${shown(attribute(name))}`);
  };
  const bytes = count('numBytesPerVoxel');
  const dtype = numberType(bytes, attribute);
  if (dtype === undefined) throw unreadable(folder, `must have 1, 2, 4 or 8 as numBytesPerVoxel; it is "${bytes}"`);
  const depth = count('numVoxelsPerTileZ');
  if (depth !== 1) throw unreadable(folder, `has tiles of ${depth} planes (numVoxelsPerTileZ); 1 can be read`);
  const levels = count('numTilesW');
  if (levels > MAX_LEVELS)
    throw unreadable(folder, `has ${levels} levels (numTilesW); at most ${MAX_LEVELS} can be read`);
  const ending = `.${String(attribute('fileExtension')).replace(/^\./, '')}`;
  if (!PICTURE_ENDINGS.includes(ending.toLowerCase()))
    throw unreadable(
      folder,
      `must have one of ${PICTURE_ENDINGS.join(' ')} as fileExtension; ${shown(attribute('fileExtension'))}`,
    );
  return {
    ...{ dtype, levels, ending, width: count('numVoxelsPerTileX'), height: count('numVoxelsPerTileY') },
    shape: [count('numVoxelsX'), count('numVoxelsY'), count('numVoxelsZ')],
  };
}

/** Unsigned, as Butterfly read all of them, unless the description says otherwise. */
function numberType(bytes: number, attribute: (name: string) => unknown): DType | undefined {
  const isFloat = /float/i.test(String(attribute('dxgiFormat')));
  if (isFloat) return dtypeOf('float', bytes * 8);
  return dtypeOf(attribute('isSigned') === 'true' ? 'signed' : 'unsigned', bytes * 8);
}

function shown(value: unknown): string {
  return value === undefined ? 'it is missing' : `it is ${JSON.stringify(value).slice(0, 80)}`;
}

function unreadable(folder: string, what: string): BflyError {
  return new BflyError('UNSUPPORTED', `${DESCRIPTION} of ${quotedName(folder)} ${what}`);
}

function childOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
