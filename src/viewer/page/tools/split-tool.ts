/** Splitting base segments: by seeds of what stays and what leaves, or by painting what leaves. */
import { boxShape, mipBox, volumeOf } from '../../../../protocol/volume.ts';
import type { Box, EditOp, EditResult, LiveChannel, Seed, Vec3 } from '../../../client/index.ts';
import type { Place, StagePanel, StageVolume } from '../stage.ts';
import { type BoxLimits, cutSet } from './cut-set.ts';
import { radiusOf, selectToo, type ToolParts } from './paint-tool.ts';
import type { Drag } from './panel-pointer.ts';
import { reasonOf } from './say-refusal.ts';
import { boundsOfId, joinBoxes, meetBoxes, neighbourhood, onlyOf, seedsOf, splitBox } from './split.ts';
import { boxLimits, gridOf, Stroke } from './stroke.ts';
import { SEED_COLORS } from './tool-state.ts';
import { VoxelSet } from './voxel-set.ts';

/** Half the width of a stroke of seeds, CSS pixels. */
const SEED_PX = 2;
/** Voxels that are read at once. */
const READ_VOXELS = 2 ** 20;
/** Voxels of a coarser level that are looked at for where a segment is. */
const LOOK_VOXELS = 2 ** 21;

/** Seeds of one layer. */
interface Seeds {
  readonly volume: StageVolume;
  readonly channel: LiveChannel;
  /** By group. */
  readonly sets: Readonly<Record<1 | 2, VoxelSet>>;
  /** The voxel that the first stroke of each group began in. */
  readonly first: { 1?: Vec3; 2?: Vec3 };
  readonly removes: (() => void)[];
}

/** A split as it is sent. */
interface Split {
  readonly op: EditOp & { readonly op: 'split' };
  /** The seq at which it was prepared. */
  readonly base: number;
}

/** Splits. */
export class SplitTool {
  readonly #parts: ToolParts;
  #seeds: Seeds | undefined;
  #isBusy = false;

  constructor(parts: ToolParts) {
    this.#parts = parts;
  }

  get hasSeeds(): boolean {
    return this.#seeds !== undefined;
  }

  /** A stroke of seeds. */
  beginSeeds(volume: StageVolume, channel: LiveChannel, panel: StagePanel): Drag | undefined {
    if (this.#isBusy) return undefined;
    const { ink, state } = this.#parts;
    if (this.#seeds?.channel !== channel) this.clear();
    const seeds = this.#seeds ?? {
      volume,
      channel,
      sets: { 1: new VoxelSet(), 2: new VoxelSet() },
      first: {},
      removes: [],
    };
    this.#seeds = seeds;
    const group = state.group.value;
    const grid = gridOf(volume.info);
    const radius = Math.max(SEED_PX * panel.nmPerPixel, Math.min(...grid.voxel) / 2);
    const stroke = new Stroke(grid, { shape: 'disc', radius }, panel.axes);
    const remove = ink.add({ grid, set: stroke.set, color: SEED_COLORS[group], opacity: 0.9 });
    seeds.removes.push(remove);
    return {
      to: (place: Place) => {
        if (stroke.to(place)) ink.change();
      },
      cancel: () => {
        remove();
        this.#told();
      },
      end: () => {
        stroke.set.forEachRun((x0, x1, y, z) => seeds.sets[group].add(x0, x1, y, z));
        if (stroke.first !== undefined) seeds.first[group] ??= stroke.first;
        // Whoever has said what stays says next what leaves.
        if (group === 1 && seeds.sets[2].count === 0) state.group.value = 2;
        this.#told();
      },
    };
  }

  /** Forgets the seeds. @returns whether there were any. */
  clear(): boolean {
    const seeds = this.#seeds;
    this.#seeds = undefined;
    for (const remove of seeds?.removes ?? []) remove();
    this.#parts.state.group.value = 1;
    this.#told();
    return seeds !== undefined;
  }

  #told(): void {
    const { state } = this.#parts;
    const sets = this.#seeds?.sets;
    state.canSplit.value = sets !== undefined && sets[1].count > 0 && sets[2].count > 0 && !this.#isBusy;
  }

  /** Splits by the seeds that were drawn. */
  async split(): Promise<void> {
    const seeds = this.#seeds;
    if (seeds === undefined || !this.#parts.state.canSplit.value) return;
    const { view } = this.#parts;
    this.#isBusy = true;
    this.#told();
    try {
      await this.#send(seeds.volume, seeds.channel, this.#opOf(seeds), () => {
        for (const remove of seeds.removes) remove();
      });
      if (this.#seeds !== seeds) return;
      this.#seeds = undefined;
      this.#parts.state.group.value = 1;
    } catch (error) {
      // The seeds stay: they may be mended.
      view.stage.say(`The split was not made: ${reasonOf(error)}`, 'error');
    } finally {
      this.#isBusy = false;
      this.#told();
    }
  }

  async #opOf({ volume, channel, sets, first }: Seeds): Promise<Split> {
    const base = channel.subscription.seq;
    const start = first[1] ?? first[2];
    const id = start === undefined ? 0n : await this.#idAt(channel, start);
    if (id === 0n) throw new Error('the first green stroke begins where no segment is');
    const [stay, leave] = [await this.#onlyOf(channel, sets[1], id), await this.#onlyOf(channel, sets[2], id)];
    if (stay.count === 0) throw new Error('no green seed lies in the segment');
    if (leave.count === 0) throw new Error(`no red seed lies in segment ${id}, where green begins`);
    const seeds: Seed[] = [...seedsOf(stay, 1), ...seedsOf(leave, 2)];
    const box = await this.#boxOf(volume, channel, id, joinBoxes(stay.bounds, leave.bounds));
    return { op: { op: 'split', id, box, seeds }, base };
  }

