/** Volumes whose planes are grids of picture files: what Mojo and Boss have in common. */
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, volumeOf } from '../../protocol/volume.ts';
import { copyBox } from '../query/copy-box.ts';
import { inParallel } from './in-parallel.ts';
import { faultOfPicture, type Picture } from './picture-file.ts';
import { RecentValues } from './recent-values.ts';
import type { Source, SourceInfo } from './source.ts';
import { levelOf } from './voxel-type.ts';

/** Which file holds which part of the planes. All levels have tiles of the same size. */
export interface TileGrid {
  /** Voxels of a tile; those at the volume's end may be cut or whole. */
  readonly width: number;
  readonly height: number;
  /** What a tile is called in messages. */
  nameOf(place: TilePlace): string;
  /** Decodes a tile; undefined where there is none. */
  read(place: TilePlace): Promise<Picture | undefined>;
}

/** A tile of a grid. */
export interface TilePlace {
  readonly mip: number;
  /** Plane, row and column of tiles, each from 0 on. */
  readonly z: number;
  readonly row: number;
  readonly column: number;
}

const TILES_AT_ONCE = 4;
const RECENT_TILE_BYTES = 128 * 1024 * 1024;
/** A tile that is not there, roughly. */
const HOLE_BYTES = 64;

/** A volume of tiles. Tiles that are not there are zeros. */
export class TiledSource implements Source {
  readonly info: SourceInfo;
  readonly #grid: TileGrid;
  readonly #tiles = new RecentValues<Picture | undefined>(
    RECENT_TILE_BYTES,
    (tile) => HOLE_BYTES + (tile?.bytes.length ?? 0),
  );

  /** @param info whose levels have no offset. */
  constructor(info: SourceInfo, grid: TileGrid) {
    this.info = info;
    this.#grid = grid;
  }

  async read(mip: number, box: Box): Promise<Uint8Array> {
    levelOf(this.info, mip);
    const size = BYTES_PER_VOXEL[this.info.dtype];
    const out = new Uint8Array(volumeOf(boxShape(box)) * size);
    await inParallel(TILES_AT_ONCE, this.#placesIn(mip, box), async (place) => {
      const { mip: level, z, row, column } = place;
      const tile = await this.#tiles.get(`${level}:${z}:${row}:${column}`, () => this.#readTile(place));
      if (tile === undefined) return;
      const [x, y] = [column * this.#grid.width, row * this.#grid.height];
      copyBox(tile.bytes, [x, y, z, x + tile.width, y + tile.height, z + 1], out, box, size);
    });
    return out;
  }

  async close(): Promise<void> {
    this.#tiles.clear();
  }

  *#placesIn(mip: number, [x0, y0, z0, x1, y1, z1]: Box): Generator<TilePlace> {
    const { width, height } = this.#grid;
    for (let z = z0; z < z1; z++)
      for (let row = Math.floor(y0 / height); row * height < y1; row++)
        for (let column = Math.floor(x0 / width); column * width < x1; column++) yield { mip, z, row, column };
  }

  async #readTile(place: TilePlace): Promise<Picture | undefined> {
    const { width, height } = this.#grid;
    const { shape } = levelOf(this.info, place.mip);
    const tile = await this.#grid.read(place).catch((cause: unknown) => {
      if (cause instanceof BflyError && cause.code === 'FORBIDDEN') throw cause;
      throw this.#broken(place, `cannot be read: ${faultOfPicture(cause)}`, cause);
    });
    if (tile === undefined) return undefined;
    const needed = (end: number, size: number, at: number): number => Math.min(size, end - at * size);
    const isWhole = tile.width === width && tile.height === height;
    const isCut =
      tile.width === needed(shape[0], width, place.column) && tile.height === needed(shape[1], height, place.row);
    const { dtype } = this.info;
    // Tools write ids as signed or unsigned as they like; the bits are the same.
    const isSame =
      BYTES_PER_VOXEL[tile.dtype] === BYTES_PER_VOXEL[dtype] && (tile.dtype === 'float32') === (dtype === 'float32');
    if ((isWhole || isCut) && isSame) return tile;
    throw this.#broken(place, `is ${tile.width}×${tile.height} ${tile.dtype}`);
  }

  #broken(place: TilePlace, what: string, cause?: unknown): BflyError {
    const { width, height } = this.#grid;
    const right = `${width}×${height} ${this.info.dtype} grey would be right`;
    return new BflyError('INTERNAL', `tile "${this.#grid.nameOf(place)}" ${what}; ${right}`, { cause });
  }
}
