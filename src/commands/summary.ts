/** What the values of a volume are like, gathered while they pass. */
import { type DType, type VolumeType, viewVoxels } from '../../protocol/volume.ts';
import { formatTable } from './table.ts';

/** Gathers values. */
export interface Summary {
  /** Takes voxels; borrowed. */
  add(voxels: Uint8Array): void;
  /** The facts gathered, as name and value. */
  facts(): readonly (readonly [name: string, value: string])[];
}

/** Opens the summary that suits a volume: grey values, or ids. */
export function openSummary(type: VolumeType, dtype: DType): Summary {
  return type === 'segmentation' && dtype !== 'float32' ? new IdSummary(dtype) : new GreySummary(dtype);
}

/** Minimum, maximum and mean; NaN is left out. */
class GreySummary implements Summary {
  readonly #dtype: DType;
  #min: number | bigint | undefined;
  #max: number | bigint | undefined;
  #sum = 0;
  #count = 0;

  constructor(dtype: DType) {
    this.#dtype = dtype;
  }

  add(voxels: Uint8Array): void {
    for (const value of viewVoxels(this.#dtype, voxels)) {
      if (Number.isNaN(value)) continue;
      if (this.#min === undefined || value < this.#min) this.#min = value;
      if (this.#max === undefined || value > this.#max) this.#max = value;
      this.#sum += Number(value);
      this.#count++;
    }
  }

  facts(): readonly (readonly [string, string])[] {
    if (this.#count === 0) return [['values', 'none that is a number']];
    const mean = Number((this.#sum / this.#count).toPrecision(9));
    return [
      ['min', String(this.#min)],
      ['max', String(this.#max)],
      ['mean', String(mean)],
    ];
  }
}

/** Number of different ids. */
class IdSummary implements Summary {
  readonly #dtype: DType;
  readonly #ids = new Set<number | bigint>();
  #voxels = 0;
  #background = 0;

  constructor(dtype: DType) {
    this.#dtype = dtype;
  }

  add(voxels: Uint8Array): void {
    const view = viewVoxels(this.#dtype, voxels);
    let last: number | bigint | undefined;
    for (const id of view) {
      if (!id) this.#background++;
      // Ids come in runs; asking the set for each voxel would take ten times as long.
      if (id === last) continue;
      this.#ids.add(id);
      last = id;
    }
    this.#voxels += view.length;
  }

  facts(): readonly (readonly [string, string])[] {
    const hasBackground = this.#background > 0;
    let max: number | bigint = 0;
    for (const id of this.#ids) if (id > max) max = id;
    return [
      ['ids', `${this.#ids.size - (hasBackground ? 1 : 0)}${hasBackground ? ' and the background 0' : ''}`],
      ['largest', String(max)],
      ['background', `${((100 * this.#background) / Math.max(1, this.#voxels)).toFixed(1)}%`],
    ];
  }
}

/** Facts as aligned lines. */
export function formatFacts(facts: readonly (readonly [name: string, value: string])[]): string {
  return formatTable(facts);
}
