/** One tile as the user gets it: where it is, what it holds, and how to read it. */
import { decodeCompressedSegmentation } from '../../protocol/compressed-segmentation.ts';
import {
  BflyError,
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type DType,
  ENCODINGS,
  type EncodingName,
  errorName,
  guard,
  MalformedFrame,
  SERVER_GUARD,
  TileFlag,
  type TileHeader,
  type VoxelArray,
  viewVoxels,
} from '../../protocol/index.ts';
import { unpack } from '../../protocol/msgpack.ts';
import { CAN_GUNZIP, gunzip } from './gunzip.ts';
import { type JoinedTile, MAX_TILE_BYTES } from './tile-joiner.ts';

/** One chunk of a volume, or the error that stands in its place. */
export interface Tile {
  /** Number of the tile in its pull, from 0, in order of arrival. */
  readonly index: number;
  readonly mip: number;
  /** The chunk's whole box, clipped at the volume's end, in voxels of `mip`. May stick out of the box that was asked for. */
  readonly box: Box;
  readonly dtype: DType;
  /** Seq of the edit log at which the voxels are true. */
  readonly seq: number;
  readonly encoding: EncodingName;
  /** All voxels have one value, and `payload` is that one voxel. */
  readonly fill: boolean;
  /** What the server sent, encoded by `encoding`. Owned by the tile's receiver. */
  readonly payload: Uint8Array;
  /** Why this chunk could not be read; then there are no voxels. */
  readonly error: BflyError | undefined;
  /**
   * The decoded voxels as little-endian bytes, x fastest; a view of `payload` where that is raw, else made anew at each call.
   *
   * @throws the tile's `error`; BflyError UNSUPPORTED for an encoding that has to be decoded elsewhere; INTERNAL for damaged bytes.
   */
  bytes(): Uint8Array;
  /** The decoded voxels, x fastest, then y, then z; see `bytes`. */
  voxels(): VoxelArray;
}

/** Encodings whose tiles have `voxels()`. */
export const DECODABLE: readonly EncodingName[] = CAN_GUNZIP ? ['raw', 'gzip', 'cseg', 'cseg+gzip'] : ['raw', 'cseg'];

/** The best wish for a channel: what its server can serve, cheapest first, as far as we can decode it. */
export function preferredEncodings(served: readonly EncodingName[]): readonly EncodingName[] {
  const usable = served.filter((name) => DECODABLE.includes(name));
  return usable.includes('raw') ? usable : [...usable, 'raw'];
}

/**
 * Makes a tile of its frames. What is gzipped is inflated here, where tiles can overlap; all else waits until it is asked for.
 *
 * @returns the tile, or a promise of it that never rejects: a tile that cannot be inflated is an error tile.
 * @throws MalformedFrame where the header contradicts itself.
 */
export function makeTile(joined: JoinedTile, dtype: DType, index: number): Tile | Promise<Tile> {
  const { header, payload } = joined;
  const fill = (header.flags & TileFlag.FILL) !== 0;
  const facts = {
    index,
    mip: header.mip,
    box: tileBox(header, dtype),
    dtype,
    seq: header.seq,
    fill,
    payload,
    rawLength: header.rawLength,
  };
  const encoding = ENCODINGS[header.encoding];
  if ((header.flags & TileFlag.ERROR) !== 0)
    return new ReceivedTile({ ...facts, encoding: 'raw', error: readError(payload) });
  if (encoding === undefined) {
    const error = new BflyError('UNSUPPORTED', `the tile's encoding ${header.encoding} is not known to this client`);
    return new ReceivedTile({ ...facts, encoding: 'raw', error });
  }
  const error = joined.damaged
    ? new BflyError('INTERNAL', 'the tile does not have the checksum that it was sent with')
    : lengthFault(facts, encoding);
  if (error !== undefined) return new ReceivedTile({ ...facts, encoding, error });
  if (fill || !encoding.endsWith('gzip') || !CAN_GUNZIP) return new ReceivedTile({ ...facts, encoding });
  const limit = encoding === 'gzip' ? header.rawLength : MAX_TILE_BYTES;
  return gunzip(payload, limit).then(
    (inflated) => new ReceivedTile({ ...facts, encoding, inflated }),
    (fault: BflyError) => new ReceivedTile({ ...facts, encoding, error: fault }),
  );
}

