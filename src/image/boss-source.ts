/**
 * Boss grids: a JSON file `{ingest_job: {tile_size, extent, tile_origin}, tiles: [{location, z, row, column}]}`, as pipelines wrote it for
 * the Boss, names the picture of each tile. A tile without row or column stands for all rows or columns of its plane, and its location
 * holds `{row}` or `{column}`, also with a width, such as `{row:04d}`. Locations are relative to the JSON file.
 */
import { basename } from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import type { Vec3 } from '../../protocol/volume.ts';
import { fileStamp } from './file-stamp.ts';
import { admitFile, fileNamedIn, isMap, type JsonMap, readJsonFile, wholeNumber } from './json-file.ts';
import { type Picture, readPictureIfThere } from './picture-file.ts';
import type { FoundVolume, Source, SourceFormat, SourceSpec } from './source.ts';
import { TiledSource, type TileGrid, type TilePlace } from './tiled-source.ts';
import { quotedName, volumeName } from './volume-name.ts';
import { guessVolumeType } from './voxel-type.ts';

/** Its names, as they stand in the file. */
const isIndex = (bytes: Buffer): boolean => bytes.includes('"ingest_job"') && bytes.includes('"tiles"');
const MAX_INDEX_BYTES = 256 * 1024 * 1024;

/** What an index says. */
interface Index {
  /** x, y, z. */
  readonly shape: Vec3;
  readonly width: number;
  readonly height: number;
  /** Where a tile's picture should be, absolute; undefined where the index names none. */
  fileOf(z: number, row: number, column: number): string | undefined;
  /** All files that the index names and the grid has a place for. */
  files(): Iterable<string>;
}

/** JSON files with an `ingest_job` and `tiles`. */
export const bossFormat: SourceFormat = {
  kind: 'boss',
  async find(path: string): Promise<readonly FoundVolume[] | undefined> {
    const index = await readIndex(path);
    if (index === undefined) return undefined;
    const name = volumeName(path.replace(/\.json$/i, ''));
    return [{ spec: { path }, name, kind: 'boss', parts: () => index.files() }];
  },
  async open({ path, dataset, within }: SourceSpec): Promise<Source> {
    if (dataset !== undefined)
      throw new BflyError('NOT_FOUND', `${quotedName(path)} is an index of tiles, which holds no datasets`);
    const stamp = await fileStamp(path);
    const index = await readIndex(path);
    if (index === undefined) throw new BflyError('UNSUPPORTED', `${quotedName(path)} is not an index of tiles`);
    const { shape, width, height } = index;
    const read = async (file: string | undefined): Promise<Picture | undefined> => {
      const admitted = file === undefined ? undefined : await admitFile(file, within);
      return admitted === undefined ? undefined : readPictureIfThere(admitted);
    };
    const nameOf = ({ z, row, column }: TilePlace): string =>
      basename(index.fileOf(z, row, column) ?? `z ${z}, row ${row}, column ${column}`);
    const grid: TileGrid = {
      ...{ width, height, nameOf },
      read: ({ z, row, column }) => read(index.fileOf(z, row, column)),
    };
    const dtype = await firstType(path, index, read);
    const mips = [
      {
        shape,
        chunk: [Math.min(width, shape[0]), Math.min(height, shape[1]), 1] as const,
        voxel: [1, 1, 1] as const,
        offset: [0, 0, 0] as const,
      },
    ];
    const info = { kind: 'boss', type: guessVolumeType(dtype), dtype, mips, voxelKnown: false };
    return new TiledSource({ ...info, fingerprint: `boss:${stamp}` }, grid);
  },
};

/** The type of the first tile that is there. */
async function firstType(
  path: string,
  index: Index,
  read: (file: string) => Promise<Picture | undefined>,
): Promise<Picture['dtype']> {
  for (const file of index.files()) {
    const tile = await read(file).catch((cause: unknown) => {
      if (!(cause instanceof BflyError) || cause.code === 'FORBIDDEN') throw cause;
      throw new BflyError('UNSUPPORTED', `the first tile, ${quotedName(file)}, cannot be served: ${cause.message}`, {
        cause,
      });
    });
    if (tile !== undefined) return tile.dtype;
  }
  throw new BflyError('UNSUPPORTED', `none of the tiles that ${quotedName(path)} names is there`);
}

