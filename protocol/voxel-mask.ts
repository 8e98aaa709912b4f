/**
 * Masks of voxels as run lengths. SPEC rule [E8]: LEB128 numbers skip, set, skip, … over a box, x fastest; the first may be 0, their sum
 * is at most the volume of the box, and what is left is skipped. Pure: server, SDK and viewer use it.
 */
import { BflyError } from './errors.ts';
import { type Box, boxShape, type Vec3, volumeOf } from './volume.ts';

/** Takes runs in ascending order and gives their mask. Runs that touch become one. */
export class MaskWriter {
  #bytes: Uint8Array;
  #length = 0;
  /** Where the last run that was written ends. */
  #written = 0;
  #start = 0;
  #end = 0;
  #count = 0;

  constructor(bytes = 64) {
    this.#bytes = new Uint8Array(bytes);
  }

  /** Voxels that are set so far. */
  get count(): number {
    return this.#count;
  }

  /** Sets voxels [start, end); `start` is at least the end of the run before. */
  add(start: number, end: number): void {
    if (end <= start) return;
    this.#count += end - start;
    if (start === this.#end) {
      this.#end = end;
      return;
    }
    this.#flush();
    this.#start = start;
    this.#end = end;
  }

  /** The mask so far; owned. */
  finish(): Uint8Array {
    this.#flush();
    this.#start = this.#end;
    return this.#bytes.slice(0, this.#length);
  }

  #flush(): void {
    if (this.#end === this.#start) return;
    this.#put(this.#start - this.#written);
    this.#put(this.#end - this.#start);
    this.#written = this.#end;
  }

  #put(value: number): void {
    if (this.#length + 8 > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#bytes.length + 16);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#length = putVarint(this.#bytes, this.#length, value);
  }
}

