/**
 * One N5 dataset: its attributes and its blocks.
 *
 * Source: saalfeldlab/n5, "File-system specification"
 */
import { BflyError } from '../../protocol/errors.ts';
import type { Vec3 } from '../../protocol/volume.ts';
import type { AxisRoles } from './axis-choice.ts';
import { type Compression, unpack } from './byte-codecs.ts';
import type { ByteStore } from './byte-store.ts';
import { copyStrided } from './copy-strided.ts';
import { joinPath } from './name-path.ts';
import { swapByteOrder } from './voxel-type.ts';
import { type StoredType, storedTypeV3 } from './zarr-dtype.ts';
import { isObject, type Json, wrongField } from './zarr-metadata.ts';

/** What the attributes of a dataset say. The first axis is the fastest. */
export interface N5Info {
  readonly shape: readonly number[];
  readonly block: readonly number[];
  readonly type: StoredType;
  /** Undefined = as they are. */
  readonly compression: Compression | undefined;
}

const COMPRESSIONS: Readonly<Record<string, Compression | undefined>> = {
  raw: undefined,
  gzip: 'gzip',
  bzip2: 'bz2',
  xz: 'xz',
  blosc: 'blosc',
  lz4: 'lz4-java',
  zstd: 'zstd',
};
const MAX_AXES = 16;
const MAX_BLOCK_BYTES = 512 * 1024 * 1024;

/** Whether attributes are of a dataset, rather than of a group. */
export function isN5Dataset(json: Json): boolean {
  return json['dimensions'] !== undefined && json['dataType'] !== undefined;
}

/**
 * Reads the attributes of a dataset.
 *
 * @param file what messages call them.
 * @throws BflyError UNSUPPORTED naming the field that is wrong and what would be right.
 */
export function readN5Info(file: string, json: Json): N5Info {
  const shape = sizes(file, 'dimensions', json['dimensions'], undefined);
  const block = sizes(file, 'blockSize', json['blockSize'], shape.length);
  const dataType = json['dataType'];
  if (dataType === 'bool') throw wrongField(file, 'dataType', '(u)int8 to 64, float32 or float64', dataType);
  const type = storedTypeV3(file, dataType, 'dataType');
  if (block.reduce((a, b) => a * b, 1) * type.bytes > MAX_BLOCK_BYTES)
    throw wrongField(file, 'blockSize', `of at most ${MAX_BLOCK_BYTES / 2 ** 20} MiB, unpacked`, block);
  const packed = json['compression'];
  const name = isObject(packed) ? packed['type'] : (packed ?? json['compressionType'] ?? 'raw');
  if (typeof name !== 'string' || !Object.hasOwn(COMPRESSIONS, name))
    throw wrongField(file, 'compression.type', Object.keys(COMPRESSIONS).join(', '), name);
  const isZlib = name === 'gzip' && isObject(packed) && packed['useZlib'] === true;
  return { shape, block, type, compression: isZlib ? 'zlib' : COMPRESSIONS[name] };
}

function sizes(file: string, field: string, value: unknown, count: number | undefined): readonly number[] {
  const isList = Array.isArray(value) && value.length <= MAX_AXES && value.length === (count ?? value.length);
  if (!isList || value.length === 0 || !value.every((size) => Number.isSafeInteger(size) && size > 0))
    throw wrongField(file, field, `${count ?? 'a list of'} whole numbers above 0`, value);
  return value;
}

/** Blocks of one dataset, or of one channel or time of it. Reads may run concurrently. */
export class N5Blocks {
  readonly #store: ByteStore;
  readonly #folder: string;
  readonly #info: N5Info;
  readonly #roles: AxisRoles;
  readonly #indices: readonly number[];

  /** @param indices where the volume is on each of `roles.others`. */
  constructor(store: ByteStore, folder: string, info: N5Info, roles: AxisRoles, indices: readonly number[]) {
    this.#store = store;
    this.#folder = folder;
    this.#info = info;
    this.#roles = roles;
    this.#indices = indices;
  }

