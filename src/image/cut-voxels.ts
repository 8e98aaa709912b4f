/** Voxel ops cut into deltas by tile of mip 0. Pure work on bytes, off the event loop where it is much. Rules [E8]..[E10], [E26]. */
import type { Seed } from '../../protocol/edit-ops.ts';
import { BflyError } from '../../protocol/errors.ts';
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type DType,
  ENCODINGS,
  type Vec3,
  viewVoxels,
  volumeOf,
} from '../../protocol/volume.ts';
import { countMask, encodeMask, forEachRow, fullMask, MaskWriter } from '../../protocol/voxel-mask.ts';
import { codecOf } from './codecs/registry.ts';
import { divideBySeeds } from './divide.ts';
import { layOver, type MaskedBox } from './edited-tile.ts';
import { boxOfFrame, decodeTileFrame } from './tile.ts';
import { uniqueIds } from './unique.ts';
import { encodeDelta } from './voxel-delta.ts';

/** A tile of mip 0 that an op meets. */
export interface MetTile {
  readonly tile: Vec3;
  /** Clipped at the volume's end. */
  readonly box: Box;
}

/** A delta in bytes (`voxel-delta.ts`). */
export interface CutDelta {
  readonly tile: Vec3;
  /** Owned. */
  readonly bytes: Uint8Array;
}

/** Values as a BULK carries them. */
export interface EncodedVoxels {
  readonly payload: Uint8Array;
  /** Number of the encoding. */
  readonly encoding: number;
  /** The payload is one voxel. */
  readonly fill: boolean;
}

/** A `write` op. All bytes are shared; exactly one of `value`, `values` and `bulk` is set. */
export interface WriteRequest {
  readonly dtype: DType;
  readonly box: Box;
  /** Default: all voxels of the box. */
  readonly mask?: Uint8Array;
  /** One voxel, little-endian. */
  readonly value?: Uint8Array;
  /** One voxel for each that the mask sets. */
  readonly values?: Uint8Array;
  /** One voxel for each of the box. */
  readonly bulk?: EncodedVoxels;
  readonly tiles: readonly MetTile[];
  /** The values are ids: tell which. */
  readonly ids: boolean;
}

/** What a write does. Owned. */
export interface CutWrite {
  readonly deltas: readonly CutDelta[];
  readonly voxels: number;
  /** The smallest box that holds all voxels that are written. */
  readonly bounds: Box | undefined;
  /** Distinct values that are written, ascending, where they were asked for and there is no `value`. */
  readonly ids: BigUint64Array;
}

/**
 * Cuts a write into deltas.
 *
 * @throws BflyError BAD_REQUEST with `details.field` where mask, values or bulk are wrong.
 */
export async function cutWrite(request: WriteRequest): Promise<CutWrite> {
  const { dtype, box, value } = request;
  const mask = request.mask ?? fullMask(volumeOf(boxShape(box)));
  const size = BYTES_PER_VOXEL[dtype];
  const voxels = countVoxels(mask, box);
  const values = value === undefined ? await valuesOf(request, mask, voxels) : undefined;
  if (values !== undefined && dtype === 'float32')
    checkNumbers(values, request.values === undefined ? 'bulk' : 'values');
  const cutter = new Cutter(request.tiles, size, value);
  forEachRow(mask, box, (x0, x1, y, z, _index, order) =>
    cutter.add(x0, x1, y, z, values?.subarray(order * size, (order + x1 - x0) * size)),
  );
  const ids = new Set<bigint>();
  if (request.ids && values !== undefined) uniqueIds(values, dtype, ids);
  return { ...cutter.finish(), voxels, ids: BigUint64Array.from(ids).sort() };
}

/** @throws BflyError BAD_REQUEST for a wrong mask. */
function countVoxels(mask: Uint8Array, box: Box): number {
  try {
    return countMask(mask, volumeOf(boxShape(box)));
  } catch (error) {
    throw error instanceof BflyError ? badWrite('mask', error.message) : error;
  }
}

function badWrite(field: string, message: string): BflyError {
  return new BflyError('BAD_REQUEST', message, { details: { field } });
}

/** One voxel for each that the mask sets, in order. */
async function valuesOf(request: WriteRequest, mask: Uint8Array, voxels: number): Promise<Uint8Array> {
  const size = BYTES_PER_VOXEL[request.dtype];
  if (request.bulk !== undefined) {
    const whole = await decodeBulk(request.bulk, boxShape(request.box), request.dtype);
    return request.mask === undefined ? whole : gather(whole, mask, request.box, voxels, size);
  }
  const values = request.values ?? new Uint8Array();
  if (values.length !== voxels * size)
    throw badWrite('values', `values must hold ${voxels} voxels of ${size} bytes, not ${values.length} bytes`);
  return values;
}

