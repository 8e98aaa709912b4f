/**
 * NIfTI-1 and -2, .nii and .nii.gz: a volume of one level, in the order of voxels that the file has. How it lies in the scanner (sform,
 * qform) is not looked at.
 */
import { access, open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, type DType, type Vec3, viewVoxels } from '../../protocol/volume.ts';
import { chosenIndices, type ExtraAxis, listChoices, splitDataset } from './axis-choice.ts';
import { chunkFault } from './chunked-source.ts';
import { fileStamp } from './file-stamp.ts';
import { isNifti, NIFTI_HEAD_BYTES, type NiftiInfo, readNiftiHeader } from './nifti-header.ts';
import { type NiftiVoxels, openPacked, openPlain } from './nifti-voxels.ts';
import type { FoundVolume, Source, SourceFormat, SourceInfo, SourceSpec } from './source.ts';
import { quotedName, volumeName } from './volume-name.ts';
import { guessVolumeType, levelOf, swapByteOrder } from './voxel-type.ts';

const KIND = 'nifti';
const DEFAULT_BLOCK = 64;
/** So much of a packed file is more than enough to unpack its header. */
const PACKED_HEAD_BYTES = 4_096;

interface NiftiFile {
  readonly info: NiftiInfo;
  readonly isPacked: boolean;
}

/** Files that begin as NIfTI, packed or not, whatever their name. */
export const niftiFormat: SourceFormat = {
  kind: KIND,
  async find(path: string): Promise<readonly FoundVolume[] | undefined> {
    const file = await readHead(path);
    if (file === undefined) return undefined;
    const choices = listChoices(timesOf(file.info)) ?? ['t=0'];
    return choices.map((dataset) => ({
      spec: dataset === '' ? { path } : { path, dataset },
      name: volumeName(path, choices.length === 1 ? undefined : dataset),
      kind: KIND,
    }));
  },
  async open({ path, dataset }: SourceSpec): Promise<Source> {
    const stamp = await fileStamp(path);
    const file = await readHead(path);
    if (file === undefined) throw new BflyError('UNSUPPORTED', `${quotedName(path)} is not a NIfTI file`);
    const { path: inside, choice } = splitDataset(dataset);
    if (inside !== '') throw new BflyError('NOT_FOUND', `${quotedName(path)} is a NIfTI file, which holds no datasets`);
    const [time = 0] = chosenIndices(timesOf(file.info), choice, quotedName(path));
    const voxels = (file.isPacked ? openPacked : openPlain)(path, quotedName(path), file.info, time);
    return new NiftiSource(file.info, voxels, await isAtlas(path, file.info), `${KIND}:${time}:${stamp}`);
  },
};

/** Volumes of a file as an axis. */
function timesOf({ volumes }: NiftiInfo): readonly ExtraAxis[] {
  return volumes === 1 ? [] : [{ name: 't', axis: 3, size: volumes }];
}

/** Labels by their own word, by a table of their names beside them as MRIcron has it, or by their type. */
async function isAtlas(path: string, { isLabel, stored, scaling }: NiftiInfo): Promise<boolean> {
  if (stored.startsWith('float') || scaling !== undefined) return false;
  if (isLabel) return true;
  const table = join(dirname(path), `${basename(path).replace(/\.gz$/i, '')}.txt`);
  return access(table).then(
    () => true,
    () => false,
  );
}

async function readHead(path: string): Promise<NiftiFile | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) return undefined;
  const head = await firstBytes(path);
  const isPacked = head[0] === 0x1f && head[1] === 0x8b;
  const plain = isPacked ? unpackHead(head) : head.subarray(0, NIFTI_HEAD_BYTES);
  if (plain === undefined || !isNifti(plain)) return undefined;
  return { info: readNiftiHeader(plain, quotedName(path)), isPacked };
}

async function firstBytes(path: string): Promise<Uint8Array> {
  const handle = await open(path, 'r');
  try {
    const bytes = new Uint8Array(PACKED_HEAD_BYTES);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function unpackHead(head: Uint8Array): Uint8Array | undefined {
  try {
    // The rest of the file is missing on purpose.
    return gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, NIFTI_HEAD_BYTES);
  } catch {
    return undefined;
  }
}

class NiftiSource implements Source {
  readonly info: SourceInfo;
  readonly #stored: NiftiInfo;
  readonly #voxels: NiftiVoxels;

  constructor(stored: NiftiInfo, voxels: NiftiVoxels, isAtlas: boolean, fingerprint: string) {
    this.#stored = stored;
    this.#voxels = voxels;
    const { shape, voxel } = stored;
    const dtype = stored.scaling === undefined && stored.stored !== 'float64' ? stored.stored : 'float32';
    const block = shape.map((size) => Math.min(size, DEFAULT_BLOCK));
    const chunk: Vec3 = [block[0] ?? 1, block[1] ?? 1, block[2] ?? 1];
    this.info = {
      ...{ kind: KIND, dtype, fingerprint, voxelKnown: voxel !== undefined },
      type: isAtlas ? 'segmentation' : guessVolumeType(dtype),
      mips: [{ shape, chunk, voxel: voxel ?? [1, 1, 1], offset: [0, 0, 0] }],
    };
  }

  async read(mip: number, box: Box): Promise<Uint8Array> {
    levelOf(this.info, mip);
    const bytes = await this.#voxels.read(box).catch((cause: unknown) => {
      throw chunkFault('the file is broken', cause);
    });
    const { stored, bytesPerVoxel, isBigEndian, scaling } = this.#stored;
    if (isBigEndian) swapByteOrder(bytes, bytesPerVoxel);
    return stored === this.info.dtype && scaling === undefined ? bytes : asFloat(bytes, stored, scaling);
  }

  async close(): Promise<void> {
    this.#voxels.close();
  }
}

/** The values that stored ones mean, as float32. */
function asFloat(bytes: Uint8Array, stored: DType | 'float64', scaling: NiftiInfo['scaling']): Uint8Array {
  const values =
    stored === 'float64'
      ? new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)
      : viewVoxels(stored, bytes);
  const { slope, intercept } = scaling ?? { slope: 1, intercept: 0 };
  const out = new Float32Array(bytes.length / (stored === 'float64' ? 8 : BYTES_PER_VOXEL[stored]));
  for (let i = 0; i < out.length; i++) out[i] = slope * Number(values[i]) + intercept;
  return new Uint8Array(out.buffer);
}
