/** A volume and its voxel edits, voxel by voxel, recomputed from nothing for every question. The oracle of rules [E26], [E27]. */
import type { Op } from '../../protocol/edit-ops.ts';
import {
  type Box,
  boxShape,
  type DType,
  type MipInfo,
  mipBox,
  type Vec3,
  type VolumeType,
  volumeOf,
} from '../../protocol/volume.ts';
import { decodeMask } from '../../protocol/voxel-mask.ts';

/** A voxel's value: a number, or a bigint of 64-bit types. */
export type Value = number | bigint;

/** Voxels of one level, and whether each is made from edits. */
export interface NaiveLevel {
  readonly values: Value[];
  readonly edited: boolean[];
}

/** What one edit wrote, by index of the voxel in mip 0. */
type Writes = ReadonlyMap<number, Value>;

/** Calls for each voxel of a box, x fastest. */
export function eachVoxel(box: Box, visit: (x: number, y: number, z: number, index: number) => void): void {
  let index = 0;
  for (let z = box[2]; z < box[5]; z++)
    for (let y = box[1]; y < box[4]; y++) for (let x = box[0]; x < box[3]; x++) visit(x, y, z, index++);
}

/** Index of a voxel in its level. */
export function indexOf({ offset, shape }: MipInfo, x: number, y: number, z: number): number {
  return ((z - offset[2]) * shape[1] + (y - offset[1])) * shape[0] + (x - offset[0]);
}

export class NaiveVolume {
  readonly #mips: readonly MipInfo[];
  readonly #factors: readonly Vec3[];
  readonly #type: VolumeType;
  readonly #dtype: DType;
  /** As ingested, by mip. */
  readonly #ingested: readonly Value[][];
  readonly #writes = new Map<number, Writes>();

