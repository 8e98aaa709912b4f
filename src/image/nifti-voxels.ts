/** The voxels of one volume of a NIfTI file. */
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, boxShape, volumeOf } from '../../protocol/volume.ts';
import { copyBox } from '../query/copy-box.ts';
import { inParallel } from './in-parallel.ts';
import type { NiftiInfo } from './nifti-header.ts';
import { PositionalFile } from './positional-file.ts';

/** Stored voxels, in the byte order of the file. Reads may run concurrently. */
export interface NiftiVoxels {
  /** @returns owned. @throws Error whose message goes on after "it". */
  read(box: Box): Promise<Uint8Array>;
  close(): void;
}

/** Packed files are unpacked into memory, in each thread that reads them. */
const MAX_UNPACKED_BYTES = 1024 * 1024 * 1024;
const PLANES_AT_ONCE = 4;

const volumeBytes = ({ shape, bytesPerVoxel }: NiftiInfo): number => volumeOf(shape) * bytesPerVoxel;

/** Opens a file as it is: planes are read as they are asked for. @throws BflyError UNSUPPORTED where it is too short. */
export function openPlain(path: string, name: string, info: NiftiInfo, volume: number): NiftiVoxels {
  const file = new PositionalFile(path);
  const [start, wanted] = [info.start + volume * volumeBytes(info), info.start + info.volumes * volumeBytes(info)];
  if (file.size < wanted) {
    file.close();
    throw new BflyError('UNSUPPORTED', `${name} is cut off: it has ${file.size} bytes, ${wanted} would be right`);
  }
  const [nx, ny] = info.shape;
  const rowBytes = nx * info.bytesPerVoxel;
  return {
    async read(box) {
      const out = new Uint8Array(volumeOf(boxShape(box)) * info.bytesPerVoxel);
      const [, y0, z0, , y1, z1] = box;
      await inParallel(PLANES_AT_ONCE, Array(z1 - z0).keys(), async (i) => {
        const z = z0 + i;
        const length = (y1 - y0) * rowBytes;
        const rows = await file.read(start + (z * ny + y0) * rowBytes, length);
        if (rows.length !== length) throw new Error('it has become shorter');
        copyBox(rows, [0, y0, z, nx, y1, z + 1], out, box, info.bytesPerVoxel);
      });
      return out;
    },
    close: () => file.close(),
  };
}

/**
 * Opens a gzipped file: the volume, and nothing else of it, is unpacked into memory when it is first read, and stays there.
 *
 * @throws BflyError UNSUPPORTED where that is too much.
 */
export function openPacked(path: string, name: string, info: NiftiInfo, volume: number): NiftiVoxels {
  const bytes = volumeBytes(info);
  if (bytes > MAX_UNPACKED_BYTES)
    throw new BflyError(
      'UNSUPPORTED',
      `${name} would take ${Math.ceil(bytes / 2 ** 20)} MiB of memory, unpacked; gunzipped to a .nii it is read piece by piece`,
    );
  let unpacked: Promise<Uint8Array> | undefined;
  const load = (): Promise<Uint8Array> => {
    unpacked ??= unpackVolume(path, info.start + volume * bytes, bytes).catch((error: unknown) => {
      unpacked = undefined;
      throw error;
    });
    return unpacked;
  };
  return {
    async read(box) {
      const voxels = await load();
      const out = new Uint8Array(volumeOf(boxShape(box)) * info.bytesPerVoxel);
      copyBox(voxels, [0, 0, 0, ...info.shape], out, box, info.bytesPerVoxel);
      return out;
    },
    close() {
      unpacked = undefined;
    },
  };
}

/** Unpacks a part of a file, without holding the rest. */
async function unpackVolume(path: string, start: number, length: number): Promise<Uint8Array> {
  const out = new Uint8Array(length);
  let at = 0;
  const file = createReadStream(path);
  const pieces = file.pipe(createGunzip());
  file.on('error', (error) => pieces.destroy(error));
  try {
    for await (const piece of pieces as AsyncIterable<Uint8Array>) {
      const from = Math.max(0, start - at);
      if (from < piece.length) {
        const to = at + from - start;
        out.set(piece.subarray(from, Math.min(piece.length, from + length - to)), to);
      }
      at += piece.length;
      if (at >= start + length) break;
    }
  } catch (cause) {
    if (cause instanceof Error && 'syscall' in cause) throw cause;
    throw new Error('it is no whole gzip', { cause });
  } finally {
    file.destroy();
  }
  if (at < start + length) throw new Error(`it unpacks to ${at} bytes, ${start + length} would be right`);
  return out;
}