function tileBox(header: TileHeader, dtype: DType): Box {
  const { x, y, z, sizeX, sizeY, rawLength } = header;
  const plane = sizeX * sizeY * BYTES_PER_VOXEL[dtype];
  const sizeZ = plane === 0 ? 0 : rawLength / plane;
  const isError = (header.flags & TileFlag.ERROR) !== 0;
  if (!isError && (sizeZ < 1 || !Number.isInteger(sizeZ) || rawLength > MAX_TILE_BYTES))
    throw new MalformedFrame(`TILE of ${sizeX} × ${sizeY} voxels of ${dtype} cannot be ${rawLength} bytes`);
  return [x, y, z, x + sizeX, y + sizeY, z + Math.floor(sizeZ)];
}

function lengthFault(facts: Facts, encoding: EncodingName): BflyError | undefined {
  const { fill, payload, rawLength, dtype } = facts;
  if (!fill && encoding !== 'raw') return undefined;
  const expected = fill ? BYTES_PER_VOXEL[dtype] : rawLength;
  if (payload.length === expected) return undefined;
  return new BflyError('INTERNAL', `the tile has ${payload.length} bytes where ${expected} belong`);
}

function readError(payload: Uint8Array): BflyError {
  const value = guard(payload, SERVER_GUARD).ok ? unpack(payload) : undefined;
  const [code, message] = Array.isArray(value) ? value : [];
  const known = typeof code === 'number' ? errorName(code) : 'INTERNAL';
  return new BflyError(known, typeof message === 'string' ? message : 'the server could not read the chunk');
}

type Facts = Omit<Tile, 'bytes' | 'voxels' | 'encoding' | 'error'> & { readonly rawLength: number };
type Contents = Facts & {
  readonly encoding: EncodingName;
  readonly error?: BflyError;
  /** The payload after gzip. */
  readonly inflated?: Uint8Array;
};

class ReceivedTile implements Tile {
  readonly index: number;
  readonly mip: number;
  readonly box: Box;
  readonly dtype: DType;
  readonly seq: number;
  readonly encoding: EncodingName;
  readonly fill: boolean;
  readonly payload: Uint8Array;
  readonly error: BflyError | undefined;
  readonly #rawLength: number;
  readonly #inflated: Uint8Array | undefined;

  constructor(contents: Contents) {
    this.index = contents.index;
    this.mip = contents.mip;
    this.box = contents.box;
    this.dtype = contents.dtype;
    this.seq = contents.seq;
    this.encoding = contents.encoding;
    this.fill = contents.fill;
    this.payload = contents.payload;
    this.error = contents.error;
    this.#rawLength = contents.rawLength;
    this.#inflated = contents.inflated;
  }

  bytes(): Uint8Array {
    if (this.error !== undefined) throw this.error;
    if (this.fill) return repeat(this.payload, this.#rawLength);
    const bytes = this.#decode();
    if (bytes.length === this.#rawLength) return bytes;
    throw new BflyError('INTERNAL', `the tile decodes to ${bytes.length} bytes where ${this.#rawLength} belong`);
  }

  voxels(): VoxelArray {
    return viewVoxels(this.dtype, this.bytes());
  }

  #decode(): Uint8Array {
    const readable = this.#inflated ?? this.payload;
    switch (this.encoding) {
      case 'raw':
        return readable;
      case 'gzip':
        if (this.#inflated !== undefined) return readable;
        break;
      case 'cseg':
        return this.#segments(readable);
      case 'cseg+gzip':
        if (this.#inflated !== undefined) return this.#segments(readable);
        break;
    }
    throw new BflyError(
      'UNSUPPORTED',
      `tiles in ${this.encoding} are given as payload; ask for one of ${DECODABLE.join(', ')}`,
    );
  }

  #segments(bytes: Uint8Array): Uint8Array {
    if (this.dtype !== 'uint32' && this.dtype !== 'uint64')
      throw new BflyError('INTERNAL', `a cseg tile holds uint32 or uint64, not ${this.dtype}`);
    try {
      return decodeCompressedSegmentation(bytes, boxShape(this.box), this.dtype);
    } catch (cause) {
      throw new BflyError('INTERNAL', 'a cseg tile is damaged', { cause });
    }
  }
}

/** One voxel as often as it fits `length`. @returns owned bytes. */
function repeat(voxel: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (voxel.every((byte) => byte === voxel[0])) return bytes.fill(voxel[0] ?? 0);
  bytes.set(voxel);
  for (let done = voxel.length; done < length; done *= 2) bytes.copyWithin(done, 0, Math.min(done, length - done));
  return bytes;
}
