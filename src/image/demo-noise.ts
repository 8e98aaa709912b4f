/** Noise that depends on coordinates and a seed alone: the same in whatever boxes it is asked for. */
import type { Box } from '../../protocol/volume.ts';

/** A 32-bit hash of a lattice point. */
export function hashPoint(seed: number, x: number, y: number, z: number): number {
  let h = Math.imul(x, 0x8da6_b343) ^ Math.imul(y, 0xd816_3841) ^ Math.imul(z, 0xcb1a_b31f) ^ seed;
  h = Math.imul(h ^ (h >>> 16), 0x7feb_352d);
  h = Math.imul(h ^ (h >>> 15), 0x846c_a68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Smooth noise between -1 and 1: random numbers on a lattice, between them interpolated without kinks. */
export class SmoothNoise {
  readonly #step: number;
  readonly #x0: number;
  readonly #x1: number;
  /** First lattice point and number of points along each axis. */
  readonly #from: readonly [number, number, number];
  readonly #counts: readonly [number, number, number];
  readonly #nodes: Float64Array;
  /** Nodes of the row at hand. */
  readonly #row: Float64Array;
  /** Weight of the right node for each place between two. */
  readonly #weights: Float64Array;

  /** @param step voxels from one lattice point to the next. @param box in which rows will be asked for. */
  constructor(seed: number, step: number, box: Box) {
    const first = (at: number): number => Math.floor(at / step);
    const count = (from: number, to: number): number => first(to - 1) - first(from) + 2;
    this.#step = step;
    this.#x0 = box[0];
    this.#x1 = box[3];
    this.#from = [first(box[0]), first(box[1]), first(box[2])];
    this.#counts = [count(box[0], box[3]), count(box[1], box[4]), count(box[2], box[5])];
    const [nx, ny, nz] = this.#counts;
    this.#nodes = new Float64Array(nx * ny * nz);
    this.#row = new Float64Array(nx);
    this.#weights = Float64Array.from({ length: step }, (_, i) => smooth(i / step));
    let at = 0;
    for (let z = 0; z < nz; z++)
      for (let y = 0; y < ny; y++)
        for (let x = 0; x < nx; x++)
          this.#nodes[at++] =
            hashPoint(seed, this.#from[0] + x, this.#from[1] + y, this.#from[2] + z) / 0x8000_0000 - 1;
  }

  /** Writes the noise of the box's row at y, z into `out`. */
  fillRow(y: number, z: number, out: Float64Array): void {
    this.#mixRow(y, z);
    const row = this.#row;
    const weights = this.#weights;
    const step = this.#step;
    let node = 0;
    let within = this.#x0 - this.#from[0] * step;
    let left = row[0] as number;
    let rise = (row[1] as number) - left;
    for (let i = 0, length = this.#x1 - this.#x0; i < length; i++) {
      out[i] = left + rise * (weights[within] as number);
      if (++within < step) continue;
      within = 0;
      node++;
      left = row[node] as number;
      rise = (row[node + 1] as number) - left;
    }
  }

  /** Interpolates the nodes of a row along y and z. */
  #mixRow(y: number, z: number): void {
    const [nx, ny] = this.#counts;
    const nodes = this.#nodes;
    const iy = Math.floor(y / this.#step);
    const iz = Math.floor(z / this.#step);
    const wy = this.#weights[y - iy * this.#step] as number;
    const wz = this.#weights[z - iz * this.#step] as number;
    const a = nx * (iy - this.#from[1] + ny * (iz - this.#from[2]));
    const c = a + nx * ny;
    for (let i = 0; i < nx; i++) {
      const front = mix(nodes[a + i] as number, nodes[a + nx + i] as number, wy);
      const back = mix(nodes[c + i] as number, nodes[c + nx + i] as number, wy);
      this.#row[i] = mix(front, back, wz);
    }
  }
}

function mix(a: number, b: number, weight: number): number {
  return a + (b - a) * weight;
}

function smooth(t: number): number {
  return t * t * (3 - 2 * t);
}
