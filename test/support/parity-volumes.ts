/** The volumes that the parity list is stated in, as files, with the configuration that names them. Source: parity.md 14. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { tiffBytes } from '../image/tiff-fixture.ts';
import { DS_SOMATA, DS_SYNAPSES } from './table-files.ts';

const SIZE = { x: 8, y: 6, z: 4 } as const;
const COUNT = SIZE.x * SIZE.y * SIZE.z;
/** Value of `im` at its n-th voxel: 48z + 8y + x is n itself. */
const numbers = Array.from({ length: COUNT }, (_, n) => n);

type Values =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int16Array
  | Float32Array
  | Float64Array
  | Int8Array;
type Shape = readonly [z: number, y: number, x: number];

interface Hdf5Fixture {
  readonly dataset?: string;
  readonly data: Values;
  readonly shape?: Shape;
}

/** Files in HDF5, by name. */
const HDF5: Readonly<Record<string, () => Hdf5Fixture>> = {
  'im.h5': () => ({ data: Uint8Array.from(numbers) }),
  'seg.h5': () => ({ dataset: 'stack', data: Uint32Array.from(numbers, (n) => Math.floor(n / 4) * 1000) }),
  'seg64.h5': () => ({ data: BigUint64Array.from(numbers, (n) => BigInt(Math.floor(n / 4)) + (1n << 40n)) }),
  'i16.h5': () => ({ data: Int16Array.from(numbers) }),
  'minus.h5': () => ({ data: Int16Array.from(numbers, (n) => (n === 0 ? -1 : n)) }),
  'flt.h5': () => ({ data: Float32Array.from(numbers, (n) => n / COUNT) }),
  'flt64.h5': () => ({ data: Float64Array.from(numbers, (n) => n / 4) }),
  'nested.h5': () => ({ dataset: 'volumes/raw', data: Uint8Array.from(numbers) }),
  'big.h5': () => ({ data: Uint32Array.from({ length: 100 * 200 * 200 }, (_, n) => n), shape: [100, 200, 200] }),
  'a.h5': () => ({ data: new Uint8Array(100 * 64).fill(1), shape: [100, 8, 8] }),
  'b.h5': () => ({ data: new Uint8Array(50 * 64).fill(2), shape: [50, 8, 8] }),
};

/** Writes an HDF5 file of one dataset. @param shape z, y, x. */
export async function writeHdf5(target: string, data: Values, shape: Shape, dataset = 'main'): Promise<void> {
  const { File, ready } = await import('h5wasm/node');
  await ready;
  const file = new File(target, 'w');
  const [group, inside] = dataset.split('/');
  if (inside !== undefined) file.create_group(group as string);
  file.create_dataset({ name: dataset, data, shape: [...shape] });
  file.close();
}

/** Writes all volumes into a folder. */
export async function writeParityVolumes(folder: string): Promise<void> {
  for (const [name, fixture] of Object.entries(HDF5)) {
    const { dataset, data, shape = [SIZE.z, SIZE.y, SIZE.x] } = fixture();
    await writeHdf5(path.join(folder, name), data, shape, dataset);
  }
  writeJson(folder, 'multi.json', [
    { filename: 'b.h5', 'dataset-path': 'main', 'z-offset': 100 },
    { filename: 'a.h5', 'dataset-path': 'main', 'z-offset': 0 },
  ]);
  writeJson(folder, 'nested.json', { filename: 'nested.h5', 'dataset-path': 'volumes/raw' });
  writeStack(folder);
  writeBoss(folder);
  writeMojo(path.join(folder, 'mojo'), [8, 8, 2]);
  writeMojo(path.join(folder, 'small-mojo'), [3, 2, 1]);
  writeTables(folder);
}

function writeJson(folder: string, name: string, value: unknown): void {
  writeFileSync(path.join(folder, name), JSON.stringify(value));
}

/** A grey TIFF. */
function tiff(width: number, height: number, data: Uint8Array | Uint16Array | Uint32Array): Uint8Array {
  const strip = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return tiffBytes([{ width, height, bits: 8 * data.BYTES_PER_ELEMENT, strips: [strip] }]);
}

/** Three slices of `im`, 1000 more each. */
function writeStack(folder: string): void {
  const slices = path.join(folder, 'stack');
  mkdirSync(slices);
  for (let z = 0; z < 3; z++) {
    const values = Uint16Array.from({ length: SIZE.x * SIZE.y }, (_, n) => 48 * z + n + 1000 * z);
    writeFileSync(path.join(slices, `${z}.tif`), tiff(SIZE.x, SIZE.y, values));
  }
}

