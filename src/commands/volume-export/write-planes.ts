/** Formats of one file that holds the planes in order: .npy, TIFF and HDF5. Voxels are written where they belong, so a cut loses none. */
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../../protocol/errors.ts';
import { BYTES_PER_VOXEL, boxShape } from '../../../protocol/volume.ts';
import { npyHeader } from '../../utility/npy.ts';
import {
  type TiffLayout,
  tiffFault,
  tiffFileBytes,
  tiffHeader,
  tiffPageHead,
  tiffPageOffset,
} from '../../utility/tiff.ts';
import type { ExportLevel, ExportPlan } from './export-plan.ts';
import type { ExportFormat, VolumeWriter } from './volume-writer.ts';

/** What is written of a level. */
type Piece = Parameters<VolumeWriter['write']>[0];

/** A file of planes, each without gaps. */
interface PlaneFormat {
  readonly ending: string;
  /** The first bytes of the file. */
  head(level: ExportLevel, plan: ExportPlan): Uint8Array;
  /** Bytes of the whole file. */
  length(level: ExportLevel, plan: ExportPlan): number;
  /** Where the voxels of a plane begin, and what stands right in front of them. */
  plane(level: ExportLevel, plan: ExportPlan, plane: number): { readonly at: number; readonly before?: Uint8Array };
}

const layoutOf = ({ box, info }: ExportLevel, { dtype }: ExportPlan): TiffLayout => ({
  ...{ dtype, shape: boxShape(box), voxel: info.voxel },
});

const planeBytes = ({ box }: ExportLevel, { dtype }: ExportPlan): number => {
  const [width, height] = boxShape(box);
  return width * height * BYTES_PER_VOXEL[dtype];
};

const npy: PlaneFormat = {
  ending: 'npy',
  head: ({ box }, { dtype }) => npyHeader(dtype, boxShape(box)),
  length: (level, plan) => npy.plane(level, plan, boxShape(level.box)[2]).at,
  plane: (level, plan, plane) => ({ at: npy.head(level, plan).length + plane * planeBytes(level, plan) }),
};

const tiff: PlaneFormat = {
  ending: 'tif',
  head: () => tiffHeader(),
  length: (level, plan) => tiffFileBytes(layoutOf(level, plan)),
  plane(level, plan, plane) {
    const layout = layoutOf(level, plan);
    const before = tiffPageHead(layout, plane);
    return { at: tiffPageOffset(layout, plane) + before.length, before };
  },
};

export const npyFormat: ExportFormat = {
  ...{ about: 'one .npy array [z, y, x]', hasLevels: false, pieces: 'planes' },
  fault: () => undefined,
  open: (folder, plan) => new PlaneWriter(fileOf(folder, plan, 'npy'), plan, npy),
};

export const tiffFormat: ExportFormat = {
  ...{ about: 'one TIFF with a page for each z, up to 4 GiB', hasLevels: false, pieces: 'planes' },
  fault: (plan) => tiffFault(layoutOf(plan.levels[0] as ExportLevel, plan)),
  open: (folder, plan) => new PlaneWriter(fileOf(folder, plan, 'tif'), plan, tiff),
};

export const h5Format: ExportFormat = {
  ...{ about: 'one HDF5 file with the dataset "main" [z, y, x]', hasLevels: false, pieces: 'planes' },
  fault: () => undefined,
  open: (folder, plan) => new Hdf5Writer(fileOf(folder, plan, 'h5'), plan),
};

/** The channel's name with an ending. */
function fileOf(folder: string, { path: channel }: ExportPlan, ending: string): string {
  return path.join(folder, `${channel.split('/').at(-1)}.${ending}`);
}

/** A file under a name of its own until it is whole. */
class PlaneWriter implements VolumeWriter {
  /** What the file is called until then. */
  readonly part: string;
  readonly #plan: ExportPlan;
  readonly #level: ExportLevel;
  readonly #format: PlaneFormat;
  readonly #file: string;
  #handle: FileHandle | undefined;
  #isWhole = false;

  /** @param file that there will be at the end. */
  constructor(file: string, plan: ExportPlan, format: PlaneFormat, part = `${file}.part`) {
    const [level] = plan.levels;
    if (level === undefined) throw new BflyError('INTERNAL', 'there is no level to write');
    this.part = part;
    this.#plan = plan;
    this.#level = level;
    this.#format = format;
    this.#file = file;
  }

