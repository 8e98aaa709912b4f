/** gzip and zstd of node:zlib as plain functions on bytes; both work on the thread pool. */
import * as zlib from 'node:zlib';
import type { Codec } from './codec.ts';
import { checkEncodable, corruptPayload, owned, rawLengthOf, wrongLength } from './codec.ts';

/** A general compression. */
export interface Compression {
  readonly name: 'gzip' | 'zstd';
  /** @returns owned bytes. */
  compress(bytes: Uint8Array): Promise<Uint8Array>;
  /**
   * @param maxLength of the result; more is never held in memory.
   * @returns owned bytes.
   * @throws RangeError where the result would be longer, Error where the bytes are corrupt.
   */
  decompress(bytes: Uint8Array, maxLength: number): Promise<Uint8Array>;
}

/** Each chunk of output is a trip to the thread pool: with node's 16 KiB a 2 MiB tile takes four times as long. */
const COMPRESSED_CHUNK = 1 << 16;
const DECOMPRESSED_CHUNK_MAX = 1 << 21;

function decompressOptions(maxLength: number): { maxOutputLength: number; chunkSize: number } {
  return { maxOutputLength: maxLength, chunkSize: Math.min(DECOMPRESSED_CHUNK_MAX, Math.max(64, maxLength)) };
}

type Callback = (error: Error | null, result: Uint8Array) => void;
type ZlibCall = (bytes: Uint8Array, options: object, callback: Callback) => void;

function call(run: ZlibCall, bytes: Uint8Array, options: object): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    run(bytes, options, (error, result) => (error === null ? resolve(owned(result)) : reject(error)));
  });
}

/** gzip at level 1: level 6 saves little on labels and takes five times as long. */
export const gzip: Compression = {
  name: 'gzip',
  compress: (bytes) => call(zlib.gzip, bytes, { level: 1, chunkSize: COMPRESSED_CHUNK }),
  decompress: (bytes, maxLength) => call(zlib.gunzip, bytes, decompressOptions(maxLength)),
};

/** zstd at level 1, which node:zlib has from Node 22.15 on; undefined before. */
export const zstd: Compression | undefined = findZstd();

function findZstd(): Compression | undefined {
  const compress: unknown = Reflect.get(zlib, 'zstdCompress');
  const decompress: unknown = Reflect.get(zlib, 'zstdDecompress');
  const level: unknown = Reflect.get(zlib.constants, 'ZSTD_c_compressionLevel');
  if (!isZlibCall(compress) || !isZlibCall(decompress) || typeof level !== 'number') return undefined;
  return {
    name: 'zstd',
    compress: (bytes) => call(compress, bytes, { params: { [level]: 1 }, chunkSize: COMPRESSED_CHUNK }),
    decompress: (bytes, maxLength) => call(decompress, bytes, decompressOptions(maxLength)),
  };
}

/** A function of node:zlib has this signature; the types of older Nodes do not know the newer ones. */
function isZlibCall(value: unknown): value is ZlibCall {
  return typeof value === 'function';
}

/** Decompresses to at most `maxLength` bytes. @throws BflyError INTERNAL where there is more, or where the bytes are corrupt. */
export async function decompressTile(method: Compression, bytes: Uint8Array, maxLength: number): Promise<Uint8Array> {
  try {
    return await method.decompress(bytes, maxLength);
  } catch (error) {
    if (error instanceof RangeError) throw wrongLength(`more than ${maxLength}`, maxLength, error);
    throw corruptPayload(method.name, error);
  }
}

/** Voxels under a general compression, of any type. */
export function compressionCodec(method: Compression): Codec {
  const codec: Codec = {
    name: method.name,
    canEncode: () => true,
    async encode(raw, size, dtype) {
      checkEncodable(codec, raw, size, dtype);
      return method.compress(raw);
    },
    async decode(bytes, size, dtype) {
      const expected = rawLengthOf(size, dtype);
      const raw = await decompressTile(method, bytes, expected);
      if (raw.length !== expected) throw wrongLength(raw.length, expected);
      return raw;
    },
  };
  return codec;
}