/** 8×8×2 voxels in tiles of 4×4, 100z + 10·row + column each; `boss` lacks the tile (1, 1, 1), `boss2` counts from elsewhere. */
function writeBoss(folder: string): void {
  const tiles = path.join(folder, 'tiles');
  mkdirSync(tiles);
  const all: { z: number; row: number; column: number; location: string }[] = [];
  for (let z = 0; z < 2; z++)
    for (let row = 0; row < 2; row++)
      for (let column = 0; column < 2; column++) {
        const location = path.join(tiles, `${z}_${row}_${column}.tif`);
        writeFileSync(location, tiff(4, 4, new Uint8Array(16).fill(100 * z + 10 * row + column)));
        all.push({ location, z, row, column });
      }
  const job = {
    tile_size: { z: 1, y: 4, x: 4 },
    extent: { z: [0, 2], y: [0, 8], x: [0, 8] },
  };
  const without = all.filter(({ z, row, column }) => z !== 1 || row !== 1 || column !== 1);
  writeJson(folder, 'boss.json', { ingest_job: job, tiles: without, database: 'x', resolution: 0, t: 0 });
  const pattern = (z: number): string => path.join(tiles, `${z}_{row}_{column}.tif`);
  writeJson(folder, 'boss2.json', {
    ingest_job: { ...job, tile_origin: { z: 5, row: 0, column: 0 } },
    tiles: [5, 6].map((z) => ({ location: pattern(z - 5), z })),
  });
}

/** Tiles of 4×4, of 1000w + 100z + 10y + x each, in two levels; the tile (1, 1) of z 1 is not there. */
function writeMojo(folder: string, [width, height, depth]: readonly [number, number, number]): void {
  const xml =
    `<?xml version="1.0"?><tiledVolumeDescription numBytesPerVoxel="4" fileExtension="tif" numVoxelsPerTileX="4" ` +
    `numVoxelsPerTileY="4" numVoxelsPerTileZ="1" numVoxelsX="${width}" numVoxelsY="${height}" numVoxelsZ="${depth}" ` +
    `numTilesX="${Math.ceil(width / 4)}" numTilesY="${Math.ceil(height / 4)}" numTilesZ="${depth}" numTilesW="2" />`;
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'tiledVolumeDescription.xml'), xml);
  const padded = (n: number): string => String(n).padStart(8, '0');
  for (let w = 0; w < 2; w++)
    for (let z = 0; z < depth; z++)
      for (let y = 0; y < Math.ceil(height / 4 / 2 ** w); y++)
        for (let x = 0; x < Math.ceil(width / 4 / 2 ** w); x++) {
          if (w === 0 && z === 1 && y === 1 && x === 1) continue;
          const slice = path.join(folder, 'tiles', `w=${padded(w)}`, `z=${padded(z)}`);
          mkdirSync(slice, { recursive: true });
          const values = new Uint32Array(16).fill(1000 * w + 100 * z + 10 * y + x);
          writeFileSync(path.join(slice, `y=${padded(y)},x=${padded(x)}.tif`), tiff(4, 4, values));
        }
}

function writeTables(folder: string): void {
  const tables = path.join(folder, 'ds');
  mkdirSync(tables);
  writeJson(tables, 'synapse-connections.json', DS_SYNAPSES);
  writeJson(tables, 'neuron-soma.json', DS_SOMATA);
}

/** The configuration that Butterfly would have been given. Names stand in it as people write them. */
export function parityConfig(allowed = '.'): string {
  return `
bfly:
  allowed-paths: [${allowed}]
  max-block-size: 1
  experiments:
    - name: e
      samples:
        - name: s
          datasets:
            - name: d
              channels:
                - {name: im, path: im.h5}
                - {name: seg, path: seg.h5, mesh: meshes}
                - {name: seg64, path: seg64.h5}
                - {name: i16, path: i16.h5}
                - {name: minus, path: minus.h5}
                - {name: flt, path: flt.h5}
                - {name: flt64, path: flt64.h5}
                - {name: big, path: big.h5}
                - {name: stack, path: stack}
                - {name: moved, path: im.h5, offset: [1, 2, 3]}
                - {name: moved-back, path: im.h5, offset: [0, -2, -2]}
                - {name: off, path: im.h5}
                - {name: 2017, path: im.h5}
                - {name: gone, path: gone.h5}
                - {name: outside, path: /etc/hostname}
                - {name: multi, path: multi.json}
                - {name: nested, path: nested.json}
                - {name: boss, path: boss.json}
                - {name: boss2, path: boss2.json}
            - name: ds
              path: ds
              channels:
                - {name: seg, path: seg.h5}
            - name: mojo
              channels:
                - {name: mojo, path: mojo}
            - name: small
              channels:
                - {name: mojo, path: small-mojo}
`;
}
