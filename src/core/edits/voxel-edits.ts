/** Voxel ops made ready to be applied: checked, read, cut into deltas by tile. Nothing is changed here. Rules [E5], [E8]..[E12], [E24]..[E26]. */
import { badOp, type IdRef, type Op, type SplitOp, type WriteOp } from '../../../protocol/edit-ops.ts';
import { BflyError } from '../../../protocol/errors.ts';
import type { VoxelOutcome } from '../../../protocol/fold-context.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { Bulk } from '../../../protocol/messages.ts';
import { type Box, type MipInfo, mipBox, type Vec3 } from '../../../protocol/volume.ts';
import type { CutDelta, MetTile, WriteRequest } from '../../image/cut-voxels.ts';
import { inParallel } from '../../image/in-parallel.ts';
import { doVoxelWork, type VoxelWork } from '../../image/voxel-work.ts';
import { boxVolume, contains } from '../../query/box.ts';
import { selectTiles } from '../../query/query.ts';
import { tileBox, tilesIn } from '../../query/tile-grid.ts';
import type { Reading } from '../reading.ts';
import { touchedBoxes } from './voxel-history.ts';
import { mergeDeltas, type TurnDeps, VoxelTurns } from './voxel-turns.ts';
import { encodedBulk, voxelBytesOf } from './voxel-values.ts';

/** What a split or write does, and the id that it creates. */
export interface PreparedOp extends VoxelOutcome {
  /** The new id of a split, or of a write of "new". */
  readonly id?: bigint;
}

/** What voxel ops are made ready with. */
export interface VoxelDeps extends TurnDeps {
  readonly limits: Pick<Limits, 'writeVoxels' | 'writeTiles'>;
  /** The ids that ops would create if they were applied now, by op index. */
  planIds(ops: readonly Op[]): ReadonlyMap<number, bigint>;
  /** Whether an edit created this id. */
  isAssigned(id: bigint): boolean;
  /** The largest ingested id; looked for where it is not known. @throws BflyError UNSUPPORTED and others. */
  maxId(): Promise<bigint>;
  /** The voxels of a BULK; waits for them. @throws BflyError TIMEOUT, LIMIT. */
  readonly bulk?: (id: number) => Promise<Bulk>;
}

/** Voxel ops that may be applied as long as `isCurrent`. */
export interface PreparedVoxels {
  /** Ops as they are logged: seeds replaced by their mask. */
  readonly ops: readonly Op[];
  /** By op index, for `EditState.apply`. */
  readonly outcomes: ReadonlyMap<number, PreparedOp>;
  /** Deltas of the edit, at most one for each tile: the part number is the index. */
  readonly deltas: readonly { readonly tile: Vec3; readonly bytes: Uint8Array }[];
  /** Names of the tiles of mip 0 that a voxel op reads or writes, for the base check. */
  scopeTiles(op: number): readonly string[];
  /** Whether what it was computed from still holds: the tiles that it read, the ids that it was promised. */
  isCurrent(): boolean;
}

/** An EDIT's boxes together may have so many times the voxels and tiles of one. */
const BOXES_OF_EDIT = 16;
/** Boxes of so few voxels are cut at once: handing them to a worker would take longer. */
const SMALL_BOX = 32_768;
/** Tiles that are read at once for one split. */
const TILES_AT_ONCE = 4;

/**
 * Checks and computes the voxel ops among some ops; the others are passed over.
 *
 * What is read is the newest durable state, `edits.head`.
 *
 * @throws BflyError BAD_REQUEST, OUT_OF_BOUNDS, TOO_LARGE with the op's index and field in `details`; what reading tiles or waiting for a
 *   BULK throws.
 */
export async function prepareVoxels(ops: readonly Op[], deps: VoxelDeps): Promise<PreparedVoxels> {
  const { channel } = deps;
  const hasIds = channel.type === 'segmentation' && channel.dtype !== 'float32';
  // New ids begin above it, and it may have to be looked for.
  const maxId = hasIds ? await deps.maxId() : 0n;
  return new Preparation(ops, deps, hasIds, maxId).run();
}

