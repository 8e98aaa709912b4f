/**
 * Tissue out of nothing: cells with dark membranes between them, and in them mitochondria, vesicles and microtubules.
 * Every voxel is a function of its coordinates and the seed, so boxes fit together without seams.
 */
import type { Box, Vec3 } from '../../protocol/volume.ts';
import { Anatomy } from './demo-cells.ts';
import { hashPoint, SmoothNoise } from './demo-noise.ts';

/** Distance from a border below which a voxel belongs to the membrane (id 0), voxels. */
const MEMBRANE = 1.4;

/** Ids of a box. @returns owned uint64 voxels, x fastest; 0 = membrane. */
export function tissueIds(seed: number, box: Box): Uint8Array {
  const width = box[3] - box[0];
  const out = new Uint32Array(2 * width * (box[4] - box[1]) * (box[5] - box[2]));
  const anatomy = new Anatomy(seed, box);
  const { cell, border } = anatomy.row;
  const { idLow, idHigh } = anatomy.cells;
  let at = 0;
  for (let z = box[2]; z < box[5]; z++)
    for (let y = box[1]; y < box[4]; y++) {
      anatomy.readRow(y, z);
      for (let i = 0; i < width; i++, at += 2) {
        if ((border[i] as number) < MEMBRANE) continue;
        out[at] = idLow[cell[i] as number] as number;
        out[at + 1] = idHigh[cell[i] as number] as number;
      }
    }
  return new Uint8Array(out.buffer);
}

/** Grey values of a box as an electron microscope would see it. @returns owned uint8 voxels, x fastest. */
export function tissueImage(seed: number, box: Box): Uint8Array {
  const width = box[3] - box[0];
  const out = new Uint8Array(width * (box[4] - box[1]) * (box[5] - box[2]));
  const anatomy = new Anatomy(seed, box);
  const painter = new Painter(seed, box, anatomy);
  let at = 0;
  for (let z = box[2]; z < box[5]; z++)
    for (let y = box[1]; y < box[4]; y++, at += width) {
      anatomy.readRow(y, z);
      painter.paintRow(y, z, out.subarray(at, at + width));
    }
  return out;
}

const MEMBRANE_GREY = 58;
const MITO = { cell: [58, 58, 150] as const, radius: 0.27, share: 0.42 };
const VESICLE_CELL = 8;
const TUBULE_CELL = 11;

/** Turns what a voxel is part of into a grey value. */
class Painter {
  readonly #anatomy: Anatomy;
  readonly #seeds: { readonly mito: number; readonly vesicle: number; readonly tubule: number; readonly white: number };
  readonly #box: Box;
  /** Where the last mitochondrion was looked for: a row stays in one place for a while. */
  #mitoPlace: Vec3 = [Number.NaN, 0, 0];
  #mitoHash = 0;
  readonly #noises: { readonly field: SmoothNoise; readonly row: Float64Array }[];

