/** The voxels of the storms' segmentation, replayed from a log as naively as the rules read. The oracle of rules [E25]..[E27] for storms. */
import type { WireMap } from '../../protocol/messages.ts';
import type { Box, Vec3 } from '../../protocol/volume.ts';
import { decodeMask } from '../../protocol/voxel-mask.ts';
import { createdBy, inForce } from './edit-oracle.ts';
import { naiveVoxel } from './naive-levels.ts';
import { ingested, SHAPE } from './storm-volume.ts';

/** What an edit put in a voxel. */
interface Put {
  /** Place of the edit in the log, from 0. */
  readonly at: number;
  readonly value: bigint;
}

const opsOf = (edit: WireMap): readonly WireMap[] => edit['ops'] as readonly WireMap[];

/** A log that grows, and the voxels that it comes to. */
export class ReplayedVoxels {
  readonly #base = ingested();
  /** By voxel, in order of the log. */
  readonly #puts = new Map<number, Put[]>();
  readonly #log: WireMap[] = [];
  #force: boolean[] = [];

  /** Edits that it has. */
  get log(): readonly WireMap[] {
    return this.#log;
  }

  /** Takes the next edit of the log, as HISTORY tells it. */
  take(edit: WireMap): void {
    const at = this.#log.length;
    const results = edit['results'] as readonly unknown[];
    for (const [k, op] of opsOf(edit).entries()) {
      // Each op sees what those before it did, undos too.
      this.#log[at] = { ...edit, ops: opsOf(edit).slice(0, k + 1) };
      if (op['op'] === 'undo') this.#force = inForce(this.#log);
      else this.#force[at] = true;
      if (op['op'] === 'write' || op['op'] === 'split') this.#change(at, op, k, results);
    }
    this.#log[at] = edit;
  }

  /** The levels as they are now: mip 0, and what halving gives. */
  levels(count: number): BigUint64Array[] {
    const finest: BigUint64Array = this.#base.map((_, index) => this.#valueAt(index));
    const levels = [finest];
    let shape = SHAPE;
    while (levels.length < count) {
      const coarser = halved(shape);
      levels.push(halve(levels.at(-1) ?? finest, shape, coarser));
      shape = coarser;
    }
    return levels;
  }

  #change(at: number, op: WireMap, k: number, results: readonly unknown[]): void {
    const box = op['box'] as Box;
    const size = (box[3] - box[0]) * (box[4] - box[1]) * (box[5] - box[2]);
    const mask = op['mask'] instanceof Uint8Array ? decodeMask(op['mask'], size) : new Uint8Array(size).fill(1);
    const isSplit = op['op'] === 'split';
    const next = isSplit ? () => BigInt(createdBy({ new: k }, results)) : valuesOf(op, k, results);
    let inBox = 0;
    for (let z = box[2]; z < box[5]; z++)
      for (let y = box[1]; y < box[4]; y++)
        for (let x = box[0]; x < box[3]; x++) {
          const index = (z * SHAPE[1] + y) * SHAPE[0] + x;
          if (mask[inBox++] === 0 || (isSplit && this.#valueAt(index) !== BigInt(op['id'] as number))) continue;
          const puts = this.#puts.get(index) ?? [];
          puts.push({ at, value: next() });
          this.#puts.set(index, puts);
        }
  }

  #valueAt(index: number): bigint {
    const put = this.#puts.get(index)?.findLast(({ at }) => this.#force[at] === true);
    return put?.value ?? this.#base[index] ?? 0n;
  }
}

/** What a write puts in one voxel after the other. */
function valuesOf({ value, values }: WireMap, k: number, results: readonly unknown[]): () => bigint {
  if (values instanceof Uint8Array) {
    const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
    let at = 0;
    return () => view.getBigUint64(8 * at++, true);
  }
  const one = BigInt(
    value === 'new'
      ? createdBy({ new: k }, results)
      : typeof value === 'object'
        ? createdBy(value as WireMap, results)
        : (value as number | bigint),
  );
  return () => one;
}

const halved = ([x, y, z]: Vec3): Vec3 => [Math.ceil(x / 2), Math.ceil(y / 2), Math.ceil(z / 2)];

function halve(finer: BigUint64Array, shape: Vec3, [nx, ny, nz]: Vec3): BigUint64Array {
  const coarse = new BigUint64Array(nx * ny * nz);
  let at = 0;
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++)
        coarse[at++] = BigInt(naiveVoxel(finer, shape, [2, 2, 2], 'segmentation', [x, y, z]));
  return coarse;
}
