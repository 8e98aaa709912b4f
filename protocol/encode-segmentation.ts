/** Writing compressed segmentation; the format is described in `compressed-segmentation.ts`. */
import { BflyError } from './errors.ts';
import {
  DEFAULT_BLOCK,
  type Layout,
  layoutOf,
  MAX_TABLE_OFFSET,
  type Placed,
  place,
  type SegmentationDType,
  wordsOf,
} from './segmentation-layout.ts';
import type { Vec3 } from './volume.ts';

/** Up to here a linear search beats a hash, and tables are sorted so that neighbours find that theirs are the same. */
const SMALL_TABLE = 24;
const EMPTY = 0xffff_ffff;
/** Words of scratch that are kept between calls. */
const KEPT_WORDS = 1 << 20;

/** The ids of the block at hand, in order of appearance, and the index of each of its voxels. */
interface BlockScratch {
  readonly voxels: number;
  readonly low: Uint32Array;
  readonly high: Uint32Array;
  readonly index: Uint32Array;
  readonly order: Uint32Array;
  readonly rank: Uint32Array;
  /** Open addressing, a power of two of at least twice the voxels; `EMPTY` = free. */
  readonly hash: Uint32Array;
  count: number;
  hashed: boolean;
}
let scratch: BlockScratch | undefined;
let outputScratch: Uint32Array<ArrayBuffer> = new Uint32Array(1 << 18);

/**
 * Compresses a box of ids.
 *
 * @param raw borrowed; little-endian, x fastest, exactly `size` voxels.
 * @param size of the box in voxels.
 * @param blockSize of the compression blocks; the protocol's encodings use 8×8×8.
 * @returns owned bytes in a buffer of their own length.
 * @throws BflyError BAD_REQUEST where `raw` is not as long as `size` says; TOO_LARGE where the tables pass the format's 64 MiB.
 */
export function encodeCompressedSegmentation(
  raw: Uint8Array,
  size: Vec3,
  dtype: SegmentationDType,
  blockSize: Vec3 = DEFAULT_BLOCK,
): Uint8Array {
  const layout = layoutOf(size, dtype, blockSize);
  const expected = size[0] * size[1] * size[2] * 4 * layout.wordsPerVoxel;
  if (raw.length !== expected)
    throw new BflyError('BAD_REQUEST', `a box of ${size.join('×')} ${dtype} has ${expected} bytes, not ${raw.length}`);
  const words = wordsOf(raw);
  const block = scratchFor(layout.blockVoxels);
  const out = new Output(layout);
  const placed: Placed = { xEnd: 0, yEnd: 0, zEnd: 0, first: 0 };
  const { grid } = layout;
  let number = 0;
  for (let z = 0; z < grid[2]; z++)
    for (let y = 0; y < grid[1]; y++)
      for (let x = 0; x < grid[0]; x++) {
        place(layout, x, y, z, placed);
        if (layout.wordsPerVoxel === 2) gather64(words, layout, placed, block);
        else gather32(words, layout, placed, block);
        out.add(number++, block);
      }
  return out.finish();
}
function scratchFor(voxels: number): BlockScratch {
  if (scratch?.voxels === voxels) return scratch;
  let slots = 4;
  while (slots < 2 * voxels) slots *= 2;
  const made: BlockScratch = {
    voxels,
    low: new Uint32Array(voxels),
    high: new Uint32Array(voxels),
    index: new Uint32Array(voxels),
    order: new Uint32Array(voxels),
    rank: new Uint32Array(voxels),
    hash: new Uint32Array(slots).fill(EMPTY),
    count: 0,
    hashed: false,
  };
  scratch = made;
  return made;
}

function hashOf(low: number, high: number): number {
  const h = Math.imul(low ^ (high >>> 15) ^ (high << 7), 0x9e37_79b1);
  return h ^ (h >>> 15);
}

/** Index of an id in the table of the block at hand, added where it is new. */
function indexOf(block: BlockScratch, low: number, high: number): number {
  const { low: lows, high: highs, count } = block;
  if (!block.hashed) {
    for (let i = count - 1; i >= 0; i--) if (lows[i] === low && highs[i] === high) return i;
    lows[count] = low;
    highs[count] = high;
    block.count = count + 1;
    if (block.count > SMALL_TABLE) startHash(block);
    return count;
  }
  const { hash } = block;
  const mask = hash.length - 1;
  let slot = hashOf(low, high) & mask;
  for (;;) {
    const i = hash[slot] as number;
    if (i === EMPTY) break;
    if (lows[i] === low && highs[i] === high) return i;
    slot = (slot + 1) & mask;
  }
  hash[slot] = count;
  lows[count] = low;
  highs[count] = high;
  block.count = count + 1;
  return count;
}

function startHash(block: BlockScratch): void {
  const { hash, low, high } = block;
  const mask = hash.length - 1;
  hash.fill(EMPTY);
  for (let i = 0; i < block.count; i++) {
    let slot = hashOf(low[i] as number, high[i] as number) & mask;
    while (hash[slot] !== EMPTY) slot = (slot + 1) & mask;
    hash[slot] = i;
  }
  block.hashed = true;
}

function gather64(words: Uint32Array, layout: Layout, placed: Placed, block: BlockScratch): void {
  const [nx, ny] = layout.size;
  const [bx, by, bz] = layout.block;
  const { xEnd, yEnd, zEnd, first } = placed;
  const { index } = block;
  block.count = 0;
  block.hashed = false;
  if (xEnd < bx || yEnd < by || zEnd < bz) index.fill(0);
  let low = words[2 * first] as number;
  let high = words[2 * first + 1] as number;
  let last = indexOf(block, low, high);
  for (let z = 0; z < zEnd; z++)
    for (let y = 0; y < yEnd; y++) {
      let from = 2 * (first + nx * (y + ny * z));
      let to = bx * (y + by * z);
      for (const end = to + xEnd; to < end; to++, from += 2) {
        const a = words[from] as number;
        const b = words[from + 1] as number;
        if (a !== low || b !== high) {
          low = a;
          high = b;
          last = indexOf(block, a, b);
        }
        index[to] = last;
      }
    }
}

