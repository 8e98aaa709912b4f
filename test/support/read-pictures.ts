/** Readers of the files that `renderVoxels` writes, which know nothing of how it does that. */
import { inflateSync } from 'node:zlib';
import sharp from 'sharp';
import type { DType } from '../../protocol/volume.ts';

/** A decoded picture. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Bits of a sample. */
  readonly bits: number;
  /** Rows from the top; red, green, blue where there are three. */
  readonly values: number[];
}

/** Decodes PNG or JPEG. */
export async function readPicture(bytes: Uint8Array): Promise<Picture & { readonly format: string }> {
  const image = sharp(bytes, { limitInputPixels: false });
  const { depth, format, channels } = await image.metadata();
  const wide = depth === 'ushort';
  const grey = channels === 1 ? image.toColourspace(wide ? 'grey16' : 'b-w') : image;
  const { data, info } = await grey.raw({ depth: wide ? 'ushort' : 'uchar' }).toBuffer({ resolveWithObject: true });
  const own = Uint8Array.from(data);
  const values = wide ? [...new Uint16Array(own.buffer)] : [...own];
  return { width: info.width, height: info.height, channels: info.channels, bits: wide ? 16 : 8, values, format };
}

/** Decodes an uncompressed BMP of 8 bits with a palette, which gives red, green, blue, or of 24 bits. */
export function readBmp(bytes: Uint8Array): Picture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0) !== 0x424d || view.getUint32(2, true) !== bytes.length) throw new Error('no BMP');
  const [start, width, height] = [view.getUint32(10, true), view.getInt32(18, true), view.getInt32(22, true)];
  const bits = view.getUint16(28, true);
  if (view.getUint32(30, true) !== 0) throw new Error('the BMP is compressed');
  const row = Math.ceil((width * bits) / 32) * 4;
  if (start + row * height !== bytes.length) throw new Error('the BMP has another length than it says');
  const values: number[] = [];
  for (let y = height - 1; y >= 0; y--)
    for (let x = 0; x < width; x++) {
      const at = start + y * row + (x * bits) / 8;
      const colour = bits === 24 ? at : 54 + 4 * view.getUint8(at);
      values.push(view.getUint8(colour + 2), view.getUint8(colour + 1), view.getUint8(colour));
    }
  return { width, height, channels: 3, bits: 8, values };
}

/** The tags of a TIFF's first page that tell what its one strip holds. */
export interface TiffPicture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly bits: number;
  readonly sampleFormat: number;
  readonly photometric: number;
  readonly strip: Uint8Array;
}

/** Reads a little-endian TIFF of one page and one uncompressed strip. */
export function readTiff(bytes: Uint8Array): TiffPicture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== 0x49492a00) throw new Error('no little-endian TIFF');
  const directory = view.getUint32(4, true);
  const tags = new Map<number, number>();
  const count = view.getUint16(directory, true);
  for (let at = directory + 2; at < directory + 2 + 12 * count; at += 12) {
    const short = view.getUint16(at + 2, true) === 3;
    const values = view.getUint32(at + 4, true);
    const value = short && values < 3 ? view.getUint16(at + 8, true) : view.getUint32(at + 8, true);
    tags.set(view.getUint16(at, true), short && values >= 3 ? view.getUint16(value, true) : value);
  }
  if (view.getUint32(directory + 2 + 12 * count, true) !== 0) throw new Error('the TIFF has several pages');
  const tag = (id: number): number => tags.get(id) ?? Number.NaN;
  if (tag(259) !== 1) throw new Error('the TIFF is compressed');
  return {
    width: tag(256),
    height: tag(257),
    bits: tag(258),
    photometric: tag(262),
    channels: tag(277),
    sampleFormat: tag(339),
    strip: bytes.slice(tag(273), tag(273) + tag(279)),
  };
}

/** Unpacks zlib, as Butterfly's zip and npz are. */
export function unzip(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(inflateSync(bytes));
}

/** A numpy array in C order. */
export interface NumpyArray {
  readonly dtype: DType;
  /** Slowest axis first. */
  readonly shape: number[];
  readonly bytes: Uint8Array;
}

const LETTERS: Readonly<Record<string, string>> = { u: 'uint', i: 'int', f: 'float' };

/** Reads a `.npy`. */
export function readNpy(file: Uint8Array): NumpyArray {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const start = 10 + view.getUint16(8, true);
  if (Buffer.from(file.subarray(0, 8)).toString('latin1') !== '\x93NUMPY\x01\x00' || start % 64 !== 0)
    throw new Error('no .npy');
  const header = Buffer.from(file.subarray(10, start)).toString('latin1');
  const [, letter = '', size = ''] = /'descr': '[<|]([uif])(\d)'/.exec(header) ?? [];
  const [, shape = ''] = /'shape': \(([\d, ]+)\)/.exec(header) ?? [];
  if (!header.includes("'fortran_order': False") || !header.endsWith('\n')) throw new Error(`no C order: ${header}`);
  return {
    // One of the names, or a comparison fails.
    dtype: `${LETTERS[letter]}${8 * Number(size)}` as DType,
    shape: shape.split(',').map(Number),
    bytes: file.slice(start),
  };
}
