/**
 * Which edits changed which tiles, and since when each tile of each level is as it is. In memory, rebuilt from the log when a path opens.
 * Knows no voxels. Rules [E21], [E26], [E27].
 */
import { BflyError } from '../../../protocol/errors.ts';
import { type Box, type MipInfo, mipBox, type Vec3 } from '../../../protocol/volume.ts';
import { intersect } from '../../query/box.ts';
import { gridShape, tileBox, tilesIn, tilesOf } from '../../query/tile-grid.ts';

/** Where the voxels are that an edit changed in one tile: the log's entry DELTA `seq`, `part`. */
export interface DeltaRef {
  readonly seq: number;
  readonly part: number;
}

/** What is known of one tile of any level. */
interface KnownTile {
  /** Edits that changed it, ascending. */
  readonly edits: number[];
  /** Those of them that ever went out of force. */
  readonly turned: number[];
  /** Seq of its last change, and the revision of the history that this is true of. */
  latest: number;
  latestOf: number;
}

const NONE: readonly DeltaRef[] = [];
const NO_TILES: readonly Vec3[] = [];
const NEVER: readonly number[] = [];

/** Voxels of the level below that one voxel is made from, along x, y, z, by mip; [1, 1, 1] for mip 0. Rule [E27]. */
export function footprintFactors(mips: readonly MipInfo[], built: readonly Vec3[] = []): Vec3[] {
  return mips.map((level, mip) => {
    const below = mips[mip - 1];
    const known = built[mip];
    if (below === undefined) return [1, 1, 1];
    if (known?.some((factor) => factor > 1) === true) return known;
    const ratio = (axis: 0 | 1 | 2): number => Math.max(1, Math.round(below.shape[axis] / level.shape[axis]));
    return [ratio(0), ratio(1), ratio(2)];
  });
}

/** The box of a level whose footprints meet a box of the level below; undefined where there is none. */
export function coarserBox(box: Box, factors: Vec3, level: MipInfo): Box | undefined {
  const [fx, fy, fz] = factors;
  return intersect(mipBox(level), [
    Math.floor(box[0] / fx),
    Math.floor(box[1] / fy),
    Math.floor(box[2] / fz),
    Math.ceil(box[3] / fx),
    Math.ceil(box[4] / fy),
    Math.ceil(box[5] / fz),
  ]);
}

/** What a box of mip 0 is on every level: [mip, box], finest first; levels that do not show it are left out. */
export function touchedBoxes(
  box: Box,
  mips: readonly MipInfo[],
  factors: readonly Vec3[],
): (readonly [mip: number, box: Box])[] {
  const touched: (readonly [number, Box])[] = [];
  let at: Box | undefined = box;
  for (const [mip, level] of mips.entries()) {
    at = mip === 0 ? intersect(mipBox(level), box) : coarserBox(at, factors[mip] as Vec3, level);
    if (at === undefined) break;
    touched.push([mip, at]);
  }
  return touched;
}

/**
 * The voxel edits of one channel.
 *
 * Changes of force are kept by edit, not by tile: who undoes and redoes one edit of a thousand tiles again and again adds one number each
 * time.
 */
export class VoxelHistory {
  readonly #mips: readonly MipInfo[];
  readonly #factors: readonly Vec3[];
  readonly #grids: readonly Vec3[];
  /** By number of a tile of mip 0: ascending. */
  readonly #deltas = new Map<number, DeltaRef[]>();
  /** By mip, and number of the tile. */
  readonly #tiles: readonly Map<number, KnownTile>[];
  /** Tiles of each edit. */
  readonly #touched = new Map<number, readonly Vec3[]>();
  /** When edits went out of and back into force: seqs, ascending, of edits that touched voxels. */
  readonly #turns = new Map<number, number[]>();
  #first = Number.POSITIVE_INFINITY;
  #last = 0;
  /** Another one with each change. */
  #revision = 0;

  /** @param factors voxels of the level below that one voxel of a level is made from, by mip (`footprintFactors`). */
  constructor(mips: readonly MipInfo[], factors: readonly Vec3[]) {
    this.#mips = mips;
    this.#factors = factors;
    this.#grids = mips.map(gridShape);
    this.#tiles = mips.map(() => new Map<number, KnownTile>());
  }

  /** Footprints of the levels, by mip. */
  get factors(): readonly Vec3[] {
    return this.#factors;
  }

  /** Whether no edit ever changed a voxel. */
  get isEmpty(): boolean {
    return this.#last === 0;
  }

  /** Whether any voxel had been changed at a seq. */
  isEditedAt(at: number): boolean {
    return at >= this.#first;
  }

