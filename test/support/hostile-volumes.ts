/** Volumes of every format, whole, broken and absurd, for tests of a served folder. */
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import h5wasm from 'h5wasm/node';
import sharp from 'sharp';
import type { Box, Vec3 } from '../../protocol/volume.ts';
import { seededRandom } from './seed.ts';
import { cutVolume, type KnownVolume, writeTiff } from './volume-files.ts';

/** Chunks of the precomputed volume. */
const CHUNK: Vec3 = [64, 64, 64];

/** A format: how a whole volume of it is written, and which of its files is the one to break. */
export interface HostileFormat {
  readonly name: string;
  write(folder: string, volume: KnownVolume): Promise<void>;
  /** From the folder that `write` was given: what discovery takes as the volume, and the file whose bytes are broken. */
  readonly volume: string;
  readonly file: string;
}

/** The formats whose files are broken; HDF5 can be written once `ready` of h5wasm has resolved. */
export const FORMATS: readonly HostileFormat[] = [
  {
    name: 'tiff',
    volume: 'v.tif',
    file: 'v.tif',
    write: (folder, volume) => writeTiff(path.join(folder, 'v.tif'), volume),
  },
  {
    name: 'hdf5',
    volume: 'v.h5',
    file: 'v.h5',
    async write(folder, { shape, bytes }) {
      await mkdir(folder, { recursive: true });
      const file = new h5wasm.File(path.join(folder, 'v.h5'), 'w');
      const [x, y, z] = shape;
      file.create_dataset({ name: 'main', data: bytes, shape: [z, y, x], chunks: [16, 32, 32], compression: 'gzip' });
      file.close();
    },
  },
  { name: 'png', volume: 'v', file: 'v/s000.png', write: (folder, volume) => writeStack(folder, volume, 'png') },
  { name: 'jpeg', volume: 'v', file: 'v/s000.jpg', write: (folder, volume) => writeStack(folder, volume, 'jpg') },
  { name: 'precomputed', volume: 'v', file: 'v/info', write: writePrecomputed },
];

async function writeStack(folder: string, { shape, bytes }: KnownVolume, ending: 'png' | 'jpg'): Promise<void> {
  await mkdir(path.join(folder, 'v'), { recursive: true });
  const [width, height, depth] = shape;
  for (let z = 0; z < depth; z++) {
    const plane = bytes.subarray(z * width * height, (z + 1) * width * height);
    const image = sharp(plane, { raw: { width, height, channels: 1 } }).toColourspace('b-w');
    const file = path.join(folder, 'v', `s${String(z).padStart(3, '0')}.${ending}`);
    await (ending === 'png' ? image.png({ compressionLevel: 1 }) : image.jpeg()).toFile(file);
  }
}

async function writePrecomputed(folder: string, volume: KnownVolume): Promise<void> {
  const [nx, ny, nz] = volume.shape;
  await mkdir(path.join(folder, 'v/s0'), { recursive: true });
  const scale = { key: 's0', size: volume.shape, resolution: [8, 8, 8], chunk_sizes: [CHUNK], encoding: 'raw' };
  const info = { type: 'image', data_type: 'uint8', num_channels: 1, scales: [scale] };
  await writeFile(path.join(folder, 'v/info'), JSON.stringify(info));
  for (let z = 0; z < nz; z += 64)
    for (let y = 0; y < ny; y += 64)
      for (let x = 0; x < nx; x += 64) {
        const box: Box = [x, y, z, Math.min(nx, x + 64), Math.min(ny, y + 64), Math.min(nz, z + 64)];
        const name = `${box[0]}-${box[3]}_${box[1]}-${box[4]}_${box[2]}-${box[5]}`;
        await writeFile(path.join(folder, 'v/s0', name), cutVolume(volume, box, 1));
      }
}

/** Ways to break a file: what each is called, and the bytes that are left. */
export function breakages(bytes: Buffer, seed: number): [string, Uint8Array][] {
  const random = seededRandom(seed);
  const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
  const cut = (length: number): [string, Uint8Array] => [`cut-${length}`, bytes.subarray(0, length)];
  const broken: [string, Uint8Array][] = [
    ['empty', new Uint8Array()],
    ...[1, 4, 8, 9, 64, 700, Math.floor(bytes.length / 2), bytes.length - 1].map(cut),
    ['noise', noise(5_000)],
    ['magic-and-noise', Buffer.concat([bytes.subarray(0, 8), noise(5_000)])],
    ['zeros', new Uint8Array(5_000)],
    ['ones', new Uint8Array(5_000).fill(0xff)],
  ];
  for (let n = 0; n < 12; n++) {
    const changed = Buffer.from(bytes);
    // Most of what a header says stands at the beginning; a TIFF's directories and an HDF5's trees do not.
    const reach = n % 2 === 0 ? Math.min(bytes.length, 400) : bytes.length;
    for (let flips = 1 + Math.floor(random() * 4); flips > 0; flips--)
      changed[Math.floor(random() * reach)] = random() < 0.5 ? 0xff : Math.floor(random() * 256);
    broken.push([`changed-${n}`, changed]);
  }
  return broken;
}

