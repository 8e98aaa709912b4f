/** Decodes compresso streams, an encoding of labels in Neuroglancer precomputed folders; the format stands in `compresso-stream.ts`. */
import type { Vec3 } from '../../protocol/volume.ts';
import { numberRegions } from './compresso-regions.ts';
import {
  brokenStream,
  type Column,
  type CompressoStream,
  readBorders,
  readCompressoStream,
} from './compresso-stream.ts';

/**
 * Decodes a stream.
 *
 * @param bytes borrowed.
 * @param shape x, y, z that the stream must have.
 * @param labelBytes width that its labels must have: 1, 2, 4 or 8.
 * @returns owned bytes, x fastest, little-endian.
 * @throws BflyError INTERNAL saying what is broken.
 */
export function decodeCompresso(bytes: Uint8Array, shape: Vec3, labelBytes: number): Uint8Array {
  const stream = readCompressoStream(bytes, shape, labelBytes);
  const borders = readBorders(stream, shape);
  const { numbers, count } = numberRegions(borders, shape, stream.isSolid);
  if (count > stream.ids.length)
    throw brokenStream(`its borders make ${count} regions, and it has labels for ${stream.ids.length}`);
  const palette = new Palette(stream.ids, stream.locations.length);
  fillBorders(numbers, borders, shape, stream, palette);
  return palette.paint(numbers, labelBytes);
}

/** The labels that voxels can have, by number: 0 is none, then those of the regions in their order, then others. */
class Palette {
  readonly #ids: Column;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  #others = 0;

  /** @param room for labels beside those of the regions. */
  constructor(ids: Column, room: number) {
    this.#ids = ids;
    this.#low = new Uint32Array(room);
    this.#high = new Uint32Array(room);
  }

  /** Takes up a label. @returns its number. */
  add(low: number, high: number): number {
    this.#low[this.#others] = low;
    this.#high[this.#others] = high;
    return this.#ids.length + ++this.#others;
  }

  /** The labels of voxels that have these numbers. @returns owned bytes, little-endian. */
  paint(numbers: Uint32Array, labelBytes: number): Uint8Array {
    const low = this.#table(this.#ids.low, this.#low);
    if (labelBytes === 8) return paintWide(numbers, low, this.#table(this.#ids.high, this.#high));
    const Labels = labelBytes === 1 ? Uint8Array : labelBytes === 2 ? Uint16Array : Uint32Array;
    const labels = new Labels(numbers.length);
    for (let i = 0; i < numbers.length; i++) labels[i] = low[numbers[i] as number] as number; // inside both
    return new Uint8Array(labels.buffer);
  }

  #table(ids: Uint32Array, others: Uint32Array): Uint32Array {
    const table = new Uint32Array(1 + this.#ids.length + this.#others);
    table.set(ids, 1);
    table.set(others.subarray(0, this.#others), 1 + this.#ids.length);
    return table;
  }
}

function paintWide(numbers: Uint32Array, low: Uint32Array, high: Uint32Array): Uint8Array {
  const labels = new Uint32Array(2 * numbers.length);
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] as number; // inside, as below
    labels[2 * i] = low[number] as number;
    labels[2 * i + 1] = high[number] as number;
  }
  return new Uint8Array(labels.buffer);
}

/** Gives the voxels of borders their numbers, in place: that of a neighbour inside a region, else what the next location says. */
function fillBorders(
  numbers: Uint32Array,
  borders: Uint8Array,
  shape: Vec3,
  { locations, isSolid }: CompressoStream,
  palette: Palette,
): void {
  const [sx, sy, sz] = shape;
  const inSlice = sx * sy;
  const next = locationReader(locations, palette);
  for (let z = 0, i = 0; z < sz; z++)
    for (let y = 0; y < sy; y++)
      for (let x = 0; x < sx; x++, i++) {
        if (borders[i] === 0) continue;
        if (x > 0 && borders[i - 1] === 0) numbers[i] = numbers[i - 1] as number;
        else if (y > 0 && borders[i - sx] === 0) numbers[i] = numbers[i - sx] as number;
        else if (isSolid && z > 0 && borders[i - inSlice] === 0) numbers[i] = numbers[i - inSlice] as number;
        else {
          const answer = next();
          if (answer > 0) numbers[i] = answer;
          else numbers[i] = numbers[neighbourAt(-answer, x, y, z, shape)] as number;
        }
      }
}

/** Reads locations one after the other: the number of a label, or, negative or 0, which neighbour to take after. */
function locationReader({ low, high, length }: Column, palette: Palette): () => number {
  let at = 0;
  return () => {
    if (at >= length) throw brokenStream(`its borders need more than the ${length} locations that it has`);
    const [code, upper] = [low[at] as number, high[at] ?? 0];
    at++;
    if (upper === 0 && code < 6) return -code;
    if (upper > 0 || code > 6) return palette.add(code - 7, code < 7 ? upper - 1 : upper);
    if (at >= length) throw brokenStream('its last location announces a label that is not there');
    const plain = at++;
    return palette.add(low[plain] as number, high[plain] ?? 0);
  };
}

/** Where the neighbour -x, +x, -y, +y, -z or +z of a voxel lies. */
function neighbourAt(code: number, x: number, y: number, z: number, [sx, sy, sz]: Vec3): number {
  const step = code % 2 === 0 ? -1 : 1;
  const [nx, ny, nz] = [x, y, z].map((place, axis) => (axis === Math.floor(code / 2) ? place + step : place));
  if (nx === undefined || ny === undefined || nz === undefined) return 0;
  if (nx < 0 || ny < 0 || nz < 0 || nx >= sx || ny >= sy || nz >= sz)
    throw brokenStream(`voxel ${x}, ${y}, ${z} is to be as a neighbour outside the volume`);
  return (nz * sy + ny) * sx + nx;
}
