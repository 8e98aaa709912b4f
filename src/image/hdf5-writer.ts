/** Writes one volume as an HDF5 file, a few planes at a time. */
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, type DType, type Vec3 } from '../../protocol/volume.ts';
import { Hdf5File, loadHdf5 } from './hdf5-file.ts';

/** What is written. */
export interface Hdf5Layout {
  readonly dtype: DType;
  /** x, y, z. */
  readonly shape: Vec3;
  /** Nanometres. */
  readonly voxel: Vec3;
}

/** Sides of a chunk, at most. */
export const HDF5_CHUNK = 64;

type Values = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array;
type WideValues = BigUint64Array | BigInt64Array;

/** h5wasm's name of a type, and a view of bytes as its values. */
const TYPES: Readonly<Record<DType, readonly [name: string, view: (bytes: Uint8Array) => Values | WideValues]>> = {
  uint8: ['<B', (bytes) => bytes],
  int8: ['<b', (bytes) => new Int8Array(bytes.buffer)],
  uint16: ['<H', (bytes) => new Uint16Array(bytes.buffer)],
  int16: ['<h', (bytes) => new Int16Array(bytes.buffer)],
  uint32: ['<I', (bytes) => new Uint32Array(bytes.buffer)],
  int32: ['<i', (bytes) => new Int32Array(bytes.buffer)],
  uint64: ['<Q', (bytes) => new BigUint64Array(bytes.buffer)],
  int64: ['<q', (bytes) => new BigInt64Array(bytes.buffer)],
  float32: ['<f', (bytes) => new Float32Array(bytes.buffer)],
};

/**
 * Writes a file with the gzipped dataset `main` [z, y, x], and `resolution` (nanometres) and `offset` (nanometres) as CREMI has them,
 * and reads it back: the library does not tell when the disk is full.
 *
 * @param file absolute path of a file that is not there yet.
 * @param box of the voxels in their volume, for `offset`.
 * @param planes the voxels in order, any number of whole z planes at a time, each in a buffer of its own; asked for twice.
 * @throws BflyError INTERNAL where the file cannot be written.
 */
export async function writeHdf5Volume(
  file: string,
  layout: Hdf5Layout,
  box: Box,
  planes: () => AsyncIterable<Uint8Array>,
): Promise<void> {
  try {
    await write(file, layout, box, planes());
  } catch (cause) {
    if (cause instanceof BflyError) throw cause;
    throw new BflyError('INTERNAL', 'the HDF5 file cannot be written; is the disk full?', { cause });
  }
  if (!(await holds(file, layout, planes())))
    throw new BflyError('INTERNAL', 'the HDF5 file does not hold what was written into it; is the disk full?');
}

async function write(
  file: string,
  { dtype, shape, voxel }: Hdf5Layout,
  box: Box,
  planes: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { File, Dataset } = await loadHdf5();
  const [nx, ny, nz] = shape;
  const [type, view] = TYPES[dtype];
  const chunks = [Math.min(HDF5_CHUNK, nz), Math.min(HDF5_CHUNK, ny), Math.min(HDF5_CHUNK, nx)];
  const created = new File(file, 'w');
  try {
    let z = 0;
    for await (const bytes of planes) {
      const data = view(bytes);
      const depth = data.length / (nx * ny);
      if (z === 0) {
        const options = { name: 'main', data, shape: [depth, ny, nx], maxshape: [nz, ny, nx], dtype: type, chunks };
        created.create_dataset({ ...options, compression: 'gzip', compression_opts: 1 });
      } else {
        const dataset = created.get('main');
        if (!(dataset instanceof Dataset)) throw new Error('the dataset is gone');
        dataset.resize([z + depth, ny, nx]);
        dataset.write_slice([[z, z + depth], [], []], data);
      }
      z += depth;
    }
    const dataset = created.get('main');
    if (!(dataset instanceof Dataset)) throw new Error('nothing was written');
    const reversed = (of: readonly number[]): Float64Array => Float64Array.of(of[2] ?? 0, of[1] ?? 0, of[0] ?? 0);
    dataset.create_attribute('resolution', reversed(voxel));
    dataset.create_attribute('offset', reversed(voxel.map((side, axis) => side * (box[axis] as number))));
  } finally {
    created.close();
  }
}

/** Whether a file has these planes. */
async function holds(file: string, { dtype, shape }: Hdf5Layout, planes: AsyncIterable<Uint8Array>): Promise<boolean> {
  const [nx, ny, nz] = shape;
  const written = await Hdf5File.open(file).catch(() => undefined);
  if (written === undefined) return false;
  try {
    const verdict = written.judge('main');
    if (verdict === undefined || !('volume' in verdict) || verdict.volume.shape[0] !== nz) return false;
    let z = 0;
    for await (const bytes of planes) {
      const depth = bytes.length / (nx * ny * BYTES_PER_VOXEL[dtype]);
      if (Buffer.compare(await written.read(verdict.volume, [z, 0, 0], [depth, ny, nx]), bytes) !== 0) return false;
      z += depth;
    }
    return z === nz;
  } catch {
    return false;
  } finally {
    written.close();
  }
}