  /** An earlier run has brought the file to its end. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  async begin({ done, left }: { readonly done: number; readonly left: number }): Promise<void> {
    this.#handle = await open(this.part, 'r+').catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return undefined;
      throw cause;
    });
    if (this.#handle === undefined && done > 0) {
      // Cut when all was done but for saying so.
      this.#isWhole = left === 0 && (await stat(this.#file).catch(() => undefined))?.isFile() === true;
      if (this.#isWhole) return;
      const name = JSON.stringify(path.basename(this.part));
      throw new BflyError('CONFLICT', `${name} of the earlier run is gone: give an empty folder`);
    }
    this.#handle ??= await open(this.part, 'wx+');
    await this.#put(0, this.#format.head(this.#level, this.#plan));
    await this.#handle.truncate(this.#format.length(this.#level, this.#plan));
  }

  async write({ box }: Piece, voxels: Uint8Array): Promise<void> {
    const size = BYTES_PER_VOXEL[this.#plan.dtype];
    const [lx, ly, lz, lx1] = this.#level.box;
    const [x0, y0, z0, x1, y1, z1] = box;
    const width = lx1 - lx;
    // Whole rows follow each other in the file as they do in the piece.
    const rows = x1 - x0 === width ? y1 - y0 : 1;
    const bytes = (x1 - x0) * rows * size;
    let from = 0;
    for (let z = z0; z < z1; z++) {
      const { at, before } = this.#format.plane(this.#level, this.#plan, z - lz);
      if (before !== undefined) await this.#put(at - before.length, before);
      for (let y = y0; y < y1; y += rows, from += bytes)
        await this.#put(at + ((y - ly) * width + (x0 - lx)) * size, voxels.subarray(from, from + bytes));
    }
    await this.#handle?.datasync();
  }

  async #put(at: number, bytes: Uint8Array): Promise<void> {
    if (this.#handle === undefined) throw new BflyError('INTERNAL', 'the file is closed');
    for (let from = 0; from < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, from, bytes.length - from, at + from);
      from += bytesWritten;
    }
  }

  async finish(): Promise<void> {
    if (this.#isWhole) return;
    await this.close();
    await rename(this.part, this.#file);
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }
}

/** Nothing of HDF5 can be trusted after a cut: planes are kept bare until all are there. */
class Hdf5Writer implements VolumeWriter {
  readonly #plan: ExportPlan;
  readonly #planes: PlaneWriter;
  readonly #file: string;

  constructor(file: string, plan: ExportPlan) {
    this.#plan = plan;
    this.#file = file;
    this.#planes = new PlaneWriter(file, plan, npy, `${file}.planes.part`);
  }

  begin(run: { readonly done: number; readonly left: number }): Promise<void> {
    return this.#planes.begin(run);
  }

  write(piece: Piece, voxels: Uint8Array): Promise<void> {
    return this.#planes.write(piece, voxels);
  }

  async finish(): Promise<void> {
    if (this.#planes.isWhole) return;
    await this.#planes.close();
    const [level] = this.#plan.levels;
    if (level === undefined) throw new BflyError('INTERNAL', 'there is no level to write');
    const temporary = `${this.#file}.part`;
    await rm(temporary, { force: true });
    // Loaded only here: it is large, and every command would wait for it.
    const { writeHdf5Volume } = await import('../../image/hdf5-writer.ts');
    await writeHdf5Volume(temporary, layoutOf(level, this.#plan), level.box, () => this.#planesOf(level));
    await rename(temporary, this.#file);
    await rm(this.#planes.part, { force: true });
  }

  /** Whole layers of the file's chunks, so that none is packed twice. */
  async *#planesOf(level: ExportLevel): AsyncGenerator<Uint8Array> {
    const { HDF5_CHUNK } = await import('../../image/hdf5-writer.ts');
    const handle = await open(this.#planes.part, 'r');
    try {
      const bytes = planeBytes(level, this.#plan);
      const planes = boxShape(level.box)[2];
      for (let plane = 0, some = 0; plane < planes; plane += some) {
        const inLayers = Math.floor(READ_BYTES / bytes / HDF5_CHUNK) * HDF5_CHUNK;
        some = Math.min(planes - plane, Math.max(1, inLayers > 0 ? inLayers : Math.floor(READ_BYTES / bytes)));
        const voxels = new Uint8Array(some * bytes);
        const { at } = npy.plane(level, this.#plan, plane);
        await readFully(handle, voxels, at);
        yield voxels;
      }
    } finally {
      await handle.close();
    }
  }

  close(): Promise<void> {
    return this.#planes.close();
  }
}

/** Bytes of planes that HDF5 is given at a time. */
const READ_BYTES = 32 * 1024 * 1024;

async function readFully(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let from = 0; from < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, from, bytes.length - from, at + from);
    if (bytesRead === 0) throw new BflyError('INTERNAL', 'the planes of the export are cut off: give an empty folder');
    from += bytesRead;
  }
}