async function decodeBulk({ payload, encoding, fill }: EncodedVoxels, shape: Vec3, dtype: DType): Promise<Uint8Array> {
  const size = BYTES_PER_VOXEL[dtype];
  const name = ENCODINGS[fill ? 0 : encoding];
  if (name === undefined) throw badWrite('bulk', `bulk has no encoding of number ${encoding}`);
  if (fill) {
    if (payload.length !== size) throw badWrite('bulk', `bulk must hold one voxel of ${size} bytes, for it is a FILL`);
    return Uint8Array.from({ length: volumeOf(shape) * size }, (_, i) => payload[i % size] as number);
  }
  try {
    return await codecOf(name).decode(payload, shape, dtype);
  } catch (error) {
    if (!(error instanceof BflyError)) throw error;
    throw badWrite('bulk', `bulk does not hold the voxels of its box in encoding ${name}`);
  }
}

/** The voxels of a box that a mask sets, one after the other. */
function gather(whole: Uint8Array, mask: Uint8Array, box: Box, voxels: number, size: number): Uint8Array {
  const values = new Uint8Array(voxels * size);
  forEachRow(mask, box, (x0, x1, _y, _z, index, order) =>
    values.set(whole.subarray(index * size, (index + x1 - x0) * size), order * size),
  );
  return values;
}

function checkNumbers(values: Uint8Array, field: string): void {
  const numbers = viewVoxels('float32', values);
  for (let i = 0; i < numbers.length; i++)
    if (Number.isNaN(numbers[i])) throw badWrite(field, `${field} must hold numbers, not NaN`);
}

/** Pieces of one tile, as they come. */
interface Part extends MetTile {
  readonly mask: MaskWriter;
  values: Uint8Array;
}

/** Sorts pieces of rows into tiles. */
class Cutter {
  readonly #parts: readonly Part[];
  readonly #size: number;
  readonly #value: Uint8Array | undefined;
  /** Tiles of each row of tiles that was met, in order of x; the rows of a mask come by z and y. */
  #row: readonly Part[] = [];
  #bounds: [number, number, number, number, number, number] | undefined;

  /** @param value the value of all voxels; unset: they come with the pieces. */
  constructor(tiles: readonly MetTile[], size: number, value?: Uint8Array) {
    this.#parts = tiles.map((tile) => ({ ...tile, mask: new MaskWriter(), values: new Uint8Array(0) }));
    this.#size = size;
    this.#value = value;
  }

  /** Takes voxels [x0, x1) of a row; pieces come x fastest, then y, then z. */
  add(x0: number, x1: number, y: number, z: number, values?: Uint8Array): void {
    this.#grow(x0, x1, y, z);
    const [first] = this.#row;
    if (first === undefined || !isInRow(first.box, y, z))
      this.#row = this.#parts.filter(({ box }) => isInRow(box, y, z));
    for (const part of this.#row) {
      const { box } = part;
      const from = Math.max(x0, box[0]);
      const to = Math.min(x1, box[3]);
      if (from >= to) continue;
      const at = ((z - box[2]) * (box[4] - box[1]) + (y - box[1])) * (box[3] - box[0]) - box[0];
      if (values !== undefined) this.#append(part, values.subarray((from - x0) * this.#size, (to - x0) * this.#size));
      part.mask.add(at + from, at + to);
    }
  }

  finish(): { readonly deltas: CutDelta[]; readonly bounds: Box | undefined } {
    const deltas = this.#parts
      .filter(({ mask }) => mask.count > 0)
      .map(({ tile, mask, values }) => ({
        tile,
        bytes: encodeDelta(
          { tile, mask: mask.finish(), values: this.#value ?? values.subarray(0, mask.count * this.#size) },
          this.#size,
        ),
      }));
    return { deltas, bounds: this.#bounds };
  }

  #append(part: Part, values: Uint8Array): void {
    const at = part.mask.count * this.#size;
    if (at + values.length > part.values.length) {
      const most = volumeOf(boxShape(part.box)) * this.#size;
      const larger = new Uint8Array(Math.min(most, 2 * part.values.length + 4 * values.length));
      larger.set(part.values);
      part.values = larger;
    }
    part.values.set(values, at);
  }

  #grow(x0: number, x1: number, y: number, z: number): void {
    const bounds = this.#bounds;
    if (bounds === undefined) {
      this.#bounds = [x0, y, z, x1, y + 1, z + 1];
      return;
    }
    if (x0 < bounds[0]) bounds[0] = x0;
    if (x1 > bounds[3]) bounds[3] = x1;
    if (y < bounds[1]) bounds[1] = y;
    if (y >= bounds[4]) bounds[4] = y + 1;
    if (z >= bounds[5]) bounds[5] = z + 1;
  }
}

const isInRow = (box: Box, y: number, z: number): boolean => y >= box[1] && y < box[4] && z >= box[2] && z < box[5];

/**
 * Which voxels of a tile have an id.
 *
 * @returns an owned mask over the tile's box, of voxels inside `box` alone.
 */
