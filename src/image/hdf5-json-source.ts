/**
 * HDF5 files that follow each other in z: a JSON file `{filename, "dataset-path", "z-offset"}`, or a list of these. File names are
 * relative to the JSON file. Planes that no file has are zeros; where files overlap, the one that begins later counts.
 */
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, type MipInfo, volumeOf } from '../../protocol/volume.ts';
import { copyBox } from '../query/copy-box.ts';
import { fileStamp } from './file-stamp.ts';
import { hdf5Format } from './hdf5-source.ts';
import { admitFile, fileNamedIn, isMap, readJsonFile, wholeNumber } from './json-file.ts';
import type { FoundVolume, Source, SourceFormat, SourceInfo, SourceSpec } from './source.ts';
import { quotedName, volumeName } from './volume-name.ts';
import { levelOf } from './voxel-type.ts';

/** Names that only such lists have, as they stand in the file. */
const isList = (bytes: Buffer): boolean =>
  bytes.includes('"filename"') && OWN.some((name) => bytes.includes(`"${name}"`));
const OWN = ['dataset-path', 'z-offset'];
const MAX_LIST_BYTES = 4 * 1024 * 1024;
/** Each is open as long as the volume is. */
const MAX_FILES = 1024;

/** One file of a list. */
interface Part {
  /** Absolute. */
  readonly file: string;
  readonly dataset: string | undefined;
  /** Its first plane. */
  readonly z: number;
}

/** A file that is open. */
interface OpenPart extends Part {
  readonly source: Source;
  /** Behind its last plane. */
  readonly end: number;
}

/** JSON files with the names of HDF5 files. */
export const hdf5JsonFormat: SourceFormat = {
  kind: 'hdf5-json',
  async find(path: string): Promise<readonly FoundVolume[] | undefined> {
    if ((await readParts(path)) === undefined) return undefined;
    return [{ spec: { path }, name: volumeName(path.replace(/\.json$/i, '')), kind: 'hdf5-json' }];
  },
  async open({ path, dataset, within }: SourceSpec): Promise<Source> {
    if (dataset !== undefined)
      throw new BflyError('NOT_FOUND', `${quotedName(path)} is a list of files, which holds no datasets`);
    const stamp = await fileStamp(path);
    const parts = await readParts(path);
    if (parts === undefined) throw new BflyError('UNSUPPORTED', `${quotedName(path)} is not a list of HDF5 files`);
    const opened: OpenPart[] = [];
    try {
      for (const part of parts) opened.push(await openPart(part, within));
      return new Hdf5JsonSource(opened, `hdf5-json:${stamp}`);
    } catch (error) {
      for (const { source } of opened) await source.close();
      throw error;
    }
  },
};

/** @returns undefined where the file is something else. @throws BflyError UNSUPPORTED naming the field that is wrong. */
async function readParts(path: string): Promise<Part[] | undefined> {
  const value = await readJsonFile(path, isList, MAX_LIST_BYTES);
  const items: unknown[] = Array.isArray(value) ? value : [value];
  const isPart = (item: unknown): boolean =>
    isMap(item) && Object.hasOwn(item, 'filename') && OWN.some((name) => Object.hasOwn(item, name));
  if (items.length === 0 || !items.every(isPart)) return undefined;
  if (items.length > MAX_FILES)
    throw new BflyError(
      'UNSUPPORTED',
      `${quotedName(path)} lists ${items.length} files; at most ${MAX_FILES} can be read`,
    );
  const parts = items.map((item, i) => readPart(path, Array.isArray(value) ? `[${i}]` : '', item));
  return parts.sort((a, b) => a.z - b.z);
}

function readPart(path: string, at: string, item: unknown): Part {
  const wrong = (field: string, right: string): BflyError =>
    new BflyError('UNSUPPORTED', `${quotedName(path)}${at}.${field} must be ${right}`);
  const { filename, 'dataset-path': dataset, 'z-offset': offset } = isMap(item) ? item : {};
  if (typeof filename !== 'string' || filename === '') throw wrong('filename', 'the name of an HDF5 file');
  if (dataset !== undefined && typeof dataset !== 'string') throw wrong('dataset-path', 'the name of a dataset');
  const z = offset === undefined ? 0 : wholeNumber(offset);
  if (z === undefined || z < 0) throw wrong('z-offset', 'a whole number of planes from 0 up');
  return { file: fileNamedIn(path, filename), dataset, z };
}

async function openPart(part: Part, within: readonly string[] | undefined): Promise<OpenPart> {
  const file = await admitFile(part.file, within);
  if (file === undefined) throw new BflyError('NOT_FOUND', `there is no file or folder ${quotedName(part.file)}`);
  // What Butterfly took where it found no "main" is what the file is opened by without a name.
  const source = await hdf5Format.open(
    part.dataset === undefined || part.dataset === 'main' ? { path: file } : { path: file, dataset: part.dataset },
  );
  return { ...part, source, end: part.z + levelOf(source.info, 0).shape[2] };
}

class Hdf5JsonSource implements Source {
  readonly info: SourceInfo;
  readonly #parts: readonly OpenPart[];

  /** @param parts by their first plane. @throws BflyError UNSUPPORTED where they do not go together. */
  constructor(parts: readonly OpenPart[], stamp: string) {
    this.#parts = parts;
    const [first] = parts as readonly [OpenPart]; // there is one at least
    const { dtype, type, voxelKnown } = first.source.info;
    const { shape, chunk, voxel } = levelOf(first.source.info, 0);
    for (const part of parts) {
      const { info } = part.source;
      const [x, y] = levelOf(info, 0).shape;
      if (info.dtype === dtype && x === shape[0] && y === shape[1]) continue;
      const right = `${shape[0]}×${shape[1]} ${dtype}, as in ${quotedName(first.file)}, would be right`;
      throw new BflyError('UNSUPPORTED', `${quotedName(part.file)} has planes of ${x}×${y} ${info.dtype}; ${right}`);
    }
    const depth = Math.max(...parts.map(({ end }) => end));
    const mip: MipInfo = { shape: [shape[0], shape[1], depth], chunk, voxel, offset: [0, 0, 0] };
    const fingerprint = [stamp, ...parts.map(({ source }) => source.info.fingerprint)].join(':');
    this.info = { kind: 'hdf5-json', type, dtype, mips: [mip], voxelKnown, fingerprint };
  }

  async read(mip: number, box: Box): Promise<Uint8Array> {
    levelOf(this.info, mip);
    const size = BYTES_PER_VOXEL[this.info.dtype];
    const out = new Uint8Array(volumeOf(boxShape(box)) * size);
    const [x0, y0, z0, x1, y1, z1] = box;
    // In order, so that a later file overwrites what an earlier one has.
    for (const { source, z, end } of this.#parts) {
      const [from, to] = [Math.max(z0, z), Math.min(z1, end)];
      if (from >= to) continue;
      const voxels = await source.read(0, [x0, y0, from - z, x1, y1, to - z]);
      copyBox(voxels, [x0, y0, from, x1, y1, to], out, box, size);
    }
    return out;
  }

  async close(): Promise<void> {
    for (const { source } of this.#parts) await source.close();
  }
}