/** @returns undefined where the file is something else. @throws BflyError UNSUPPORTED naming the field that is wrong. */
async function readIndex(path: string): Promise<Index | undefined> {
  const value = await readJsonFile(path, isIndex, MAX_INDEX_BYTES);
  if (!isMap(value)) return undefined;
  const { ingest_job: job, tiles } = value;
  if (!isMap(job) || !Array.isArray(tiles)) return undefined;
  const [tileX, tileY, tileZ] = ['x', 'y', 'z'].map((axis) => tileSide(job, axis)) as [number, number, number]; // of three axes
  if (tileZ !== 1) throw wrong('ingest_job.tile_size.z', '1', tileZ);
  const shape: Vec3 = [extentOf(job, 'x'), extentOf(job, 'y'), extentOf(job, 'z')];
  const rows = Math.ceil(shape[1] / tileY);
  const columns = Math.ceil(shape[0] / tileX);
  const places = new Places(path, originOf(job));
  for (const [i, tile] of tiles.entries()) places.add(`tiles[${i}]`, tile);
  return {
    ...{ shape, width: tileX, height: tileY },
    fileOf: (z, row, column) => places.find(z, row, column),
    *files() {
      for (let z = 0; z < shape[2]; z++)
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++) {
            const file = places.find(z, row, column);
            if (file !== undefined) yield file;
          }
    },
  };
}

/** Which location an index gives for a place. */
class Places {
  readonly #indexFile: string;
  /** Of the tile at the volume's corner: z, row, column. */
  readonly #origin: Vec3;
  readonly #locations = new Map<string, string>();

  constructor(indexFile: string, origin: Vec3) {
    this.#indexFile = indexFile;
    this.#origin = origin;
  }

  add(at: string, tile: unknown): void {
    if (!isMap(tile)) throw wrong(at, 'an object', tile);
    const { location } = tile;
    if (typeof location !== 'string' || location === '') throw wrong(`${at}.location`, 'the name of a file', location);
    const place = (name: string, isNeeded: boolean): number | '*' => {
      const value = tile[name];
      if ((value === undefined || value === null) && !isNeeded) return '*';
      const number = wholeNumber(value);
      if (number === undefined) throw wrong(`${at}.${name}`, 'a whole number', value);
      return number;
    };
    this.#locations.set(keyOf(place('z', true), place('row', false), place('column', false)), location);
  }

  /** @param z, row, column counted from the volume's corner. */
  find(z: number, row: number, column: number): string | undefined {
    const [z0, row0, column0] = this.#origin;
    const [iz, iy, ix] = [z + z0, row + row0, column + column0];
    const location =
      this.#locations.get(keyOf(iz, iy, ix)) ??
      this.#locations.get(keyOf(iz, iy, '*')) ??
      this.#locations.get(keyOf(iz, '*', ix)) ??
      this.#locations.get(keyOf(iz, '*', '*'));
    if (location === undefined) return undefined;
    return fileNamedIn(
      this.#indexFile,
      location.replaceAll(PLACEHOLDER, (_, name, zeros, width) => {
        const text = String(name === 'row' ? iy : ix);
        return text.padStart(Number(width ?? 0), zeros === '0' ? '0' : ' ');
      }),
    );
  }
}

const PLACEHOLDER = /\{(row|column)(?::(0?)(\d{1,2})d?)?\}/g;

const keyOf = (z: number | '*', row: number | '*', column: number | '*'): string => `${z},${row},${column}`;

function tileSide(job: JsonMap, axis: string): number {
  const size = isMap(job['tile_size']) ? wholeNumber(job['tile_size'][axis]) : undefined;
  if (size === undefined || size < 1)
    throw wrong(
      `ingest_job.tile_size.${axis}`,
      'a whole number above 0',
      isMap(job['tile_size']) ? job['tile_size'][axis] : undefined,
    );
  return size;
}

function extentOf(job: JsonMap, axis: string): number {
  const range = isMap(job['extent']) ? job['extent'][axis] : undefined;
  const [low, high] = Array.isArray(range) ? range.map(wholeNumber) : [];
  if (low === undefined || high === undefined || high <= low)
    throw wrong(`ingest_job.extent.${axis}`, '[from, to] in voxels', range);
  return high - low;
}

/** z, row, column of the tile at the corner. */
function originOf(job: JsonMap): Vec3 {
  const origin = job['tile_origin'] ?? {};
  const part = (name: string): number => {
    const value = isMap(origin) ? (origin[name] ?? 0) : undefined;
    const number = wholeNumber(value);
    if (number === undefined) throw wrong(`ingest_job.tile_origin.${name}`, 'a whole number', value);
    return number;
  };
  return [part('z'), part('row'), part('column')];
}

function wrong(field: string, right: string, found: unknown): BflyError {
  const shown = found === undefined ? 'it is missing' : `it is ${JSON.stringify(found)?.slice(0, 80)}`;
  return new BflyError('UNSUPPORTED', `${field} of an index of tiles must be ${right}; ${shown}`);
}
