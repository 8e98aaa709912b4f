/** HDF5: one dataset [z][y][x] of a file is one volume of one level. Chunks are read from the file as they are asked for. */
import { stat } from 'node:fs/promises';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { copyBox } from '../query/copy-box.ts';
import { fileStamp } from './file-stamp.ts';
import { Hdf5File, type Hdf5Volume, hasHdf5Signature } from './hdf5-file.ts';
import type { FoundVolume, RefusedDataset, Source, SourceFormat, SourceInfo, SourceSpec } from './source.ts';
import { quotedName, volumeName } from './volume-name.ts';
import { guessVolumeType, levelOf } from './voxel-type.ts';

/** The library's memory grows to the largest read and never shrinks, so large boxes are read in parts. */
const MAX_READ_BYTES = 32 * 1024 * 1024;
const DEFAULT_BLOCK = 64;
const MAX_NAMES = 8;

/** Files with the HDF5 signature, whatever their name. */
export const hdf5Format: SourceFormat = {
  kind: 'hdf5',
  async find(path: string): Promise<readonly FoundVolume[] | undefined> {
    if (!(await isHdf5(path))) return undefined;
    const file = await Hdf5File.open(path);
    try {
      const { volumes, refused } = judgeAll(file);
      if (volumes.length === 0) throw nothingServable(path, refused);
      return volumes.map(({ dataset }, index) => ({
        spec: { path, dataset },
        name: volumeName(path, volumes.length > 1 ? dataset : undefined),
        kind: 'hdf5',
        ...(index === 0 && refused.length > 0 ? { refused } : {}),
      }));
    } finally {
      file.close();
    }
  },
  async open(spec: SourceSpec): Promise<Source> {
    if (!(await isHdf5(spec.path)))
      throw new BflyError('UNSUPPORTED', `${quotedName(spec.path)} is not a file with the HDF5 signature`);
    const stamp = await fileStamp(spec.path);
    const file = await Hdf5File.open(spec.path);
    try {
      return new Hdf5Source(file, chooseVolume(spec, file), stamp);
    } catch (error) {
      file.close();
      throw error;
    }
  },
};

/** Whether a path is a file with the HDF5 signature. */
export async function isHdf5(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && hasHdf5Signature(path);
}

/** The datasets of a file that can be served, and the others. */
function judgeAll(file: Hdf5File): { readonly volumes: Hdf5Volume[]; readonly refused: RefusedDataset[] } {
  const volumes: Hdf5Volume[] = [];
  const refused: RefusedDataset[] = [];
  for (const dataset of file.datasets()) {
    const verdict = file.judge(dataset);
    if (verdict === undefined) continue;
    if ('volume' in verdict) volumes.push(verdict.volume);
    else refused.push({ dataset, fault: verdict.fault });
  }
  return { volumes, refused };
}

/** The dataset that is named, else `main`, else the first at the top that can be served, else the first anywhere. */
function chooseVolume(spec: SourceSpec, file: Hdf5File): Hdf5Volume {
  const named = spec.dataset?.split('/').filter((part) => part !== '');
  if (named !== undefined && named.length > 0) return volumeNamed(spec.path, file, named.join('/'));
  if (file.judge('main') !== undefined) return volumeNamed(spec.path, file, 'main');
  const { volumes, refused } = judgeAll(file);
  const first = volumes.find(({ dataset }) => !dataset.includes('/')) ?? volumes[0];
  if (first === undefined) throw nothingServable(spec.path, refused);
  return first;
}

function volumeNamed(path: string, file: Hdf5File, dataset: string): Hdf5Volume {
  const verdict = file.judge(dataset);
  if (verdict === undefined) {
    const names = file.datasets();
    const some = names.slice(0, MAX_NAMES).join(', ') || 'none';
    const more = names.length > MAX_NAMES ? ', …' : '';
    throw new BflyError('NOT_FOUND', `${quotedName(path)} has no dataset "${dataset}"; its datasets: ${some}${more}`);
  }
  if ('fault' in verdict)
    throw new BflyError('UNSUPPORTED', `dataset "${dataset}" of ${quotedName(path)} has ${verdict.fault}`);
  return verdict.volume;
}

function nothingServable(path: string, refused: readonly RefusedDataset[]): BflyError {
  const faults = refused.map(({ dataset, fault }) => `"${dataset}" has ${fault}`);
  const which = faults.slice(0, MAX_NAMES).join(', ') || 'there are no datasets at all';
  return new BflyError('UNSUPPORTED', `${quotedName(path)} holds no volume that can be served: ${which}`);
}

