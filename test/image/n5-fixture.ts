/** A writer of small N5 datasets for tests, as its specification says it. The first axis is the fastest. */
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import Blosc from 'numcodecs/blosc';
import Lz4 from 'numcodecs/lz4';
import Zstd from 'numcodecs/zstd';
import { bigEndian, chunkOf, type Encode, gridOf, type NdArray, put } from './zarr-fixture.ts';

const blosc = Blosc.fromConfig({ id: 'blosc', cname: 'lz4', clevel: 5, shuffle: 1, blocksize: 0 });
const lz4 = Lz4.fromConfig({ id: 'lz4' });
const zstd = Zstd.fromConfig({ id: 'zstd', level: 3 });

/** As Java's LZ4BlockOutputStream writes: blocks of 64 KiB and an empty one. */
async function lz4Java(bytes: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const header = (token: number, packed: number, plain: number): Uint8Array => {
    const out = Buffer.alloc(21);
    out.write('LZ4Block', 'latin1');
    out[8] = token;
    out.writeUInt32LE(packed, 9);
    out.writeUInt32LE(plain, 13);
    return out;
  };
  for (let at = 0; at < bytes.length; at += 65_536) {
    const part = bytes.subarray(at, at + 65_536);
    const packed = (await lz4.encode(part)).subarray(4);
    // The first block as it is, so that both kinds are read.
    if (at === 0) parts.push(header(0x16, part.length, part.length), part);
    else parts.push(header(0x26, packed.length, part.length), packed);
  }
  return Buffer.concat([...parts, header(0x16, 0, 0)]);
}

/** Compressions that can be written here, with their attributes. */
export const N5_COMPRESSIONS: Readonly<Record<string, { readonly json: object; readonly encode: Encode }>> = {
  raw: { json: { type: 'raw' }, encode: (bytes) => bytes },
  gzip: { json: { type: 'gzip', level: -1 }, encode: (bytes) => gzipSync(bytes) },
  zlib: { json: { type: 'gzip', level: -1, useZlib: true }, encode: (bytes) => deflateSync(bytes) },
  blosc: { json: { type: 'blosc', cname: 'lz4' }, encode: (bytes) => blosc.encode(bytes) },
  zstd: { json: { type: 'zstd', level: 3 }, encode: (bytes) => zstd.encode(bytes) },
  lz4: { json: { type: 'lz4', blockSize: 65_536 }, encode: lz4Java },
};

/** How a dataset is written. */
export interface N5Options {
  readonly type: string;
  /** Shape and blocks, the fastest axis first. */
  readonly block: readonly number[];
  readonly compression?: string;
  /** Blocks at the end are as large as the others, rather than cut off. */
  readonly wholeBlocks?: boolean;
  /** Blocks tell their number of values. */
  readonly varying?: boolean;
  readonly isPresent?: (place: readonly number[]) => boolean;
  readonly more?: object;
}

/** Writes a dataset; `array` is in C order with its axes the other way round, so that x is its last. */
export async function writeN5(folder: string, array: NdArray, options: N5Options): Promise<void> {
  const { type, block, compression = 'raw', wholeBlocks = false, varying = false, isPresent = () => true } = options;
  const codec = N5_COMPRESSIONS[compression];
  const dimensions = array.shape.toReversed();
  put(join(folder, 'attributes.json'), {
    ...{ dimensions, blockSize: block, dataType: type, compression: codec?.json },
    ...options.more,
  });
  for (const place of gridOf(dimensions, block)) {
    if (!isPresent(place)) continue;
    const start = place.map((i, axis) => i * (block[axis] as number));
    const size = start.map((from, axis) =>
      wholeBlocks ? (block[axis] as number) : Math.min(block[axis] as number, (dimensions[axis] as number) - from),
    );
    const values = bigEndian(chunkOf(array, start.toReversed(), size.toReversed()), array.size);
    const header = Buffer.alloc(4 + 4 * size.length + (varying ? 4 : 0));
    header.writeUInt16BE(varying ? 1 : 0, 0);
    header.writeUInt16BE(size.length, 2);
    for (const [axis, length] of size.entries()) header.writeUInt32BE(length, 4 + 4 * axis);
    if (varying) header.writeUInt32BE(values.length / array.size, 4 + 4 * size.length);
    const packed = (await codec?.encode(values)) ?? values;
    put(join(folder, ...place.map(String)), Buffer.concat([header, packed]));
  }
}