/** One EDIT on its way. */
class Preparation {
  readonly #given: readonly Op[];
  readonly #deps: VoxelDeps;
  readonly #hasIds: boolean;
  readonly #maxId: bigint;
  readonly #level: MipInfo;
  readonly #reading: Reading;
  readonly #planned: ReadonlyMap<number, bigint>;
  readonly #ops: Op[];
  readonly #outcomes = new Map<number, PreparedOp>();
  readonly #scopes = new Map<number, readonly Vec3[]>();
  /** Tiles that were read. */
  readonly #read = new Map<string, Vec3>();
  readonly #turns: VoxelTurns;
  /** What the ops so far do to each tile, in order. */
  readonly #deltas = new Map<string, { readonly tile: Vec3; readonly parts: Uint8Array[] }>();
  #voxels = 0;
  #tiles = 0;

  constructor(ops: readonly Op[], deps: VoxelDeps, hasIds: boolean, maxId: bigint) {
    const { channel, edits } = deps;
    this.#given = ops;
    this.#ops = [...ops];
    this.#deps = deps;
    this.#hasIds = hasIds;
    this.#maxId = maxId;
    this.#level = channel.mips[0] as MipInfo;
    this.#reading = { edits, at: edits.head, merged: false, linksSeq: 0 };
    this.#planned = deps.planIds(ops);
    this.#turns = new VoxelTurns(deps, this.#reading);
  }