  /**
   * @param sources values of the levels that the source has; the others are built.
   * @param factors by mip.
   */
  constructor(
    mips: readonly MipInfo[],
    factors: readonly Vec3[],
    type: VolumeType,
    dtype: DType,
    sources: readonly (readonly Value[])[],
  ) {
    this.#mips = mips;
    this.#factors = factors;
    this.#type = type;
    this.#dtype = dtype;
    this.#mips = mips;
    this.#factors = factors;
    this.#type = type;
    this.#dtype = dtype;
    const ingested: Value[][] = [];
    for (const [mip, level] of mips.entries()) {
      const source = sources[mip];
      if (source !== undefined) ingested.push([...source]);
      else {
        const values: Value[] = [];
        eachVoxel(mipBox(level), (x, y, z) => values.push(this.#coarse(mip, ingested[mip - 1] ?? [], [x, y, z])));
        ingested.push(values);
      }
    }
    this.#ingested = ingested;
  }

  /** All levels with these edits in force. */
  levels(inForce: ReadonlySet<number>): NaiveLevel[] {
    const levels: NaiveLevel[] = [];
    for (const [mip, level] of this.#mips.entries()) {
      const values = [...(this.#ingested[mip] as Value[])];
      const edited = values.map(() => false);
      const below = levels[mip - 1];
      if (below === undefined) {
        for (const [seq, writes] of this.#writes)
          if (inForce.has(seq))
            for (const [index, value] of writes) {
              values[index] = value;
              edited[index] = true;
            }
      } else
        eachVoxel(mipBox(level), (x, y, z, index) => {
          if (!this.#footprint(mip, [x, y, z]).some((finer) => below.edited[finer])) return;
          values[index] = this.#coarse(mip, below.values, [x, y, z]);
          edited[index] = true;
        });
      levels.push({ values, edited });
    }
    return levels;
  }

  /**
   * Notes an edit. Seeds have been replaced by masks.
   *
   * @param ids new ids, by op. @param inForce the edits in force before it.
   */
  write(seq: number, ops: readonly Op[], ids: ReadonlyMap<number, bigint>, inForce: ReadonlySet<number>): void {
    const now = (this.levels(inForce)[0] as NaiveLevel).values;
    const writes = new Map<number, Value>();
    const level = this.#mips[0] as MipInfo;
    const like = (id: Value): Value => (this.#dtype === 'uint64' || this.#dtype === 'int64' ? BigInt(id) : Number(id));
    for (const [at, op] of ops.entries()) {
      if (op.op !== 'write' && op.op !== 'split') continue;
      const volume = volumeOf(boxShape(op.box));
      const set = op.mask === undefined ? new Uint8Array(volume).fill(1) : decodeMask(op.mask, volume);
      const idOf = (ref: unknown): bigint =>
        typeof ref === 'object' ? (ids.get((ref as { new: number }).new) as bigint) : (ref as bigint);
      let order = 0;
      eachVoxel(op.box, (x, y, z, inBox) => {
        if (set[inBox] === 0) return;
        const index = indexOf(level, x, y, z);
        if (op.op === 'split') {
          if (BigInt(now[index] as Value) !== idOf(op.id)) return;
          now[index] = like(ids.get(at) as bigint);
        } else if (op.values !== undefined) now[index] = this.#valueAt(op.values, order++);
        else if (op.value === 'new') now[index] = like(ids.get(at) as bigint);
        else
          now[index] = this.#rounded(
            like(typeof op.value === 'object' ? idOf(op.value) : (op.value as Value)),
            op.value,
          );
        writes.set(index, now[index] as Value);
      });
    }
    this.#writes.set(seq, writes);
  }

  #rounded(value: Value, given: unknown): Value {
    return this.#dtype === 'float32' ? Math.fround(Number(given)) : value;
  }

  #valueAt(bytes: Uint8Array, index: number): Value {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    switch (this.#dtype) {
      case 'uint8':
        return view.getUint8(index);
      case 'int8':
        return view.getInt8(index);
      case 'uint16':
        return view.getUint16(2 * index, true);
      case 'int16':
        return view.getInt16(2 * index, true);
      case 'uint32':
        return view.getUint32(4 * index, true);
      case 'int32':
        return view.getInt32(4 * index, true);
      case 'float32':
        return view.getFloat32(4 * index, true);
      case 'uint64':
        return view.getBigUint64(8 * index, true);
      case 'int64':
        return view.getBigInt64(8 * index, true);
    }
  }

  /** Indices of the finer voxels that a voxel is made from. */
  #footprint(mip: number, at: Vec3): number[] {
    const below = this.#mips[mip - 1] as MipInfo;
    const factors = this.#factors[mip] as Vec3;
    const whole = mipBox(below);
    const range = (axis: 0 | 1 | 2): [number, number] => [
      Math.max(at[axis] * factors[axis], whole[axis] as number),
      Math.min((at[axis] + 1) * factors[axis], whole[axis + 3] as number),
    ];
    const [x, y, z] = [range(0), range(1), range(2)];
    const found: number[] = [];
    eachVoxel([x[0], y[0], z[0], x[1], y[1], z[1]], (i, j, k) => found.push(indexOf(below, i, j, k)));
    return found;
  }

  #coarse(mip: number, below: readonly Value[], at: Vec3): Value {
    const votes = this.#footprint(mip, at).map((index) => below[index] as Value);
    return this.#type === 'image' ? this.#mean(votes) : mode(votes);
  }

  #mean(values: readonly Value[]): Value {
    if (typeof values[0] === 'bigint') {
      const sum = values.reduce((all: bigint, value) => all + BigInt(value), 0n);
      const count = BigInt(values.length);
      const doubled = 2n * sum + count;
      const quotient = doubled / (2n * count);
      return doubled < 0n && quotient * 2n * count !== doubled ? quotient - 1n : quotient;
    }
    const mean = values.reduce((all: number, value) => all + Number(value), 0) / values.length;
    return this.#dtype === 'float32' ? Math.fround(mean) : Math.floor(mean + 0.5);
  }
}

function mode(values: readonly Value[]): Value {
  const votes = new Map<Value, number>();
  for (const value of values) votes.set(value, (votes.get(value) ?? 0) + 1);
  const most = Math.max(...votes.values());
  const winners = [...votes.keys()].filter((value) => votes.get(value) === most);
  return winners.filter((value) => Number(value) !== 0).sort((a, b) => (a < b ? -1 : 1))[0] ?? winners[0] ?? 0;
}