const big = 2 ** 31 - 1;

/** Headers that promise more than there is. */
export async function writeHuge(folder: string): Promise<void> {
  const at = (name: string): string => path.join(folder, name);
  await mkdir(at('png'), { recursive: true });
  await mkdir(at('jpg'), { recursive: true });
  const png = await sharp(Buffer.alloc(64), { raw: { width: 8, height: 8, channels: 1 } })
    .png()
    .toBuffer();
  png.writeUInt32BE(big, 16);
  png.writeUInt32BE(big, 20);
  await writeFile(at('png/a.png'), png);
  const jpeg = await sharp(Buffer.alloc(64), { raw: { width: 8, height: 8, channels: 1 } })
    .jpeg()
    .toBuffer();
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  jpeg.writeUInt32BE(0xffff_ffff, frame + 5);
  await writeFile(at('jpg/a.jpg'), jpeg);
  await writeTiff(at('huge.tif'), { dtype: 'uint8', shape: [8, 8, 2], bytes: new Uint8Array(128) });
  const tiff = await readFile(at('huge.tif'));
  for (const tag of [256, 257]) {
    const entry = tiff.indexOf(Buffer.from([tag & 255, tag >> 8, 4, 0, 1, 0, 0, 0]));
    tiff.writeUInt32LE(big, entry + 8);
  }
  await writeFile(at('huge.tif'), tiff);
  // A page that is its own next one.
  const ring = await readFile(at('huge.tif'));
  ring.writeUInt32LE(8, 8 + 2 + 14 * 12);
  await writeFile(at('ring.tif'), ring);
  const file = new h5wasm.File(at('huge.h5'), 'w');
  const data = new Uint8Array(64 ** 3);
  file.create_dataset({ name: 'main', data, shape: [64, 64, 64], maxshape: [null, null, null], chunks: [64, 64, 64] });
  const main = file.get('main');
  if (main instanceof h5wasm.Dataset) main.resize([big, big, big]);
  file.close();
  const scale = {
    key: 's0',
    size: [big, big, big],
    resolution: [8, 8, 8],
    chunk_sizes: [[64, 64, 64]],
    encoding: 'raw',
  };
  const infos: Record<string, unknown> = {
    'pre-huge': { scales: [scale] },
    'pre-beyond': { scales: [{ ...scale, size: [1e300, 2 ** 53, 7] }] },
    'pre-chunk': { scales: [{ ...scale, chunk_sizes: [[big, big, big]] }] },
    'pre-up': { scales: [{ ...scale, key: '../../../../../../etc' }] },
    'pre-negative': { scales: [{ ...scale, size: [-5, 1, 1] }] },
    'pre-none': { scales: [] },
    'pre-many': { scales: Array.from({ length: 5_000 }, () => scale) },
    'pre-proto': JSON.parse('{"__proto__": {"type": 1}, "scales": [{"__proto__": null}]}'),
  };
  for (const [name, info] of Object.entries(infos)) {
    await mkdir(at(name));
    const whole = { type: 'image', data_type: 'uint8', num_channels: 1, ...(info as object) };
    await writeFile(at(`${name}/info`), JSON.stringify(whole));
  }
  await mkdir(at('pre-deep'));
  await writeFile(at('pre-deep/info'), '['.repeat(200_000));
}

/** Links that lead nowhere, to themselves, and to what is no file. */
export async function writeLinks(folder: string): Promise<void> {
  const at = (name: string): string => path.join(folder, name);
  await mkdir(at('loop'), { recursive: true });
  await symlink(at('loop'), at('loop/again'));
  await symlink(at('self.tif'), at('self.tif'));
  await symlink(at('gone.h5'), at('nowhere.h5'));
  await symlink('/dev/zero', at('zero.tif'));
  await symlink('/dev/zero', at('zero.h5'));
}