  /** Where the segment is, as far as one split may look. */
  async #boxOf({ info }: StageVolume, { path }: LiveChannel, id: bigint, seeds: Box | undefined): Promise<Box> {
    const { session } = this.#parts.view;
    const { voxel, bounds } = gridOf(info);
    const reach =
      seeds === undefined ? undefined : neighbourhood(seeds, voxel, bounds, boxLimits(info, session.limits));
    if (seeds === undefined || reach === undefined)
      throw new Error('the seeds are too far apart for one split: draw them closer together');
    const coarse = info.mips.map((level) => {
      const scale: Vec3 = [level.voxel[0] / voxel[0], level.voxel[1] / voxel[1], level.voxel[2] / voxel[2]];
      return { scale, box: meetBoxes(coarser(reach, scale), mipBox(level)) };
    });
    const mip = coarse.findIndex(({ box }) => box !== undefined && volumeOf(boxShape(box)) <= LOOK_VOXELS);
    const found = coarse[mip];
    if (found?.box === undefined) return splitBox(seeds, reach, reach);
    const { data } = await session.cutout(path, { mip, box: found.box });
    return splitBox(seeds, boundsOfId(data, found.box, id, found.scale), reach);
  }

  /** A stroke over what leaves. */
  beginCut(volume: StageVolume, channel: LiveChannel, panel: StagePanel): Drag {
    const { ink, state } = this.#parts;
    const grid = gridOf(volume.info);
    const stroke = new Stroke(grid, { shape: state.shape.value, radius: radiusOf(state, volume) }, panel.axes);
    const remove = ink.add({ grid, set: stroke.set, color: SEED_COLORS[2], opacity: 0.35 });
    return {
      to: (place: Place) => {
        if (stroke.to(place)) ink.change();
      },
      cancel: remove,
      end: () => void this.#cut(volume, channel, stroke, remove),
    };
  }

  async #cut(volume: StageVolume, channel: LiveChannel, stroke: Stroke, remove: () => void): Promise<void> {
    const { view, ink } = this.#parts;
    const removes = [remove];
    const opOf = async (): Promise<Split> => {
      const base = channel.subscription.seq;
      const id = stroke.first === undefined ? 0n : await this.#idAt(channel, stroke.first);
      if (id === 0n) throw new Error('the stroke begins where no segment is');
      const only = await this.#onlyOf(channel, stroke.set, id);
      const [part, ...more] = cutSet(only, boxLimits(volume.info, view.session.limits));
      if (part === undefined) throw new Error('the stroke meets no voxel of the segment');
      if (more.length > 0) throw new Error('the stroke is too long for one split: make it in several shorter ones');
      const removeOnly = ink.add({ grid: gridOf(volume.info), set: only, color: SEED_COLORS[2], opacity: 0.6 });
      removes.push(removeOnly);
      remove();
      return { op: { op: 'split', id, box: part.box, mask: part.set.mask(part.box) }, base };
    };
    try {
      await this.#send(volume, channel, opOf(), () => {
        for (const take of removes) take();
      });
    } catch (error) {
      for (const take of removes) take();
      view.stage.say(`The split was not made: ${reasonOf(error)}`, 'error');
    }
  }

  async #send(volume: StageVolume, channel: LiveChannel, split: Promise<Split>, remove: () => void): Promise<void> {
    const { view, own, saving } = this.#parts;
    const make = async (): Promise<{ result: Promise<EditResult> }> => {
      const { op, base } = await split;
      return { result: channel.edit([op], { base }) };
    };
    const { result } = await own.prepare(make());
    const [outcome] = (await result).results;
    void saving.until(channel, result, remove);
    if (outcome?.id === undefined) return;
    selectToo(view, volume, outcome.id);
    const voxels = (outcome.voxels ?? 0).toLocaleString('en');
    view.stage.say(`${voxels} voxels are a segment of their own now, ${outcome.id}.`);
  }

  async #idAt({ path }: LiveChannel, [x, y, z]: Vec3): Promise<bigint> {
    const { data } = await this.#parts.view.session.cutout(path, { box: [x, y, z, x + 1, y + 1, z + 1] });
    return BigInt(data[0] ?? 0);
  }

  /** The voxels of a set that have an id now. */
  async #onlyOf({ path }: LiveChannel, set: VoxelSet, id: bigint): Promise<VoxelSet> {
    const only = new VoxelSet();
    const limits: BoxLimits = { voxels: READ_VOXELS, tiles: Infinity, chunk: [64, 64, 64], offset: [0, 0, 0] };
    for (const { box, set: part } of cutSet(set, limits)) {
      const { data } = await this.#parts.view.session.cutout(path, { box });
      onlyOf(part, id, box, data).forEachRun((x0, x1, y, z) => only.add(x0, x1, y, z));
    }
    return only;
  }
}

/** A box of mip 0 in voxels of a coarser level. */
function coarser(box: Box, scale: Vec3): Box {
  const low = (axis: 0 | 1 | 2): number => Math.floor(box[axis] / scale[axis]);
  const high = (axis: 0 | 1 | 2): number => Math.ceil((box[axis + 3] ?? 0) / scale[axis]);
  return [low(0), low(1), low(2), high(0), high(1), high(2)];
}