/** Writes a number below 2⁵³ as LEB128. @returns the offset behind it. */
export function putVarint(into: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest >= 0x80) {
    into[next++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  into[next++] = rest;
  return next;
}

/**
 * The mask of a box.
 *
 * @param set one byte a voxel, x fastest: not 0 = set. Borrowed until the call returns.
 * @returns owned run lengths; empty where nothing is set.
 */
export function encodeMask(set: Uint8Array): Uint8Array {
  const writer = new MaskWriter();
  let at = 0;
  while (at < set.length) {
    while (at < set.length && set[at] === 0) at++;
    const start = at;
    while (at < set.length && set[at] !== 0) at++;
    writer.add(start, at);
  }
  return writer.finish();
}

/**
 * Calls `visit` for each run of set voxels, ascending; never with an empty one.
 *
 * @param volume voxels of the box.
 * @throws BflyError BAD_REQUEST for a mask that is cut off, that holds a number above 2⁵³-1, or whose runs are longer than the box.
 */
export function forEachRun(mask: Uint8Array, volume: number, visit: (start: number, end: number) => void): void {
  let at = 0;
  let voxel = 0;
  for (let set = false; at < mask.length; set = !set) {
    let length = 0;
    let scale = 1;
    for (;;) {
      const byte = mask[at++];
      if (byte === undefined) throw badMask('ends in the middle of a number');
      length += (byte & 0x7f) * scale;
      // 2⁴⁹ · 16 is above 2⁵³ already; more bytes of zeros are no shorter number.
      if (length > Number.MAX_SAFE_INTEGER || scale > 2 ** 49) throw badMask('holds a number above 2^53-1');
      if (byte < 0x80) break;
      scale *= 0x80;
    }
    const end = voxel + length;
    if (end > volume) throw badMask(`sets or skips more voxels than the box has, ${volume}`);
    if (set && length > 0) visit(voxel, end);
    voxel = end;
  }
}

/** Number of voxels that a mask sets. @throws BflyError BAD_REQUEST as `forEachRun`. */
export function countMask(mask: Uint8Array, volume: number): number {
  let count = 0;
  forEachRun(mask, volume, (start, end) => {
    count += end - start;
  });
  return count;
}

/** One byte a voxel, 1 where the mask sets it. @throws BflyError BAD_REQUEST as `forEachRun`. */
export function decodeMask(mask: Uint8Array, volume: number): Uint8Array {
  const set = new Uint8Array(volume);
  forEachRun(mask, volume, (start, end) => set.fill(1, start, end));
  return set;
}

/** The mask that sets every voxel of a box. */
export function fullMask(volume: number): Uint8Array {
  const writer = new MaskWriter(16);
  writer.add(0, volume);
  return writer.finish();
}

/**
 * Calls `visit` for each piece of a row of x: a mask's runs cut where rows end.
 *
 * @param visit x0, x1 (end), y, z in voxels of the level; `index` the piece's first voxel in the box, `order` how many were set before it.
 * @throws BflyError BAD_REQUEST as `forEachRun`.
 */
export function forEachRow(
  mask: Uint8Array,
  box: Box,
  visit: (x0: number, x1: number, y: number, z: number, index: number, order: number) => void,
): void {
  const [nx, ny] = boxShape(box);
  let order = 0;
  forEachRun(mask, volumeOf(boxShape(box)), (start, end) => {
    let at = start;
    while (at < end) {
      const row = Math.floor(at / nx);
      const x = at - row * nx;
      const length = Math.min(nx - x, end - at);
      const plane = Math.floor(row / ny);
      visit(box[0] + x, box[0] + x + length, box[1] + (row - plane * ny), box[2] + plane, at, order);
      order += length;
      at += length;
    }
  });
}

/** The smallest box that holds all voxels that a mask sets; undefined where it sets none. @throws BflyError BAD_REQUEST as `forEachRun`. */
export function boundsOfMask(mask: Uint8Array, box: Box): Box | undefined {
  let [x0, y0, z0, x1, y1, z1] = [Infinity, Infinity, Infinity, -Infinity, -Infinity, -Infinity];
  forEachRow(mask, box, (from, to, y, z) => {
    if (from < x0) x0 = from;
    if (to > x1) x1 = to;
    if (y < y0) y0 = y;
    if (y >= y1) y1 = y + 1;
    if (z < z0) z0 = z;
    if (z >= z1) z1 = z + 1;
  });
  return x0 === Infinity ? undefined : [x0, y0, z0, x1, y1, z1];
}

/** The mask of a box inside another box. */
export function maskOfBox(box: Box, inner: Box): Uint8Array {
  const [nx, ny] = boxShape(box);
  const writer = new MaskWriter();
  const x0 = Math.max(box[0], inner[0]);
  const x1 = Math.min(box[3], inner[3]);
  for (let z = Math.max(box[2], inner[2]); z < Math.min(box[5], inner[5]); z++)
    for (let y = Math.max(box[1], inner[1]); y < Math.min(box[4], inner[4]); y++) {
      const row = ((z - box[2]) * ny + (y - box[1])) * nx - box[0];
      writer.add(row + x0, row + x1);
    }
  return writer.finish();
}

/**
 * The mask of a ball, or of an ellipsoid, inside a box: voxels whose centre is not farther from `centre` than `radius`.
 *
 * @param centre in voxels; [0.5, 0.5, 0.5] is the middle of voxel 0, 0, 0.
 * @param radius in voxels along x, y, z, or one number for all. A flat brush has a radius of 0.5 along z.
 */
export function maskOfBall(box: Box, centre: Vec3, radius: number | Vec3): Uint8Array {
  const [rx, ry, rz] = typeof radius === 'number' ? [radius, radius, radius] : radius;
  const [nx, ny] = boxShape(box);
  const writer = new MaskWriter();
  for (let z = box[2]; z < box[5]; z++)
    for (let y = box[1]; y < box[4]; y++) {
      const left = 1 - ((y + 0.5 - centre[1]) / ry) ** 2 - ((z + 0.5 - centre[2]) / rz) ** 2;
      if (left < 0) continue;
      const half = rx * Math.sqrt(left);
      const x0 = Math.max(box[0], Math.ceil(centre[0] - half - 0.5));
      const x1 = Math.min(box[3], Math.floor(centre[0] + half - 0.5) + 1);
      const row = ((z - box[2]) * ny + (y - box[1])) * nx - box[0];
      writer.add(row + x0, row + Math.max(x0, x1));
    }
  return writer.finish();
}

function badMask(what: string): BflyError {
  return new BflyError('BAD_REQUEST', `mask ${what}`);
}
