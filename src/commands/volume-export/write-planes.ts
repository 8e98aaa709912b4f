/** Formats of one file that holds the planes in order: .npy, TIFF and HDF5. Planes are written where they belong, so a cut loses none. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, boxShape } from '../../../protocol/volume.ts';
import { npyHeader } from '../../utility/npy.ts';
import { type TiffLayout, tiffFault, tiffHeader, tiffPageOffset, tiffPages } from '../../utility/tiff.ts';
import type { ExportLevel, ExportPlan } from './export-plan.ts';
import type { ExportFormat, VolumeWriter } from './volume-writer.ts';

/** Bytes of a file by where they belong. */
type Placed = Iterable<{ readonly at: number; readonly bytes: Uint8Array }>;

interface PlaneFormat {
  readonly ending: string;
  head(level: ExportLevel, plan: ExportPlan): Uint8Array;
  /** @param plane number of the first plane in the file. */
  planes(level: ExportLevel, plan: ExportPlan, plane: number, voxels: Uint8Array): Placed;
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
  planes: (level, plan, plane, voxels) => [
    { at: npy.head(level, plan).length + plane * planeBytes(level, plan), bytes: voxels },
  ],
};

const tiff: PlaneFormat = {
  ending: 'tif',
  head: () => tiffHeader(),
  *planes(level, plan, plane, voxels) {
    const layout = layoutOf(level, plan);
    let at = tiffPageOffset(layout, plane);
    for (const bytes of tiffPages(layout, plane, voxels)) {
      yield { at, bytes };
      at += bytes.length;
    }
  },
};

export const npyFormat: ExportFormat = {
  ...{ about: 'one .npy array [z, y, x]', hasLevels: false, pieces: 'planes' },
  fault: () => undefined,
  open: (folder, plan) => new PlaneWriter(folder, plan, npy),
};

export const tiffFormat: ExportFormat = {
  ...{ about: 'one TIFF with a page for each z, up to 4 GiB', hasLevels: false, pieces: 'planes' },
  fault: (plan) => tiffFault(layoutOf(plan.levels[0] as ExportLevel, plan)),
  open: (folder, plan) => new PlaneWriter(folder, plan, tiff),
};

export const h5Format: ExportFormat = {
  ...{ about: 'one HDF5 file with the dataset "main" [z, y, x]', hasLevels: false, pieces: 'planes' },
  fault: () => undefined,
  open: (folder, plan) => new Hdf5Writer(folder, plan),
};

/** The channel's name with an ending. */
function fileOf(folder: string, { path: channel }: ExportPlan, ending: string): string {
  return path.join(folder, `${channel.split('/').at(-1)}.${ending}`);
}

/** A file under a name of its own until it is whole. */
class PlaneWriter implements VolumeWriter {
  readonly #plan: ExportPlan;
  readonly #format: PlaneFormat;
  readonly #file: string;
  #handle: FileHandle | undefined;

  constructor(folder: string, plan: ExportPlan, format: PlaneFormat) {
    this.#plan = plan;
    this.#format = format;
    this.#file = fileOf(folder, plan, format.ending);
  }

  get part(): string {
    return `${this.#file}.part`;
  }

  async begin(): Promise<void> {
    const [level] = this.#plan.levels;
    // What an earlier run has written stays.
    this.#handle = await open(this.part, 'r+').catch(() => open(this.part, 'wx+'));
    if (level !== undefined) await this.#put([{ at: 0, bytes: this.#format.head(level, this.#plan) }]);
  }

  async write({ level, box }: { readonly level: ExportLevel; readonly box: Box }, voxels: Uint8Array): Promise<void> {
    await this.#put(this.#format.planes(level, this.#plan, box[2] - level.box[2], voxels));
    await this.#handle?.datasync();
  }

  async #put(placed: Placed): Promise<void> {
    for (const { at, bytes } of placed)
      for (let from = 0; from < bytes.length; ) {
        const written = await this.#handle?.write(bytes, from, bytes.length - from, at + from);
        from += written?.bytesWritten ?? bytes.length;
      }
  }

  async finish(): Promise<void> {
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

  constructor(folder: string, plan: ExportPlan) {
    this.#plan = plan;
    this.#file = fileOf(folder, plan, 'h5');
    this.#planes = new PlaneWriter(folder, plan, { ...npy, ending: 'h5.planes' });
  }

  begin(): Promise<void> {
    return this.#planes.begin();
  }

  write(piece: { readonly level: ExportLevel; readonly box: Box }, voxels: Uint8Array): Promise<void> {
    return this.#planes.write(piece, voxels);
  }

  async finish(): Promise<void> {
    await this.#planes.close();
    const [level] = this.#plan.levels;
    if (level === undefined) throw new BflyError('INTERNAL', 'there is no level to write');
    const temporary = `${this.#file}.part`;
    await rm(temporary, { force: true });
    // Loaded only here: it is large, and every command would wait for it.
    const { writeHdf5Volume } = await import('../../image/hdf5-writer.ts');
    await writeHdf5Volume(temporary, layoutOf(level, this.#plan), level.box, this.#planesOf(level));
    await rename(temporary, this.#file);
    await rm(this.#planes.part, { force: true });
  }

  async *#planesOf(level: ExportLevel): AsyncGenerator<Uint8Array> {
    const handle = await open(this.#planes.part, 'r');
    try {
      const bytes = planeBytes(level, this.#plan);
      const some = Math.max(1, Math.floor((32 * 1024 * 1024) / bytes));
      const planes = boxShape(level.box)[2];
      const start = npy.head(level, this.#plan).length;
      for (let plane = 0; plane < planes; plane += some) {
        const voxels = new Uint8Array(Math.min(some, planes - plane) * bytes);
        await handle.read(voxels, 0, voxels.length, start + plane * bytes);
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