  constructor(seed: number, box: Box, anatomy: Anatomy) {
    const field = (number: number, step: number) => ({
      field: new SmoothNoise(hashPoint(seed, 4, number, 0), step, box),
      row: new Float64Array(box[3] - box[0]),
    });
    this.#anatomy = anatomy;
    this.#box = box;
    this.#seeds = {
      mito: hashPoint(seed, 5, 0, 0),
      vesicle: hashPoint(seed, 6, 0, 0),
      tubule: hashPoint(seed, 7, 0, 0),
      white: hashPoint(seed, 8, 0, 0),
    };
    this.#noises = [field(0, 2), field(1, 5), field(2, 60), field(3, 45)];
  }

  paintRow(y: number, z: number, out: Uint8Array): void {
    for (const { field, row } of this.#noises) field.fillRow(y, z, row);
    const [fine, coarse, light, activity] = this.#noises.map(({ row }) => row) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const { cell, border, u, v, w } = this.#anatomy.row;
    const { hash } = this.#anatomy.cells;
    for (let i = 0; i < out.length; i++) {
      const d = border[i] as number;
      const kind = hash[cell[i] as number] as number;
      const x = this.#box[0] + i;
      let grey = 158 + ((kind >>> 8) & 0x1f) - 16 + 9 * (light[i] as number);
      grey += 22 * (coarse[i] as number);
      if (d > 3) {
        const organelle = this.#mitochondrion(u[i] as number, v[i] as number, w[i] as number, d);
        if (organelle > 0) grey = organelle + 10 * (coarse[i] as number);
        else grey += this.#specks(x, y, z, u[i] as number, v[i] as number, d, activity[i] as number, kind);
      }
      // Membranes thicken where cells touch at a synapse.
      const thickness = 1.75 + ((activity[i] as number) > 0.45 ? 3 * ((activity[i] as number) - 0.45) : 0);
      const depth = d / thickness;
      if (depth < 3) grey += Math.exp(-depth * depth) * (MEMBRANE_GREY - grey);
      const white = hashPoint(this.#seeds.white, x, y, z);
      grey += 20 * (fine[i] as number) + ((white & 0xff) + ((white >>> 8) & 0xff) - 255) / 14;
      out[i] = Math.max(0, Math.min(255, grey));
    }
  }

  /** Grey of the mitochondrion here, 0 where there is none. They lie along the cells and keep off the membrane. */
  #mitochondrion(u: number, v: number, w: number, border: number): number {
    const [sx, sy, sz] = MITO.cell;
    const i = Math.floor(u / sx);
    const j = Math.floor(v / sy);
    const k = Math.floor(w / sz);
    if (i !== this.#mitoPlace[0] || j !== this.#mitoPlace[1] || k !== this.#mitoPlace[2]) {
      this.#mitoPlace = [i, j, k];
      this.#mitoHash = hashPoint(this.#seeds.mito, i, j, k);
    }
    const hash = this.#mitoHash;
    if ((hash & 0xff) > 255 * MITO.share) return 0;
    const radius = MITO.radius * (0.6 + (0.4 * ((hash >>> 8) & 0xff)) / 0xff);
    const margin = (n: number): number => 0.3 + (0.4 * (n & 0xff)) / 0xff;
    const dx = (u / sx - i - margin(hash >>> 16)) / radius;
    const dy = (v / sy - j - margin(hash >>> 24)) / radius;
    const dz = (w / sz - k - 0.5) / 0.45;
    const square = dx * dx + dy * dy + dz * dz * dz * dz;
    if (square >= 1) return 0;
    const round = (1 - Math.sqrt(square)) * radius * sx;
    const depth = Math.min(round, border - 4);
    if (depth < 0) return 0;
    if (depth < 2.2) return 72;
    const fold = Math.sin(w * 0.55 + 2.2 * Math.sin(u * 0.21) + 1.7 * Math.sin(v * 0.17));
    return fold > 0.55 ? 88 : 118;
  }

  /** What vesicles and microtubules add to the grey. */
  #specks(
    x: number,
    y: number,
    z: number,
    u: number,
    v: number,
    border: number,
    activity: number,
    kind: number,
  ): number {
    if (activity > 0.22 && (kind & 0x1000) !== 0) {
      const vesicle = this.#vesicle(x, y, z);
      if (vesicle !== 0 && border > 5) return vesicle;
    }
    const i = Math.floor(u / TUBULE_CELL);
    const j = Math.floor(v / TUBULE_CELL);
    const hash = hashPoint(this.#seeds.tubule ^ kind, i, j, 0);
    if ((hash & 3) !== 0 || border < 6) return 0;
    const dx = u - (i + 0.25 + ((hash >>> 8) & 0xff) / 510) * TUBULE_CELL;
    const dy = v - (j + 0.25 + ((hash >>> 16) & 0xff) / 510) * TUBULE_CELL;
    const distance = dx * dx + dy * dy;
    return distance < 2.6 ? -48 : 0;
  }

  /** A bubble with a dark skin, one in most places of a lattice. */
  #vesicle(x: number, y: number, z: number): number {
    // Each row and column of places is shifted against the next, or slices between two layers would be empty.
    const j = Math.floor(y / VESICLE_CELL);
    const shiftedX = x + 3 * j;
    const i = Math.floor(shiftedX / VESICLE_CELL);
    const shiftedZ = z + (hashPoint(this.#seeds.vesicle, i, j, -1) & 7);
    const k = Math.floor(shiftedZ / VESICLE_CELL);
    const hash = hashPoint(this.#seeds.vesicle, i, j, k);
    if ((hash & 7) < 2) return 0;
    const middle = (n: number): number => 3.5 + ((n & 0xff) - 127.5) / 170;
    const dx = shiftedX - i * VESICLE_CELL - middle(hash >>> 8);
    const dy = y - j * VESICLE_CELL - middle(hash >>> 16);
    const dz = shiftedZ - k * VESICLE_CELL - middle(hash >>> 24);
    const distance = Math.sqrt(dx * dx + dy * dy + dz * dz);
    if (distance > 3.3) return 0;
    return distance > 1.7 ? -52 : 4;
  }
}
