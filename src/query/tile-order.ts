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

/** Tiles given up to which every refocus takes effect at once. */
const QUICK_TILES = 4_096;

/**
 * Outward from a focus: in shells of growing Chebyshev distance, in each the nearest first.
 *
 * A focus outside the range counts as the nearest tile inside, so shells stay small. Refocusing a pull of which very many tiles were given
 * means walking over them: there it takes effect after some more tiles, so that it costs no more than the tiles do.
 */
export class NearOrder implements TileOrder {
  readonly #range: TileRange;
  readonly #count: number;
  #focus: Vec3;
  #radius = -1;
  /** Coordinates of the present shell's tiles, three each. */
  #shell: number[] = [];
  /** Places in the shell, nearest first, and how many of them were given. */
  #nearest: Float64Array = new Float64Array();
  #taken = 0;
  /** One bit a tile that was given, once the focus has moved. */
  #given: Uint8Array | undefined;
  #left: number;
  #wish: Vec3 | undefined;
  #sinceRefocus = 0;

  constructor(range: TileRange, focus: Vec3) {
    this.#range = range;
    this.#focus = nearestInside(range, focus);
    this.#count = (range[3] - range[0]) * (range[4] - range[1]) * (range[5] - range[2]);
    this.#left = this.#count;
  }

  next(into: [number, number, number]): boolean {
    if (this.#left === 0) return false;
    if (this.#wish !== undefined) this.#move(this.#wish);
    while (this.#taken === this.#nearest.length) this.#fillShell(++this.#radius);
    const at = (this.#nearest[this.#taken++] as number) * 3;
    into[0] = this.#shell[at] as number;
    into[1] = this.#shell[at + 1] as number;
    into[2] = this.#shell[at + 2] as number;
    this.#left--;
    this.#sinceRefocus++;
    if (this.#given !== undefined) this.#mark(this.#given, into[0], into[1], into[2]);
    return true;
  }

  refocus(tile: Vec3): void {
    this.#wish = nearestInside(this.#range, tile);
  }

  #move(focus: Vec3): void {
    const given = this.#count - this.#left;
    if (given > QUICK_TILES && this.#sinceRefocus < given / 1_024) return;
    this.#given ??= this.#collectGiven();
    this.#focus = focus;
    this.#wish = undefined;
    this.#sinceRefocus = 0;
    this.#clearShell();
    this.#radius = -1;
  }

  #clearShell(): void {
    this.#shell = [];
    this.#nearest = new Float64Array();
    this.#taken = 0;
  }

  #fillShell(radius: number): void {
    const [x0, y0, z0, x1, y1, z1] = this.#range;
    const [fx, fy, fz] = this.#focus;
    this.#clearShell();
    for (let z = Math.max(z0, fz - radius); z <= Math.min(z1 - 1, fz + radius); z++) {
      const zFace = Math.abs(z - fz) === radius;
      for (let y = Math.max(y0, fy - radius); y <= Math.min(y1 - 1, fy + radius); y++) {
        if (zFace || Math.abs(y - fy) === radius) {
          for (let x = Math.max(x0, fx - radius); x <= Math.min(x1 - 1, fx + radius); x++) this.#add(x, y, z);
        } else {
          if (fx - radius >= x0) this.#add(fx - radius, y, z);
          if (radius > 0 && fx + radius < x1) this.#add(fx + radius, y, z);
        }
      }
    }
    this.#sortShell(radius);
  }

  #add(x: number, y: number, z: number): void {
    if (this.#given === undefined || !this.#isMarked(this.#given, x, y, z)) this.#shell.push(x, y, z);
  }

  /** Sorts numbers, not objects: distance and place in one, so that equals stay in the order z, y, x. */
  #sortShell(radius: number): void {
    const [fx, fy, fz] = this.#focus;
    const shell = this.#shell;
    const count = shell.length / 3;
    const keys = new Float64Array(count);
    for (let n = 0; n < count; n++) {
      const dx = (shell[3 * n] as number) - fx;
      const dy = (shell[3 * n + 1] as number) - fy;
      const dz = (shell[3 * n + 2] as number) - fz;
      // All of a shell have one side of its radius: without it the numbers stay small enough to be exact.
      keys[n] = (dx * dx + dy * dy + dz * dz - radius * radius) * count + n;
    }
    keys.sort();
    for (let n = 0; n < count; n++) keys[n] = (keys[n] as number) % count;
    this.#nearest = keys;
  }

  /** Everything inside the finished shells has been given, and of the present shell what was taken. */
  #collectGiven(): Uint8Array {
    const [x0, y0, z0, x1, y1, z1] = this.#range;
    const [fx, fy, fz] = this.#focus;
    const radius = this.#radius;
    const given = new Uint8Array(Math.ceil(this.#count / 8));
    for (let z = Math.max(z0, fz - radius); z <= Math.min(z1 - 1, fz + radius); z++)
      for (let y = Math.max(y0, fy - radius); y <= Math.min(y1 - 1, fy + radius); y++)
        for (let x = Math.max(x0, fx - radius); x <= Math.min(x1 - 1, fx + radius); x++) this.#mark(given, x, y, z);
    for (let n = this.#taken; n < this.#nearest.length; n++) {
      const at = (this.#nearest[n] as number) * 3;
      this.#unmark(given, this.#shell[at] as number, this.#shell[at + 1] as number, this.#shell[at + 2] as number);
    }
    return given;
  }

  #bit(x: number, y: number, z: number): number {
    const [x0, y0, z0, x1, y1] = this.#range;
    return ((z - z0) * (y1 - y0) + (y - y0)) * (x1 - x0) + (x - x0);
  }

  #mark(bits: Uint8Array, x: number, y: number, z: number): void {
    const bit = this.#bit(x, y, z);
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

function nearestInside([x0, y0, z0, x1, y1, z1]: TileRange, [x, y, z]: Vec3): Vec3 {
  const clamp = (value: number, from: number, to: number): number => Math.min(to - 1, Math.max(from, value));
  return [clamp(x, x0, x1), clamp(y, y0, y1), clamp(z, z0, z1)];
}