  async run(): Promise<PreparedVoxels> {
    for (const [index, op] of this.#given.entries())
      if (op.op === 'write') await this.#write(index, op);
      else if (op.op === 'split') await this.#split(index, op);
    const deltas = await this.#merged();
    return {
      ops: this.#ops,
      outcomes: this.#outcomes,
      deltas,
      scopeTiles: (op) => (this.#scopes.get(op) ?? []).map((tile) => `t${tile.join(',')}`),
      isCurrent: () => this.#isCurrent(),
    };
  }

  #isCurrent(): boolean {
    const { edits, planIds } = this.#deps;
    const { voxels } = edits;
    if (!this.#turns.hold()) return false;
    for (const tile of this.#read.values())
      if (voxels.versionAt(0, tile, Number.MAX_SAFE_INTEGER) > this.#reading.at) return false;
    try {
      const planned = planIds(this.#given);
      return [...this.#planned].every(([index, id]) => planned.get(index) === id);
    } catch {
      // The next attempt tells why.
      return false;
    }
  }

  // --- write

  async #write(index: number, op: WriteOp): Promise<void> {
    const tiles = this.#tilesOf(index, op.box);
    const { dtype } = this.#deps.channel;
    const created = op.value === 'new' ? this.#created(index, 'value') : undefined;
    const request: WriteRequest = {
      ...{ dtype, box: op.box, tiles, ids: this.#hasIds },
      ...(op.mask === undefined ? {} : { mask: op.mask }),
      ...(await this.#valuesOf(index, op)),
    };
    const isSmall = boxVolume(op.box) <= SMALL_BOX && op.bulk === undefined;
    const cut = await this.#work(index, 'cutWrite', request, isSmall);
    const field = op.bulk === undefined ? 'values' : 'bulk';
    for (const id of cut.ids) this.#checkId(index, field, id);
    this.#take(cut.deltas);
    const touched = this.#touched(cut.bounds);
    this.#outcomes.set(index, { voxels: cut.voxels, touched, ...(created === undefined ? {} : { id: created }) });
    this.#scopes.set(
      index,
      cut.deltas.map(({ tile }) => tile),
    );
  }

  async #valuesOf(index: number, op: WriteOp): Promise<Pick<WriteRequest, 'value' | 'values' | 'bulk'>> {
    if (op.values !== undefined) return { values: op.values };
    if (op.bulk === undefined) return { value: this.#valueOf(index, op.value) };
    const { bulk, channel } = this.#deps;
    if (bulk === undefined) throw badOp(index, 'bulk', 'cannot be sent with this request');
    return { bulk: encodedBulk(index, await bulk(op.bulk), op.box, channel.dtype) };
  }

  #valueOf(index: number, value: WriteOp['value']): Uint8Array {
    const { dtype } = this.#deps.channel;
    if (value === undefined) throw badOp(index, 'value', 'must be given, or values, or bulk');
    if (typeof value === 'number' || typeof value === 'bigint') {
      const bytes = voxelBytesOf(index, value, dtype, this.#hasIds);
      if (this.#hasIds) this.#checkId(index, 'value', BigInt(value));
      return bytes;
    }
    const id = value === 'new' ? this.#created(index, 'value') : this.#idOf(index, 'value', value);
    return voxelBytesOf(index, id, dtype, this.#hasIds);
  }

  /** Rule [E25]. */
  #checkId(index: number, field: string, id: bigint): void {
    if (id <= this.#maxId || this.#deps.isAssigned(id)) return;
    for (const [op, planned] of this.#planned) if (op < index && planned === id) return;
    const legal = `must be 0, an id up to ${this.#maxId}, an id that an edit created, or "new"; ${id} is none of them`;
    throw badOp(index, field, legal);
  }

  // --- split

  async #split(index: number, op: SplitOp): Promise<void> {
    if (!this.#hasIds) throw badOp(index, 'op', 'must not be split: only a segmentation of integers has ids');
    const { channel } = this.#deps;
    const id = this.#idOf(index, 'id', op.id);
    const to = this.#created(index, 'id');
    const tiles = this.#tilesOf(index, op.box);
    const object = await this.#objectOf(index, id, op.box, tiles);
    if (object.length === 0) throw badOp(index, 'id', `must have voxels in the box; there is none of ${id}`);
    const by = op.seeds === undefined ? { mask: op.mask ?? new Uint8Array() } : { seeds: op.seeds };
    const isSmall = op.seeds === undefined && boxVolume(op.box) <= SMALL_BOX;
    const request = {
      ...{ dtype: channel.dtype, box: op.box, object, voxel: this.#level.voxel, ...by },
      to: voxelBytesOf(index, to, channel.dtype, true),
    };
    const cut = await this.#work(index, 'cutSplit', request, isSmall);
    if (cut.voxels === 0)
      throw op.seeds === undefined
        ? badOp(index, 'mask', `must set voxels of ${id}; it sets none`)
        : badOp(index, 'seeds', `must leave voxels of ${id} nearer to group 2; there are none`);
    if (op.seeds !== undefined) this.#ops[index] = { op: 'split', id: op.id, box: op.box, mask: cut.mask };
    this.#take(cut.deltas);
    this.#outcomes.set(index, { voxels: cut.voxels, id: to, touched: this.#touched(cut.bounds) });
    this.#scopes.set(
      index,
      tiles.map(({ tile }) => tile),
    );
  }

  /** The voxels of an id in a box, by tile, in order. */
  async #objectOf(
    index: number,
    id: bigint,
    box: Box,
    tiles: readonly MetTile[],
  ): Promise<(MetTile & { mask: Uint8Array })[]> {
    const { channel } = this.#deps;
    const turned = this.#turns.before(this.#given.slice(0, index));
    const found = new Map<MetTile, Uint8Array>();
    await inParallel(TILES_AT_ONCE, tiles, async (met) => {
      this.#read.set(nameOf(met.tile), met.tile);
      const { frame, before } = await this.#turns.tileAfter(turned, met.tile);
      const deltas = [...before, ...(this.#deltas.get(nameOf(met.tile))?.parts ?? [])];
      const request = { frame, deltas, dtype: channel.dtype, id, box };
      found.set(met, await this.#work(index, 'objectVoxels', request, false));
    });
    return tiles
      .map((met) => ({ ...met, mask: found.get(met) ?? new Uint8Array() }))
      .filter(({ mask }) => mask.length > 0);
  }

  // --- both

  /** The tiles of a box. Limits: [L1]. */
  #tilesOf(index: number, box: Box): MetTile[] {
    const { writeVoxels, writeTiles } = this.#deps.limits;
    const whole = mipBox(this.#level);
    if (!contains(whole, box))
      throw badOp(index, 'box', `must lie inside the volume, ${whole.join(', ')}`, 'OUT_OF_BOUNDS');
    const voxels = boxVolume(box);
    if (voxels > writeVoxels) throw badOp(index, 'box', `must have at most ${writeVoxels} voxels`, 'TOO_LARGE');
    const { range, count } = selectTiles(this.#level, box);
    if (count > writeTiles)
      throw badOp(index, 'box', `must meet at most ${writeTiles} tiles, not ${count}`, 'TOO_LARGE');
    this.#voxels += voxels;
    this.#tiles += count;
    if (this.#voxels > BOXES_OF_EDIT * writeVoxels || this.#tiles > BOXES_OF_EDIT * writeTiles)
      throw badOp(index, 'box', `and those before it are too much for one EDIT: send several`, 'TOO_LARGE');
    return [...tilesIn(range)].map((tile) => ({ tile, box: tileBox(this.#level, tile[0], tile[1], tile[2]) }));
  }

  #touched(bounds: Box | undefined): VoxelOutcome['touched'] {
    const { channel, edits } = this.#deps;
    return bounds === undefined ? [] : touchedBoxes(bounds, channel.mips, edits.voxels.factors);
  }

  #take(deltas: readonly CutDelta[]): void {
    for (const { tile, bytes } of deltas) {
      const known = this.#deltas.get(nameOf(tile));
      if (known === undefined) this.#deltas.set(nameOf(tile), { tile, parts: [bytes] });
      else known.parts.push(bytes);
    }
  }

  /** One delta for each tile. */
  async #merged(): Promise<CutDelta[]> {
    const merged: CutDelta[] = [];
    for (const { tile, parts } of this.#deltas.values()) {
      const [first] = parts;
      if (first === undefined) continue;
      merged.push({ tile, bytes: parts.length === 1 ? first : await this.#mergedDelta(tile, parts) });
    }
    return merged;
  }

  #mergedDelta(tile: Vec3, deltas: readonly Uint8Array[]): Promise<Uint8Array> {
    return mergeDeltas(this.#deps, tile, deltas);
  }

  /** The id that an op itself creates. */
  #created(index: number, field: string): bigint {
    const id = this.#hasIds ? this.#planned.get(index) : undefined;
    if (id === undefined) throw badOp(index, field, 'cannot get a new id: only a segmentation of integers has ids');
    return id;
  }

  #idOf(index: number, field: string, ref: IdRef): bigint {
    if (typeof ref === 'bigint') return ref;
    const id = ref.new < index ? this.#planned.get(ref.new) : undefined;
    if (id === undefined) throw badOp(index, field, 'must name an op before this one that creates an id');
    return id;
  }

  /** Work off the event loop, or at once where it is little; faults name the op. */
  async #work<K extends keyof VoxelWork>(
    index: number,
    name: K,
    request: VoxelWork[K]['request'],
    atOnce: boolean,
  ): Promise<VoxelWork[K]['result']> {
    try {
      return await (atOnce ? doVoxelWork(name, request) : this.#deps.maker.work(name, request));
    } catch (error) {
      const field = error instanceof BflyError ? error.details?.['field'] : undefined;
      if (!(error instanceof BflyError) || typeof field !== 'string') throw error;
      throw new BflyError(error.code, `ops[${index}].${error.message}`, { details: { op: index, field } });
    }
  }
}

const nameOf = (tile: Vec3): string => tile.join(',');