export async function objectVoxels(request: {
  /** The tile as it is. */
  readonly frame: Uint8Array;
  /** What earlier ops of the same edit make of it, in order. */
  readonly deltas: readonly Uint8Array[];
  readonly dtype: DType;
  readonly id: bigint;
  readonly box: Box;
}): Promise<Uint8Array> {
  const { frame, dtype, id, box } = request;
  const tile = boxOfFrame(frame, dtype);
  const raw = Uint8Array.from(await decodeTileFrame(frame, dtype));
  for (const delta of request.deltas) layOver(raw, delta, BYTES_PER_VOXEL[dtype]);
  const isWanted = comparer(raw, dtype, id);
  const [nx, ny] = boxShape(tile);
  const writer = new MaskWriter();
  for (let z = Math.max(tile[2], box[2]); z < Math.min(tile[5], box[5]); z++)
    for (let y = Math.max(tile[1], box[1]); y < Math.min(tile[4], box[4]); y++) {
      const row = ((z - tile[2]) * ny + (y - tile[1])) * nx - tile[0];
      const end = row + Math.min(tile[3], box[3]);
      for (let i = row + Math.max(tile[0], box[0]); i < end; i++) if (isWanted(i)) writer.add(i, i + 1);
    }
  return writer.finish();
}

/** Whether voxel i has an id; halves of 64 bits are compared, for a BigInt each would take ten times as long. */
function comparer(raw: Uint8Array, dtype: DType, id: bigint): (i: number) => boolean {
  if (BYTES_PER_VOXEL[dtype] === 8) {
    const words = new Uint32Array(raw.buffer, raw.byteOffset, raw.length / 4);
    const low = Number(id & 0xffff_ffffn);
    const high = Number((id >> 32n) & 0xffff_ffffn);
    return (i) => words[2 * i] === low && words[2 * i + 1] === high;
  }
  const voxels = viewVoxels(dtype, raw);
  // Negative ids of signed types are told as unsigned ones of 64 bits.
  const wanted = Number(BigInt.asIntN(64, id));
  return (i) => voxels[i] === wanted;
}

/** A `split` op and the object that it divides. */
export interface SplitRequest {
  readonly dtype: DType;
  readonly box: Box;
  /** The object's voxels, by tile. */
  readonly object: readonly (MetTile & MaskedBox)[];
  /** Exactly one of `mask` and `seeds` is set. */
  readonly mask?: Uint8Array;
  readonly seeds?: readonly Seed[];
  /** Size of a voxel in nm. */
  readonly voxel: Vec3;
  /** The new id as one voxel, little-endian. */
  readonly to: Uint8Array;
}

/** What a split does. Owned. */
export interface CutSplit {
  readonly deltas: readonly CutDelta[];
  readonly voxels: number;
  readonly bounds: Box | undefined;
  /** Voxels that get the new id, over the op's box. */
  readonly mask: Uint8Array;
}

/** Cuts a split into deltas. @throws BflyError BAD_REQUEST with `details.field` for a wrong mask or seed. */
export function cutSplit(request: SplitRequest): CutSplit {
  const { box, object, to } = request;
  const [nx, ny, nz] = boxShape(box);
  const whole = new Uint8Array(nx * ny * nz);
  for (const part of object)
    forEachRow(part.mask, part.box, (x0, x1, y, z) => {
      const row = ((z - box[2]) * ny + (y - box[1])) * nx - box[0];
      whole.fill(1, row + x0, row + x1);
    });
  const mask = encodeMask(selected(request, whole));
  const cutter = new Cutter(object, to.length, to);
  let voxels = 0;
  forEachRow(mask, box, (x0, x1, y, z) => {
    voxels += x1 - x0;
    cutter.add(x0, x1, y, z);
  });
  return { ...cutter.finish(), voxels, mask };
}

function selected({ box, mask, seeds, voxel }: SplitRequest, object: Uint8Array): Uint8Array {
  if (seeds !== undefined) {
    const from = seeds.map(([x, y, z, group]): Seed => [x - box[0], y - box[1], z - box[2], group]);
    return divideBySeeds({ object, shape: boxShape(box), voxel, seeds: from });
  }
  countVoxels(mask ?? new Uint8Array(), box);
  const under = new Uint8Array(object.length);
  forEachRow(mask ?? new Uint8Array(), box, (x0, x1, _y, _z, index) =>
    under.set(object.subarray(index, index + x1 - x0), index),
  );
  return under;
}

/** Several deltas of one tile as one, the later over the earlier. */
export function mergeDeltas(request: {
  readonly tile: Vec3;
  readonly deltas: readonly Uint8Array[];
  readonly voxels: number;
  readonly dtype: DType;
}): Uint8Array {
  const { tile, deltas, voxels, dtype } = request;
  const size = BYTES_PER_VOXEL[dtype];
  const raw = new Uint8Array(voxels * size);
  const set = new Uint8Array(voxels);
  for (const delta of deltas) layOver(raw, delta, size, set);
  const mask = encodeMask(set);
  const box: Box = [0, 0, 0, voxels, 1, 1];
  return encodeDelta({ tile, mask, values: gather(raw, mask, box, countMask(mask, voxels), size) }, size);
}
