/** The codecs of Zarr as this server has them: bounded, with faults that can be shown, and checksums that are looked at. */
import { registry } from 'zarrita';
import { BYTES_PER_VOXEL, type DType } from '../../protocol/volume.ts';
import { type Compression, unpack } from './byte-codecs.ts';

/** Compressions by their names in metadata, v3's and, behind `numcodecs.`, v2's. */
const COMPRESSIONS: Readonly<Record<string, Compression>> = {
  blosc: 'blosc',
  gzip: 'gzip',
  zstd: 'zstd',
  lz4: 'lz4',
  zlib: 'zlib',
  bz2: 'bz2',
};
const PREFIX = 'numcodecs.';

/** Names of codecs that turn bytes into bytes. */
export const BYTE_CODECS: ReadonlySet<string> = new Set([
  'crc32c',
  'numcodecs.shuffle',
  ...Object.keys(COMPRESSIONS).flatMap((name) => [name, PREFIX + name]),
]);
/** Names of codecs that turn arrays into arrays. */
export const ARRAY_CODECS: ReadonlySet<string> = new Set(['transpose', 'numcodecs.delta']);

/** A name as people wrote it. */
export function codecTitle(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
}

/** Bytes that a chunk of so many bytes of voxels may take on its way: no compression takes twice the room. */
export const mostChunkBytes = (rawBytes: number): number => 2 * rawBytes + 65_536;

/** What the library tells a codec of its chunk. */
interface ChunkFacts {
  readonly dataType: string;
  readonly shape: readonly number[];
}

/** What the library wants of a codec of bytes. */
interface ByteCodec {
  readonly kind: 'bytes_to_bytes';
  encode(bytes: Uint8Array): never;
  decode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  computeEncodedSize?(decodedSize: number): number;
}

function compression(name: Compression, { shape, dataType }: ChunkFacts): ByteCodec {
  const voxelBytes = Object.hasOwn(BYTES_PER_VOXEL, dataType) ? BYTES_PER_VOXEL[dataType as DType] : 8;
  const maxBytes = mostChunkBytes(shape.reduce((a, b) => a * b, 1) * voxelBytes);
  return { kind: 'bytes_to_bytes', encode: notHere, decode: (bytes) => unpack(name, bytes, maxBytes) };
}

const CHECKSUM_BYTES = 4;

const checksum: ByteCodec = {
  kind: 'bytes_to_bytes',
  encode: notHere,
  decode(bytes) {
    const body = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_BYTES));
    const stored =
      bytes.length < CHECKSUM_BYTES ? -1 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(body.length, true);
    if (stored !== crc32c(body)) throw new Error('its checksum (crc32c) is wrong');
    return body;
  },
  computeEncodedSize: (decodedSize) => decodedSize + CHECKSUM_BYTES,
};

function notHere(): never {
  throw new Error('chunks are only read');
}

const TABLE = new Uint32Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f6_3b78 : c >>> 1;
  TABLE[n] = c >>> 0;
}

/** Checksum of Castagnoli. Source: RFC 3720, appendix B.4 */
export function crc32c(bytes: Uint8Array): number {
  let c = 0xffff_ffff;
  for (let i = 0; i < bytes.length; i++) c = (TABLE[(c ^ (bytes[i] as number)) & 0xff] as number) ^ (c >>> 8);
  return (c ^ 0xffff_ffff) >>> 0;
}

let done = false;

/** Puts these codecs in the place of the library's. Again does nothing. */
export function registerZarrCodecs(): void {
  if (done) return;
  done = true;
  for (const [name, kind] of Object.entries(COMPRESSIONS))
    for (const known of [name, PREFIX + name])
      registry.set(known, async () => ({ fromConfig: (_, facts) => compression(kind, facts) }));
  for (const known of ['crc32c', `${PREFIX}crc32c`]) registry.set(known, async () => ({ fromConfig: () => checksum }));
}