  /**
   * Edit `seq` has deltas: part i changes tile `tiles[i]` of mip 0, each tile at most once.
   *
   * @param seq not below that of any call before.
   */
  add(seq: number, tiles: readonly Vec3[]): void {
    if (tiles.length === 0) return;
    this.#advance(seq);
    this.#touched.set(seq, tiles);
    for (const [part, tile] of tiles.entries()) {
      const number = this.#numberOf(0, tile);
      const deltas = this.#deltas.get(number);
      if (deltas === undefined) this.#deltas.set(number, [{ seq, part }]);
      else deltas.push({ seq, part });
    }
    this.#eachTile(tiles, ({ edits }) => {
      if (edits[edits.length - 1] !== seq) edits.push(seq);
    });
  }

  /** At `seq` each of these edits went out of force, or back into it. Those that changed no voxels are passed over. */
  force(seq: number, edits: Iterable<number>): void {
    for (const edit of edits) {
      const tiles = this.#touched.get(edit);
      if (tiles === undefined) continue;
      this.#advance(seq);
      const turns = this.#turns.get(edit);
      if (turns !== undefined) {
        turns.push(seq);
        continue;
      }
      this.#turns.set(edit, [seq]);
      this.#eachTile(tiles, ({ turned }) => turned.push(edit));
    }
  }

  /** Seq of the last change to a tile that is not above `at`; 0 = as ingested. Called for every tile that is sent. */
  versionAt(mip: number, tile: Vec3, at: number): number {
    if (this.#last === 0) return 0;
    const known = this.#tiles[mip]?.get(this.#numberOf(mip, tile));
    if (known === undefined) return 0;
    if (at < this.#last) return this.#lastChange(known, at);
    if (known.latestOf !== this.#revision) {
      known.latest = this.#lastChange(known, at);
      known.latestOf = this.#revision;
    }
    return known.latest;
  }

  #lastChange({ edits, turned }: KnownTile, at: number): number {
    let last = lastUpTo(edits, at);
    for (const edit of turned) last = Math.max(last, lastUpTo(this.#turns.get(edit) ?? NEVER, at));
    return last;
  }

  /** Deltas of a tile of mip 0 in (after, at], ascending, in force or not. */
  deltasOf(tile: Vec3, at: number, after = 0): readonly DeltaRef[] {
    const deltas = this.#deltas.get(this.#numberOf(0, tile)) ?? NONE;
    let end = deltas.length;
    while (end > 0 && (deltas[end - 1] as DeltaRef).seq > at) end--;
    let start = after === 0 ? 0 : end;
    while (start > 0 && (deltas[start - 1] as DeltaRef).seq > after) start--;
    return start === 0 && end === deltas.length ? deltas : deltas.slice(start, end);
  }

  /** Whether an edit that changed voxels is in force at a seq that is not below its own. */
  isInForce(edit: number, at: number): boolean {
    const turns = this.#turns.get(edit);
    return turns === undefined || countUpTo(turns, at) % 2 === 0;
  }

  /** Tiles of mip 0 that an edit has deltas of, by part. */
  touchedBy(seq: number): readonly Vec3[] {
    return this.#touched.get(seq) ?? NO_TILES;
  }

  /**
   * Up to which seq a kept state of a tile of mip 0 can be built on: `from` itself where every delta up to it is in force at `at` as it was
   * at `from`, so that only the later ones are to be added; else a seq below it, which is to be asked for in turn. 0 can always be built on.
   */
  baseFor(tile: Vec3, from: number, at: number): number {
    let base = from;
    for (const edit of this.#tiles[0]?.get(this.#numberOf(0, tile))?.turned ?? NEVER)
      if (edit <= base && at > from && this.isInForce(edit, from) !== this.isInForce(edit, at)) base = edit - 1;
    return base;
  }

  /** Calls `visit` with some tiles of mip 0, and with all that are made from them. */
  #eachTile(tiles: readonly Vec3[], visit: (tile: KnownTile) => void): void {
    let here: ReadonlyMap<number, Vec3> = new Map(tiles.map((tile) => [this.#numberOf(0, tile), tile]));
    for (let mip = 0; mip < this.#mips.length && here.size > 0; mip++) {
      const all = this.#tiles[mip] as Map<number, KnownTile>;
      for (const number of here.keys()) {
        let known = all.get(number);
        if (known === undefined) {
          known = { edits: [], turned: [], latest: 0, latestOf: 0 };
          all.set(number, known);
        }
        visit(known);
      }
      here = this.#above(mip, here.values());
    }
  }

  /** Tiles of the next level whose voxels are made from some tiles. */
  #above(mip: number, tiles: Iterable<Vec3>): Map<number, Vec3> {
    const above = new Map<number, Vec3>();
    const level = this.#mips[mip + 1];
    if (level === undefined) return above;
    for (const [x, y, z] of tiles) {
      const box = coarserBox(tileBox(this.#mips[mip] as MipInfo, x, y, z), this.#factors[mip + 1] as Vec3, level);
      if (box === undefined) continue;
      for (const tile of tilesIn(tilesOf(level, box))) above.set(this.#numberOf(mip + 1, tile), tile);
    }
    return above;
  }

  #numberOf(mip: number, [x, y, z]: Vec3): number {
    const [nx, ny] = this.#grids[mip] as Vec3;
    return x + nx * (y + ny * z);
  }

  #advance(seq: number): void {
    if (seq < this.#last)
      throw new BflyError('INTERNAL', `voxels changed at seq ${seq}, after those of ${this.#last} were told`);
    this.#last = seq;
    this.#revision++;
    this.#first = Math.min(this.#first, seq);
  }
}

/** How many of some ascending numbers are not above `at`. */
function countUpTo(numbers: readonly number[], at: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The last of some ascending numbers that is not above `at`; 0 = none. */
function lastUpTo(numbers: readonly number[], at: number): number {
  const last = numbers[numbers.length - 1] ?? 0;
  return last <= at ? last : (numbers[countUpTo(numbers, at) - 1] ?? 0);
}
