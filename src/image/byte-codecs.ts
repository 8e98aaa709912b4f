/** Compressions that Zarr and N5 keep their chunks in, each bounded by what a chunk may unpack to. */
import Blosc from 'numcodecs/blosc';
import Zstd from 'numcodecs/zstd';
import Bunzip from 'seek-bzip';
import xz from 'xz-decompress';
import { unpackLz4Block } from './lz4-block.ts';
import { gunzipBytes, inflateBytes } from './zlib-bytes.ts';
import { zstdSize } from './zstd-frames.ts';

/** Names of the compressions; `lz4` = numcodecs' blocks behind their length, `lz4-java` = those of LZ4BlockOutputStream. */
export type Compression = 'gzip' | 'zlib' | 'bz2' | 'xz' | 'blosc' | 'zstd' | 'lz4' | 'lz4-java';

type Unpack = (bytes: Uint8Array, maxBytes: number) => Uint8Array | Promise<Uint8Array>;

const blosc = Blosc.fromConfig({ id: 'blosc' });
const zstd = Zstd.fromConfig({ id: 'zstd' });

const UNPACK: Readonly<Record<Compression, Unpack>> = {
  gzip: gunzipBytes,
  zlib: inflateBytes,
  bz2: unpackBzip2,
  xz: unpackXz,
  blosc: unpackBlosc,
  zstd: unpackZstd,
  lz4: unpackLz4,
  'lz4-java': unpackLz4Java,
};

/**
 * Unpacks bytes.
 *
 * @param bytes borrowed until the promise settles.
 * @param maxBytes that they may unpack to.
 * @returns owned bytes.
 * @throws Error where they are damaged or unpack to more; its message goes on after "it".
 */
export async function unpack(name: Compression, bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  let unpacked: Uint8Array;
  try {
    unpacked = await UNPACK[name](bytes, maxBytes);
  } catch (cause) {
    if (cause instanceof Damage) throw cause;
    // The libraries throw texts, numbers and errors about their own insides.
    throw new Error(`it is no whole ${name} of at most ${maxBytes} bytes`, { cause });
  }
  if (unpacked.length > maxBytes) throw new Damage(`it unpacks to ${unpacked.length} bytes instead of ${maxBytes}`);
  return unpacked;
}

/** A fault that we found ourselves, so that its message can be shown. */
class Damage extends Error {}

const word = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0;

function checkUnpacked(length: number, maxBytes: number): void {
  if (length > maxBytes) throw new Damage(`it unpacks to ${length} bytes instead of ${maxBytes}`);
}

const BLOSC_HEADER_BYTES = 16;
const BLOSC_STORED = 2;

/** The library gives whatever was in memory for what is damaged, so the container is looked through first. */
async function unpackBlosc(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const [unpacked, block, packed] = [word(bytes, 4), word(bytes, 8), word(bytes, 12)];
  if (bytes.length < BLOSC_HEADER_BYTES || packed !== bytes.length)
    throw new Damage(`it has ${bytes.length} bytes where its blosc header says ${packed}`);
  checkUnpacked(unpacked, maxBytes);
  if (unpacked > 0 && (((bytes[2] ?? 0) & BLOSC_STORED) === 0 || packed !== unpacked + BLOSC_HEADER_BYTES)) {
    const blocks = block === 0 ? 0 : Math.ceil(unpacked / block);
    const starts = BLOSC_HEADER_BYTES + 4 * blocks;
    const isWhole = Array.from({ length: starts <= packed ? blocks : 0 }, (_, i) => word(bytes, 16 + 4 * i));
    if (blocks === 0 || starts > packed || isWhole.some((start) => start < starts || start >= packed))
      throw new Damage('its blosc blocks lie outside it');
  }
  return blosc.decode(bytes);
}

/** Blocks that do not tell what they unpack to may be taken for so many bytes together, however few a chunk has. */
const UNTOLD_BYTES = 64 * 1024 * 1024;

function unpackZstd(bytes: Uint8Array, maxBytes: number): Uint8Array | Promise<Uint8Array> {
  const { least, most } = zstdSize(bytes);
  checkUnpacked(least, maxBytes);
  if (most > Math.max(UNTOLD_BYTES, 2 * maxBytes))
    throw new Damage(`it may unpack to ${most} bytes instead of ${maxBytes}`);
  return zstd.decode(bytes);
}

const LENGTH_BYTES = 4;

function unpackLz4(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const length = word(bytes, 0);
  checkUnpacked(length, maxBytes);
  return unpackLz4Block(bytes.subarray(LENGTH_BYTES), length);
}

const JAVA_MAGIC = 'LZ4Block';
const JAVA_HEADER_BYTES = 21;
const JAVA_STORED = 0x10;

/** Blocks with a magic, a token, the packed and the plain length and a checksum each, ended by an empty one. Source: lz4-java, LZ4BlockOutputStream */
function unpackLz4Java(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let at = 0; at < bytes.length; ) {
    if (Buffer.from(bytes.subarray(at, at + JAVA_MAGIC.length)).toString('latin1') !== JAVA_MAGIC)
      throw new Damage('it has no LZ4Block where one should begin');
    const [packed, plain] = [word(bytes, at + 9), word(bytes, at + 13)];
    at += JAVA_HEADER_BYTES;
    if (plain === 0) break;
    length += plain;
    checkUnpacked(length, maxBytes);
    if (at + packed > bytes.length) throw new Damage('it ends within an LZ4Block');
    const body = bytes.subarray(at, at + packed);
    const isStored = ((bytes[at - JAVA_HEADER_BYTES + 8] ?? 0) & 0xf0) === JAVA_STORED;
    parts.push(isStored ? body : unpackLz4Block(body, plain));
    at += packed;
  }
  return joined(parts, length);
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    if (at + part.length > length) throw new Damage(`it unpacks to more than ${length} bytes`);
    bytes.set(part, at);
    at += part.length;
  }
  if (at !== length) throw new Damage(`it unpacks to ${at} bytes instead of ${length}`);
  return bytes;
}

function unpackBzip2(bytes: Uint8Array, maxBytes: number): Uint8Array {
  let at = 0;
  const input = {
    readByte: (): number => bytes[at++] ?? -1,
    eof: (): boolean => at >= bytes.length,
    read(buffer: Uint8Array, offset: number, length: number): number {
      const part = bytes.subarray(at, at + length);
      buffer.set(part, offset);
      at += part.length;
      return part.length === 0 ? -1 : part.length;
    },
  };
  const out = new Uint8Array(maxBytes);
  let done = 0;
  Bunzip.decode(
    input,
    {
      writeByte(byte) {
        checkUnpacked(done + 1, maxBytes);
        out[done++] = byte;
      },
    },
    true,
  );
  return out.slice(0, done);
}

async function unpackXz(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  if (bytes.length === 0) throw new Damage('it is empty');
  const parts: Uint8Array[] = [];
  let length = 0;
  // Its types are of browsers, its values of Node.
  const unpacked = new xz.XzReadableStream(new Blob([new Uint8Array(bytes)]).stream()) as AsyncIterable<Uint8Array>;
  for await (const part of unpacked) {
    length += part.length;
    checkUnpacked(length, maxBytes);
    parts.push(new Uint8Array(part));
  }
  return joined(parts, length);
}