  /**
   * Reads a block.
   *
   * @param shape wanted of it, from its first voxel on.
   * @returns owned voxels, x fastest, little-endian; undefined where there is no such block.
   * @throws Error whose message goes on after "it".
   */
  async read(index: Vec3, shape: Vec3): Promise<Uint8Array | undefined> {
    const { block, type } = this.#info;
    const mostBytes = 2 * block.reduce((a, b) => a * b, 1) * type.bytes + 65_536;
    const stored = await this.#store.get(joinPath(this.#folder, this.nameOf(index)), mostBytes);
    if (stored === undefined) return undefined;
    const { sizes: stands, voxels } = await decodeBlock(stored, this.#info);
    const steps = stands.map((_, axis) => stands.slice(0, axis).reduce((a, b) => a * b, 1));
    const { x, y, z, others } = this.#roles;
    let start = 0;
    for (const [i, axis] of others.entries()) {
      const at = (this.#indices[i] as number) % (block[axis] as number);
      if (at >= (stands[axis] as number)) throw new Error('it is smaller than its place in the grid');
      start += at * (steps[axis] as number);
    }
    const has = (axis: number | undefined, size: number): boolean => axis === undefined || (stands[axis] ?? 0) >= size;
    if (!has(x, shape[0]) || !has(y, shape[1]) || !has(z, shape[2]))
      throw new Error(`it has ${stands.join('×')} voxels, fewer than its place in the grid`);
    const along: Vec3 = [steps[x] as number, steps[y] as number, z === undefined ? 0 : (steps[z] as number)];
    const ours = copyStrided(voxels, type.bytes, { start, steps: along }, shape);
    if (type.name !== 'float64') return ours;
    return new Uint8Array(Float32Array.from(new Float64Array(ours.buffer)).buffer);
  }

  /** Path of a block in its dataset. */
  nameOf(index: Vec3): string {
    const { x, y, z, others } = this.#roles;
    const place = this.#info.shape.map(() => 0);
    place[x] = index[0];
    place[y] = index[1];
    if (z !== undefined) place[z] = index[2];
    for (const [i, axis] of others.entries())
      place[axis] = Math.floor((this.#indices[i] as number) / (this.#info.block[axis] as number));
    return place.join('/');
  }
}

const MODES = { plain: 0, varying: 1 };

/** A block: its header, big-endian, then its voxels. Blocks at the end may be cut off or whole. */
async function decodeBlock(
  bytes: Uint8Array,
  { shape, block, type, compression }: N5Info,
): Promise<{ readonly sizes: readonly number[]; readonly voxels: Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = 4 + 4 * shape.length;
  if (bytes.length < header) throw new Error(`it has ${bytes.length} bytes, fewer than its header`);
  const [mode, axes] = [view.getUint16(0), view.getUint16(2)];
  if (axes !== shape.length) throw new Error(`its header tells of ${axes} axes instead of ${shape.length}`);
  if (mode !== MODES.plain && mode !== MODES.varying) throw new Error('it holds objects, not numbers');
  const stands = shape.map((_, axis) => view.getUint32(4 + 4 * axis));
  if (stands.some((size, axis) => size < 1 || size > (block[axis] as number)))
    throw new Error(`its header tells of ${stands.join('×')} voxels; at most ${block.join('×')} would be right`);
  const count = stands.reduce((a, b) => a * b, 1);
  const start = mode === MODES.varying ? header + 4 : header;
  if (mode === MODES.varying && (bytes.length < start || view.getUint32(header) !== count))
    throw new Error('it holds another number of values than voxels');
  const body = bytes.subarray(start);
  const voxels = compression === undefined ? body.slice() : await unpack(compression, body, count * type.bytes);
  if (voxels.length !== count * type.bytes)
    throw new Error(`it holds ${voxels.length} bytes of voxels instead of ${count * type.bytes}`);
  swapByteOrder(voxels, type.bytes);
  return { sizes: stands, voxels };
}

/** What goes wrong with a dataset that holds no volume. */
export function noVolume(file: string, { shape }: N5Info): BflyError {
  return new BflyError(
    'UNSUPPORTED',
    `${file}: it has ${shape.length} axes, ${shape.join('×')}; x, y, z, or x, y, and others behind them would be right`,
  );
}
