/**
 * The nouns of a volume, stated once for server, client and viewer.
 *
 * Axes are x, y, z everywhere. Boxes are half-open and in voxels of the level (mip) that they are used with; mip 0 is the finest.
 * The volume of a level is `[offset, offset + shape)` and its chunk grid starts at `offset`.
 * Voxel buffers run x fastest, then y, then z, little-endian: the order of Neuroglancer precomputed, and the C order of a `[z][y][x]` array.
 */

/** Three numbers along x, y, z. */
export type Vec3 = readonly [number, number, number];

/** Half-open box `[x0, y0, z0, x1, y1, z1]` in voxels of one level. */
export type Box = readonly [number, number, number, number, number, number];

/** Every voxel type of the protocol, little-endian in buffers. */
export const DTYPES = ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64', 'float32'] as const;
/** Name of a voxel type. */
export type DType = (typeof DTYPES)[number];

/** Bytes of one voxel. */
export const BYTES_PER_VOXEL: Readonly<Record<DType, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  uint64: 8,
  int64: 8,
  float32: 4,
};

/** A typed array that holds voxels of some dtype. */
export type VoxelArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array;

/** What a channel shows: grey values, or ids of segments. */
export type VolumeType = 'image' | 'segmentation';

/** One resolution level of a channel. */
export interface MipInfo {
  /** Size in voxels of this level. */
  readonly shape: Vec3;
  /** Size of a full chunk in voxels; chunks at the upper end are clipped. */
  readonly chunk: Vec3;
  /** Size of a voxel in nanometres. */
  readonly voxel: Vec3;
  /** First voxel of the volume; the chunk grid starts here. */
  readonly offset: Vec3;
}

/** Answer of INFO for a channel. */
export interface ChannelInfo {
  readonly path: string;
  readonly kind: 'channel';
  readonly type: VolumeType;
  readonly dtype: DType;
  readonly mips: readonly MipInfo[];
  /** Names of encodings that can be served, cheapest first. */
  readonly enc: readonly EncodingName[];
  /** Kind of the source the voxels come from: hdf5, stack, precomputed, … */
  readonly source: string;
  readonly editable: boolean;
  /** 8 random bytes that name this life of the edit log. */
  readonly epoch: Uint8Array;
  readonly first: number;
  readonly head: number;
  readonly tables: Readonly<Record<string, number>>;
  /** Largest id that was ingested, where known. */
  readonly maxId?: bigint;
  /** Time of the newest edit, milliseconds since 1970, UTC; unset: there is none. */
  readonly edited?: number;
  /** What the one who asked may do, least first; unset by servers that do not tell. */
  readonly rights?: readonly ChannelRight[];
}

/** Names of rights, least first: see it; change rows of its tables; bodies and voxels; undo what others did; change its metadata. */
export const CHANNEL_RIGHTS = ['read', 'annotate', 'edit', 'edit-others', 'admin'] as const;
/** What one may be allowed to do to a channel. */
export type ChannelRight = (typeof CHANNEL_RIGHTS)[number];

/** Answer of INFO for a dataset: its channels, each with its own map. */
export interface DatasetInfo {
  readonly path: string;
  readonly kind: 'dataset';
  readonly channels: readonly ChannelInfo[];
}

/** Where a log stands: which life of it, and how far. */
export interface Position {
  readonly epoch: Uint8Array;
  readonly seq: number;
}

/** Encodings by number on the wire; the index is the number. */
export const ENCODINGS = ['raw', 'gzip', 'zstd', 'lz4', 'jpeg', 'png', 'cseg', 'cseg+gzip', 'cseg+zstd'] as const;
/** Name of an encoding. */
export type EncodingName = (typeof ENCODINGS)[number];

/** Number of an encoding on the wire. */
export function encodingNumber(name: EncodingName): number {
  return ENCODINGS.indexOf(name);
}

/** Number of voxels in a box of this size, exact up to 2⁵³. */
export function volumeOf(shape: Vec3): number {
  return shape[0] * shape[1] * shape[2];
}

/** Size of a box along x, y, z; negative where the box is inside out. */
export function boxShape(box: Box): Vec3 {
  return [box[3] - box[0], box[4] - box[1], box[5] - box[2]];
}

/** The box of a whole level. */
export function mipBox(mip: MipInfo): Box {
  const [x, y, z] = mip.offset;
  return [x, y, z, x + mip.shape[0], y + mip.shape[1], z + mip.shape[2]];
}

/** A typed array over little-endian bytes, without a copy where the alignment allows it, else a copy. */
export function viewVoxels(dtype: DType, bytes: Uint8Array): VoxelArray {
  const size = BYTES_PER_VOXEL[dtype];
  // Not slice(): a Buffer's shares its bytes, and stays where it was.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const { buffer, byteOffset } = aligned;
  const length = Math.floor(bytes.byteLength / size);
  switch (dtype) {
    case 'uint8':
      return new Uint8Array(buffer, byteOffset, length);
    case 'int8':
      return new Int8Array(buffer, byteOffset, length);
    case 'uint16':
      return new Uint16Array(buffer, byteOffset, length);
    case 'int16':
      return new Int16Array(buffer, byteOffset, length);
    case 'uint32':
      return new Uint32Array(buffer, byteOffset, length);
    case 'int32':
      return new Int32Array(buffer, byteOffset, length);
    case 'uint64':
      return new BigUint64Array(buffer, byteOffset, length);
    case 'int64':
      return new BigInt64Array(buffer, byteOffset, length);
    case 'float32':
      return new Float32Array(buffer, byteOffset, length);
  }
}

const PATH_SEGMENT_MAX_BYTES = 128;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const FORBIDDEN_IN_SEGMENT = /[\u0000-\u001f\u007f-\u009f/\\:]/;
const utf8 = new TextEncoder();

/**
 * Says what is wrong with one segment of a path, or `undefined` when it is legal:
 * 1..128 bytes of NFC UTF-8 without control characters, `/`, `\`, `:`, and no space or dot at either end.
 */
export function pathSegmentFault(segment: string): string | undefined {
  if (segment.length === 0) return 'an empty segment';
  if (FORBIDDEN_IN_SEGMENT.test(segment)) return 'a control character or one of / \\ :';
  if (/^[ .]|[ .]$/.test(segment)) return 'a space or dot at the end of a segment';
  if (segment.normalize('NFC') !== segment) return 'text that is not in Unicode form NFC';
  if (isLongerThan(segment, PATH_SEGMENT_MAX_BYTES)) return `a segment of more than ${PATH_SEGMENT_MAX_BYTES} bytes`;
  return undefined;
}

/** Whether text takes more bytes as UTF-8; counts only where that is in doubt. */
function isLongerThan(text: string, bytes: number): boolean {
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && utf8.encode(text).length > bytes;
}

/** Says what is wrong with a path of 1 to 4 segments joined by `/`, or `undefined` when it is legal. */
export function pathFault(path: string): string | undefined {
  if (path.length > 4 * PATH_SEGMENT_MAX_BYTES + 3) return 'more than 4 segments of 128 bytes';
  const segments = path.split('/');
  if (segments.length > 4) return 'more than 4 segments';
  for (const segment of segments) {
    const fault = pathSegmentFault(segment);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