class Hdf5Source implements Source {
  readonly info: SourceInfo;
  readonly #file: Hdf5File;
  readonly #volume: Hdf5Volume;

  constructor(file: Hdf5File, volume: Hdf5Volume, stamp: string) {
    this.#file = file;
    this.#volume = volume;
    const { dtype, dataset } = volume;
    const shape = reversed(volume.shape);
    const chunk = volume.chunk === undefined ? undefined : reversed(volume.chunk);
    const clip = (axis: 0 | 1 | 2): number => Math.min(shape[axis], chunk?.[axis] ?? DEFAULT_BLOCK);
    const voxel = voxelSize(file, dataset);
    this.info = {
      kind: 'hdf5',
      type: guessVolumeType(dtype),
      dtype,
      mips: [{ shape, chunk: [clip(0), clip(1), clip(2)], voxel: voxel ?? [1, 1, 1], offset: [0, 0, 0] }],
      voxelKnown: voxel !== undefined,
      fingerprint: `hdf5:${dataset}:${stamp}`,
    };
  }

  async read(mip: number, box: Box): Promise<Uint8Array> {
    levelOf(this.info, mip);
    const [sx, sy, sz] = boxShape(box);
    const parts = partsOf(box, this.#volume);
    if (parts.length === 1) return this.#readPart([box[2], box[1], box[0]], [sz, sy, sx]);
    const bytesPerVoxel = BYTES_PER_VOXEL[this.info.dtype];
    const out = new Uint8Array(sx * sy * sz * bytesPerVoxel);
    for (const part of parts) {
      const [px, py, pz] = boxShape(part);
      copyBox(await this.#readPart([part[2], part[1], part[0]], [pz, py, px]), part, out, box, bytesPerVoxel);
    }
    return out;
  }

  async #readPart(start: Vec3, count: Vec3): Promise<Uint8Array> {
    const stored = await this.#file.read(this.#volume, start, count);
    if (this.#volume.storedBytes === BYTES_PER_VOXEL[this.info.dtype]) return stored;
    const doubles = new Float64Array(stored.buffer, stored.byteOffset, stored.byteLength / 8);
    return new Uint8Array(Float32Array.from(doubles).buffer);
  }

  async close(): Promise<void> {
    this.#file.close();
  }
}

/** Cuts a box into parts of at most `MAX_READ_BYTES`, along z first, at chunk borders where there are any. */
function partsOf(box: Box, volume: Hdf5Volume): Box[] {
  if (volumeOf(boxShape(box)) * volume.storedBytes <= MAX_READ_BYTES) return [box];
  const [x0, y0, z0, x1, y1, z1] = box;
  const [cz, cy, cx] = volume.chunk ?? [1, 1, 1];
  const z = middle(z0, z1, cz);
  if (z !== undefined)
    return [...partsOf([x0, y0, z0, x1, y1, z], volume), ...partsOf([x0, y0, z, x1, y1, z1], volume)];
  const y = middle(y0, y1, cy);
  if (y !== undefined)
    return [...partsOf([x0, y0, z0, x1, y, z1], volume), ...partsOf([x0, y, z0, x1, y1, z1], volume)];
  const x = middle(x0, x1, cx);
  if (x === undefined) return [box];
  return [...partsOf([x0, y0, z0, x, y1, z1], volume), ...partsOf([x, y0, z0, x1, y1, z1], volume)];
}

/** A border between chunks near the middle of a range; undefined where there is none inside it. */
function middle(from: number, to: number, chunk: number): number | undefined {
  const half = Math.round((from + to) / 2 / chunk) * chunk;
  return [half, half - chunk, half + chunk].find((border) => border > from && border < to);
}

function reversed([z, y, x]: readonly [number, number, number]): Vec3 {
  return [x, y, z];
}

/** Voxel size in nm along x, y, z from `resolution` (z, y, x in nm) or `element_size_um` (z, y, x in µm). */
function voxelSize(file: Hdf5File, dataset: string): Vec3 | undefined {
  const fromNm = file.numbers(dataset, 'resolution');
  const scale = fromNm === undefined ? 1000 : 1;
  const [z = 0, y = 0, x = 0, ...rest] = fromNm ?? file.numbers(dataset, 'element_size_um') ?? [];
  if (rest.length > 0 || ![x, y, z].every((size) => Number.isFinite(size) && size > 0)) return undefined;
  const nm = (size: number): number => Number((size * scale).toPrecision(12));
  return [nm(x), nm(y), nm(z)];
}
