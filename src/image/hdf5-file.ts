/** HDF5 files through h5wasm, which reads them in place. The only place that knows h5wasm. */
import { openSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { devNull } from 'node:os';
import type * as h5wasm from 'h5wasm/node';
import { BflyError } from '../../protocol/errors.ts';
import { type DType, volumeOf } from '../../protocol/volume.ts';
import { PositionalFile } from './positional-file.ts';
import { quotedName } from './volume-name.ts';
import { dtypeOf } from './voxel-type.ts';

/** A dataset that can be served: three dimensions of numbers. */
export interface Hdf5Volume {
  /** Path inside the file, without a slash at either end. */
  readonly dataset: string;
  /** Size along z, y, x. */
  readonly shape: readonly [number, number, number];
  /** Size of a stored chunk along z, y, x; undefined where the data are contiguous. */
  readonly chunk: readonly [number, number, number] | undefined;
  /** What the voxels are served as. */
  readonly dtype: DType;
  /** Bytes of a stored voxel: 8 for float64, which is served as float32. */
  readonly storedBytes: number;
  /** It is stored as [y][x]: `shape` and `chunk` have a z of 1. */
  readonly isFlat?: boolean;
}

/** What a dataset is: servable, or why it is not. */
export type Hdf5Verdict = { readonly volume: Hdf5Volume } | { readonly fault: string };

type Module = NonNullable<typeof h5wasm.Module>;

/** One instance of the library. Damaged files can make it trap; what its memory holds after that cannot be trusted. */
interface Library {
  readonly File: typeof h5wasm.File;
  readonly Dataset: typeof h5wasm.Dataset;
  readonly module: Module;
  dead: boolean;
}

const SIGNATURE = Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Filters that are part of the library: deflate, shuffle, fletcher32, n-bit, scale-offset. All others come as plug-ins. */
const BUILT_IN_FILTERS = new Set([1, 2, 3, 5, 6]);
const FIX = 'h5repack -f GZIP=4 makes a file that can be read';

/** Instances are never freed by the loader, so a thread gets but a few. */
const MAX_INSTANCES = 6;

let current: Promise<Library> | undefined;
let instances = 0;

/** Loads the library at first use, as it is 4 MB of WebAssembly, and anew where it has trapped. */
async function loadLibrary(): Promise<Library> {
  const loaded = current;
  if (loaded !== undefined && !(await loaded).dead) return loaded;
  // Others may have loaded it anew while this call waited.
  if (current === loaded) current = instantiate(instances++);
  return loadLibrary();
}

/** The library for those who write, who are all in processes of their own. */
export async function loadHdf5(): Promise<Pick<Library, 'File' | 'Dataset'>> {
  return loadLibrary();
}

async function instantiate(instance: number): Promise<Library> {
  if (instance >= MAX_INSTANCES)
    throw new BflyError(
      'UNAVAILABLE',
      'too many damaged HDF5 files were read: no more are until the server is started anew',
    );
  const { ready, File, Dataset } = instance === 0 ? await import('h5wasm/node') : await importAgain(instance);
  const module = await ready;
  silence(module);
  return { File, Dataset, module, dead: false };
}

/** A module is instantiated once for each address that it is imported from. */
function importAgain(instance: number): Promise<typeof h5wasm> {
  return import(`${import.meta.resolve('h5wasm/node')}?instance=${instance}`);
}

/** Sends what the C library prints on its standard error nowhere: every failure is read from a return value instead. */
function silence(module: Module): void {
  const getStream: unknown = Reflect.get(module.FS, 'getStream');
  const stream: unknown = typeof getStream === 'function' ? getStream.call(module.FS, 2) : undefined;
  if (typeof stream === 'object' && stream !== null && 'nfd' in stream) stream.nfd = openSync(devNull, 'w');
}

/** Whether a file has the HDF5 signature where one may stand: at 0, 512, 1024, 2048, … */
export function hasHdf5Signature(path: string): boolean {
  const file = new PositionalFile(path);
  try {
    for (let at = 0; at + SIGNATURE.length <= file.size; at = at === 0 ? 512 : at * 2)
      if (SIGNATURE.equals(file.readNow(at, SIGNATURE.length))) return true;
    return false;
  } finally {
    file.close();
  }
}

/** An open HDF5 file. Its calls block while they read. */
export class Hdf5File {
  readonly #path: string;
  #library: Library;
  #file: h5wasm.File;
  #closed = false;
  /** Whether this very file made the library trap. */
  #poisoned = false;

  private constructor(path: string, library: Library, file: h5wasm.File) {
    this.#path = path;
    this.#library = library;
    this.#file = file;
  }

  /** Opens a file. @throws BflyError UNSUPPORTED where it is damaged. */
  static async open(path: string): Promise<Hdf5File> {
    const [library, file] = await openFile(path);
    return new Hdf5File(path, library, file);
  }

  /** Paths of all datasets, in the order of their names. @throws BflyError UNSUPPORTED where the file is damaged. */
  datasets(): string[] {
    return this.#guarded(() =>
      this.#file
        .paths()
        .filter((path) => this.#file.get(path) instanceof this.#library.Dataset)
        .sort(),
    );
  }

  /**
   * Says whether a dataset can be served.
   *
   * @returns undefined where there is none of that name.
   * @throws BflyError UNSUPPORTED where the file is damaged.
   */
  judge(dataset: string): Hdf5Verdict | undefined {
    return this.#guarded(() => {
      const found = this.#file.get(dataset);
      if (!(found instanceof this.#library.Dataset)) return undefined;
      return judgeDataset(this.#library, dataset, found, 3);
    });
  }

  /** As `judge`, for a dataset of two dimensions [y][x], which becomes a volume of one plane. */
  judgePicture(dataset: string): Hdf5Verdict | undefined {
    return this.#guarded(() => {
      const found = this.#file.get(dataset);
      if (!(found instanceof this.#library.Dataset)) return undefined;
      return judgeDataset(this.#library, dataset, found, 2);
    });
  }

  /** Numbers of an attribute of a dataset; undefined where it has none of that name or it holds something else. */
  numbers(dataset: string, attribute: string): number[] | undefined {
    return this.#guarded(() => {
      const found = this.#file.get(dataset);
      const value = found instanceof this.#library.Dataset ? found.attrs[attribute]?.json_value : undefined;
      const list = Array.isArray(value) ? value : [];
      const numbers = list.filter((item): item is number => typeof item === 'number');
      return list.length > 0 && numbers.length === list.length ? numbers : undefined;
    });
  }

  /**
   * Reads a box of a dataset.
   *
   * @param start first voxel along z, y, x.
   * @param count of voxels along z, y, x.
   * @returns owned bytes, little-endian, `storedBytes` a voxel.
   * @throws BflyError INTERNAL where the data cannot be decoded.
   */
  async read(
    volume: Hdf5Volume,
    start: readonly number[],
    count: readonly [number, number, number],
  ): Promise<Uint8Array> {
    if (this.#closed) throw new BflyError('INTERNAL', 'the source is closed');
    // Another file's damage has ended the library; this one goes on in a new instance.
    if (this.#library.dead && !this.#poisoned) [this.#library, this.#file] = await openFile(this.#path);
    try {
      return this.#guarded(() => readBox(this.#library.module, this.#file.file_id, volume, start, count));
    } catch (cause) {
      const text = `dataset "${volume.dataset}" of ${quotedName(this.#path)} has data that cannot be decoded at voxel ${[...start].reverse().join(', ')}`;
      throw new BflyError('INTERNAL', text, { cause });
    }
  }

  /** Closes the file; again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#library.dead) return;
    try {
      this.#guarded(() => this.#file.close());
    } catch {
      // There is nothing to be done with a file that cannot be closed.
    }
  }

  #guarded<T>(work: () => T): T {
    if (this.#poisoned || this.#library.dead) throw damaged(this.#path);
    try {
      return guarded(this.#library, this.#path, work);
    } finally {
      this.#poisoned = this.#library.dead;
    }
  }
}

async function openFile(path: string): Promise<[Library, h5wasm.File]> {
  const library = await loadLibrary();
  const real = await realpath(path);
  const file = guarded(library, path, () => new library.File(real, 'r'));
  if (file.file_id < 0n) throw damaged(path);
  return [library, file];
}

/** Runs the library, which throws plain errors and traps where a file is damaged. */
function guarded<T>(library: Library, path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    library.dead ||= cause instanceof WebAssembly.RuntimeError;
    throw damaged(path, cause);
  }
}

function readBox(
  module: Module,
  fileId: bigint,
  volume: Hdf5Volume,
  start: readonly number[],
  count: readonly [number, number, number],
): Uint8Array {
  const bytes = volumeOf(count) * volume.storedBytes;
  const pointer = module._malloc(bytes);
  if (pointer === 0) throw new Error(`there is no memory for ${bytes} bytes`);
  try {
    const unused = volume.isFlat === true ? 1 : 0;
    const corner = start.slice(unused).map(BigInt);
    const size = count.slice(unused).map(BigInt);
    const step = size.map(() => 1n);
    const status = module.get_dataset_data(fileId, volume.dataset, size, corner, step, BigInt(pointer));
    if (status < 0) throw new Error(`H5Dread gave ${status}`);
    return module.HEAPU8.slice(pointer, pointer + bytes);
  } finally {
    module._free(pointer);
  }
}

function damaged(path: string, cause?: unknown): BflyError {
  const text = `${quotedName(path)} is an HDF5 file that is truncated, damaged or open for writing elsewhere`;
  return new BflyError('UNSUPPORTED', text, { cause });
}

/** @param dimensions that it must have: 3, or 2 for a picture. */
function judgeDataset(library: Library, dataset: string, found: h5wasm.Dataset, dimensions: 2 | 3): Hdf5Verdict {
  const { metadata } = found;
  const { shape, chunks } = metadata;
  const type = numberType(library.module, metadata);
  if ('other' in type) return { fault: `${type.other}; integers of 8 to 64 bits or floats of 32 or 64 would be right` };
  if (shape === null || shape.length !== dimensions) {
    const right = dimensions === 3 ? 'three, [z][y][x],' : 'two, [y][x],';
    return { fault: `${shape?.length ?? 0} dimensions [${shape ?? ''}]; ${right} would be right` };
  }
  const isFlat = dimensions === 2;
  const [z = 0, y = 0, x = 0] = isFlat ? [1, ...shape] : shape;
  if (z * y * x === 0) return { fault: `no voxels: its shape is [${shape}]` };
  const foreign = found.filters.find(({ id }) => !BUILT_IN_FILTERS.has(id));
  if (foreign !== undefined)
    return { fault: `the filter ${foreign.name || 'without a name'} (${foreign.id}), which cannot be decoded; ${FIX}` };
  const [cz = 0, cy = 0, cx = 0] = isFlat ? [1, ...(chunks ?? [])] : (chunks ?? []);
  const chunk = cz * cy * cx === 0 ? undefined : ([cz, cy, cx] as const);
  const volume = { dataset, shape: [z, y, x] as const, chunk, dtype: type.dtype, storedBytes: metadata.size };
  return { volume: isFlat ? { ...volume, isFlat } : volume };
}

/** The protocol's type for a dataset's numbers, or what else the dataset holds. */
function numberType(
  module: Module,
  { type, size, signed, enum_type }: h5wasm.Metadata,
): { readonly dtype: DType } | { readonly other: string } {
  const classes = module.H5T_class_t;
  if (type === classes.H5T_INTEGER.value) {
    const dtype = dtypeOf(signed ? 'signed' : 'unsigned', size * 8);
    return dtype === undefined ? { other: `integers of ${size * 8} bits` } : { dtype };
  }
  if (type === classes.H5T_FLOAT.value)
    return size === 4 || size === 8 ? { dtype: 'float32' } : { other: `floats of ${size * 8} bits` };
  if (type === classes.H5T_STRING.value) return { other: 'strings' };
  if (type === classes.H5T_COMPOUND.value) return { other: 'compound values' };
  if (type === classes.H5T_ENUM.value)
    return { other: enum_type !== undefined && 'TRUE' in enum_type.members ? 'bool values' : 'values of an enum' };
  return { other: `values of HDF5 class ${type}` };
}
