/**
 * The order in which the tiles of a pull are sent. Rule [D8].
 *
 * An order holds a few numbers and, once it has been refocused, one bit a tile: a pull of 262,144 tiles costs 32 KiB
 * however it is re-prioritised, and no list of tiles is ever made.
 */
import type { Vec3 } from '../../protocol/volume.ts';
import type { TileRange } from './tile-grid.ts';

/** Gives the tiles of a range one by one. */
export interface TileOrder {
  /** Writes the next tile's index into `into`; false when there is none. */
  next(into: [number, number, number]): boolean;
  /** Changes the focus for the tiles that have not been given yet; no-op in scan order. */
  refocus(tile: Vec3): void;
}

/** z, y, x: x runs fastest. */
export class ScanOrder implements TileOrder {
  readonly #range: TileRange;
  #given = 0;

  constructor(range: TileRange) {
    this.#range = range;
  }

  next(into: [number, number, number]): boolean {
    const [x0, y0, z0, x1, y1, z1] = this.#range;
    const nx = x1 - x0;
    const ny = y1 - y0;
    if (this.#given >= nx * ny * (z1 - z0)) return false;
    const n = this.#given++;
    into[0] = x0 + (n % nx);
    into[1] = y0 + (Math.floor(n / nx) % ny);
    into[2] = z0 + Math.floor(n / (nx * ny));
    return true;
  }

  refocus(): void {}
}

/** Outward from a focus: in shells of growing Chebyshev distance, in each the nearest first. */
export class NearOrder implements TileOrder {
  readonly #range: TileRange;
  #focus: Vec3;
  #radius = -1;
  /** Tiles of the present shell, three coordinates each, the farthest first so that the next one is popped. */
  #shell: number[] = [];
  /** One bit a tile that was given before the last refocus. */
  #given: Uint8Array | undefined;
  #left: number;

  constructor(range: TileRange, focus: Vec3) {
    this.#range = range;
    this.#focus = focus;
    this.#left = (range[3] - range[0]) * (range[4] - range[1]) * (range[5] - range[2]);
    this.#radius = this.#nearestRadius() - 1;
  }

  next(into: [number, number, number]): boolean {
    if (this.#left === 0) return false;
    while (this.#shell.length === 0) this.#fillShell(++this.#radius);
    const shell = this.#shell;
    into[2] = shell.pop() as number;
    into[1] = shell.pop() as number;
    into[0] = shell.pop() as number;
    this.#left--;
    if (this.#given !== undefined) this.#mark(this.#given, into);
    return true;
  }

  refocus(tile: Vec3): void {
    this.#given ??= this.#collectGiven();
    this.#focus = tile;
    this.#shell = [];
    this.#radius = this.#nearestRadius() - 1;
  }

  /** Distance of the focus to the range: a focus far outside does not walk through empty shells. */
  #nearestRadius(): number {
    const [x0, y0, z0, x1, y1, z1] = this.#range;
    const [fx, fy, fz] = this.#focus;
    return Math.max(0, x0 - fx, fx - (x1 - 1), y0 - fy, fy - (y1 - 1), z0 - fz, fz - (z1 - 1));
  }

  #fillShell(radius: number): void {
    const [x0, y0, z0, x1, y1, z1] = this.#range;
    const [fx, fy, fz] = this.#focus;
    const tiles: { x: number; y: number; z: number; d: number }[] = [];
    const add = (x: number, y: number, z: number): void => {
      if (this.#given !== undefined && this.#isMarked(this.#given, x, y, z)) return;
      tiles.push({ x, y, z, d: (x - fx) ** 2 + (y - fy) ** 2 + (z - fz) ** 2 });
    };
    for (let z = Math.max(z0, fz - radius); z <= Math.min(z1 - 1, fz + radius); z++) {
      const zFace = Math.abs(z - fz) === radius;
      for (let y = Math.max(y0, fy - radius); y <= Math.min(y1 - 1, fy + radius); y++) {
        if (zFace || Math.abs(y - fy) === radius) {
          for (let x = Math.max(x0, fx - radius); x <= Math.min(x1 - 1, fx + radius); x++) add(x, y, z);
        } else {
          if (fx - radius >= x0 && fx - radius < x1) add(fx - radius, y, z);
          if (radius > 0 && fx + radius >= x0 && fx + radius < x1) add(fx + radius, y, z);
        }
      }
    }
    tiles.sort((a, b) => b.d - a.d || b.z - a.z || b.y - a.y || b.x - a.x);
    for (const { x, y, z } of tiles) this.#shell.push(x, y, z);
  }

  /** Everything inside the finished shells has been given, and of the present shell what is no longer in it. */
  #collectGiven(): Uint8Array {
    const [x0, y0, z0, x1, y1, z1] = this.#range;
    const [fx, fy, fz] = this.#focus;
    const given = new Uint8Array(Math.ceil(((x1 - x0) * (y1 - y0) * (z1 - z0)) / 8));
    for (let z = Math.max(z0, fz - this.#radius); z <= Math.min(z1 - 1, fz + this.#radius); z++)
      for (let y = Math.max(y0, fy - this.#radius); y <= Math.min(y1 - 1, fy + this.#radius); y++)
        for (let x = Math.max(x0, fx - this.#radius); x <= Math.min(x1 - 1, fx + this.#radius); x++)
          this.#mark(given, [x, y, z]);
    for (let i = 0; i < this.#shell.length; i += 3)
      this.#unmark(given, this.#shell[i] as number, this.#shell[i + 1] as number, this.#shell[i + 2] as number);
    return given;
  }

  #bit(x: number, y: number, z: number): number {
    const [x0, y0, z0, x1, y1] = this.#range;
    return ((z - z0) * (y1 - y0) + (y - y0)) * (x1 - x0) + (x - x0);
  }

  #mark(bits: Uint8Array, tile: readonly [number, number, number]): void {
    const bit = this.#bit(tile[0], tile[1], tile[2]);
    bits[bit >> 3] = (bits[bit >> 3] as number) | (1 << (bit & 7));
  }

  #unmark(bits: Uint8Array, x: number, y: number, z: number): void {
    const bit = this.#bit(x, y, z);
    bits[bit >> 3] = (bits[bit >> 3] as number) & ~(1 << (bit & 7));
  }

  #isMarked(bits: Uint8Array, x: number, y: number, z: number): boolean {
    const bit = this.#bit(x, y, z);
    return ((bits[bit >> 3] as number) & (1 << (bit & 7))) !== 0;
  }
}