function gather32(words: Uint32Array, layout: Layout, placed: Placed, block: BlockScratch): void {
  const [nx, ny] = layout.size;
  const [bx, by, bz] = layout.block;
  const { xEnd, yEnd, zEnd, first } = placed;
  const { index } = block;
  block.count = 0;
  block.hashed = false;
  if (xEnd < bx || yEnd < by || zEnd < bz) index.fill(0);
  let low = words[first] as number;
  let last = indexOf(block, low, 0);
  for (let z = 0; z < zEnd; z++)
    for (let y = 0; y < yEnd; y++) {
      let from = first + nx * (y + ny * z);
      let to = bx * (y + by * z);
      for (const end = to + xEnd; to < end; to++, from++) {
        const a = words[from] as number;
        if (a !== low) {
          low = a;
          last = indexOf(block, a, 0);
        }
        index[to] = last;
      }
    }
}

/** Sorts the ids of a block by value into `order`; `rank` is the inverse. Large tables keep the order of appearance. */
function sortTable(block: BlockScratch): void {
  const { low, high, order, rank, count } = block;
  for (let i = 0; i < count; i++) {
    let j = i;
    if (count <= SMALL_TABLE) {
      const a = low[i] as number;
      const b = high[i] as number;
      for (; j > 0; j--) {
        const k = order[j - 1] as number;
        const c = high[k] as number;
        if (c < b || (c === b && (low[k] as number) < a)) break;
        order[j] = k;
      }
    }
    order[j] = i;
  }
  for (let i = 0; i < count; i++) rank[order[i] as number] = i;
}

/** The words of the file as it grows. Positions count from the end of the first word, as the format's offsets do. */
class Output {
  readonly #layout: Layout;
  /** Tables by the hash of their ids, as pairs of position and length. */
  readonly #tables = new Map<number, number[]>();
  #words: Uint32Array<ArrayBuffer>;
  #position: number;

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#words = outputScratch;
    this.#position = 2 * layout.blocks;
    this.#reserve(0);
    this.#words[0] = 1;
  }

  add(number: number, block: BlockScratch): void {
    const { count } = block;
    const { blockVoxels, wordsPerVoxel } = this.#layout;
    let bits = count > 1 ? 1 : 0;
    while (2 ** bits < count) bits *= 2;
    this.#reserve(count * wordsPerVoxel + Math.ceil((blockVoxels * bits) / 32));
    sortTable(block);
    const values = this.#position;
    if (bits > 0) this.#pack(block, bits);
    const table = this.#table(block);
    if (table > MAX_TABLE_OFFSET)
      throw new BflyError('TOO_LARGE', 'the tables of a compressed segmentation end within 64 MiB: use smaller chunks');
    this.#words[1 + 2 * number] = table | (bits << 24);
    this.#words[2 + 2 * number] = values;
  }

  finish(): Uint8Array {
    const length = 1 + this.#position;
    const out = this.#words.slice(0, length);
    outputScratch = this.#words.length <= KEPT_WORDS ? this.#words : outputScratch;
    return new Uint8Array(out.buffer);
  }

  #reserve(more: number): void {
    const needed = 1 + this.#position + more;
    if (needed <= this.#words.length) return;
    const larger = new Uint32Array(Math.max(2 * this.#words.length, needed));
    larger.set(this.#words);
    this.#words = larger;
  }

  #pack(block: BlockScratch, bits: number): void {
    const { index, rank } = block;
    const words = this.#words;
    const { blockVoxels } = this.#layout;
    let to = 1 + this.#position;
    for (let i = 0; i < blockVoxels; to++) {
      let word = 0;
      const end = Math.min(blockVoxels, i + 32 / bits);
      for (let shift = 0; i < end; i++, shift += bits) word |= (rank[index[i] as number] as number) << shift;
      words[to] = word;
    }
    this.#position = to - 1;
  }

  /** Position of the block's table: that of an equal one, else it is written. */
  #table(block: BlockScratch): number {
    const { low, high, order, count } = block;
    const step = this.#layout.wordsPerVoxel;
    let key = count;
    for (let i = 0; i < count; i++) {
      const k = order[i] as number;
      key = (Math.imul(key, 31) + hashOf(low[k] as number, high[k] as number)) | 0;
    }
    const known = this.#tables.get(key);
    for (let t = 0; known !== undefined && t < known.length; t += 2)
      if (known[t + 1] === count && this.#isTable(block, known[t] as number)) return known[t] as number;
    const position = this.#position;
    let to = 1 + position;
    for (let i = 0; i < count; i++, to += step) {
      const k = order[i] as number;
      this.#words[to] = low[k] as number;
      if (step === 2) this.#words[to + 1] = high[k] as number;
    }
    this.#position = to - 1;
    if (known === undefined) this.#tables.set(key, [position, count]);
    else known.push(position, count);
    return position;
  }

  #isTable(block: BlockScratch, position: number): boolean {
    const { low, high, order, count } = block;
    const step = this.#layout.wordsPerVoxel;
    for (let i = 0, at = 1 + position; i < count; i++, at += step) {
      const k = order[i] as number;
      if (this.#words[at] !== low[k] || (step === 2 && this.#words[at + 1] !== high[k])) return false;
    }
    return true;
  }
}
