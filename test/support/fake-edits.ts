/** A log of voxel edits in memory: as much of an edit log as reading needs, stated in the plainest way. */
import type { Op } from '../../protocol/edit-ops.ts';
import { DEFAULT_LIMITS } from '../../protocol/limits.ts';
import type { Bulk } from '../../protocol/messages.ts';
import type { Channel } from '../../src/core/channel.ts';
import type { ChannelEdits, EditsOfChannels, RootLookup } from '../../src/core/edits/channel-edits.ts';
import { type PreparedVoxels, prepareVoxels, type VoxelDeps } from '../../src/core/edits/voxel-edits.ts';
import { footprintFactors, VoxelHistory } from '../../src/core/edits/voxel-history.ts';
import type { TileReader } from '../../src/core/tile-reader.ts';
import type { TileMaker } from '../../src/image/tile-maker.ts';

/** One edit of the fake log. */
export interface FakeEdit {
  readonly seq: number;
  /** Seq of the edit that it undoes. */
  readonly undoes?: number;
  readonly prepared?: PreparedVoxels;
  /** Pairs of id and root that hold from this seq on, all of them. */
  readonly links?: ReadonlyMap<bigint, bigint>;
}

/** Edits of one channel. */
export class FakeEdits implements ChannelEdits, EditsOfChannels {
  readonly edits: FakeEdit[] = [];
  voxels = new VoxelHistory([], []);
  maxId = 100n;
  tables: Readonly<Record<string, number>> = {};
  /** How often roots were asked for. */
  lookups = 0;
  #channel: Channel | undefined;
  #nextId = 101n;
  readonly #waiting = new Set<() => void>();

  get head(): number {
    return this.edits.length;
  }

  get nextId(): bigint {
    return this.#nextId;
  }

  async open(channel: Channel): Promise<void> {
    if (this.#channel !== undefined) return;
    this.#channel = channel;
    this.voxels = new VoxelHistory(channel.mips, footprintFactors(channel.mips, channel.factors));
  }

  async closeLog(): Promise<void> {}

  of(channel: Channel): ChannelEdits | undefined {
    return channel.path === this.#channel?.path ? this : undefined;
  }

  /** What `prepareVoxels` is to be given. */
  depsOf(channel: Channel, reader: TileReader, maker: TileMaker, more: Partial<VoxelDeps> = {}): VoxelDeps {
    return {
      ...{ channel, reader, maker, edits: this, limits: DEFAULT_LIMITS },
      planIds: (ops) => this.#planIds(ops),
      turnedBy: (undone) => this.#turnedBy(undone),
      isAssigned: (id) => id > this.maxId && id < this.#nextId,
      maxId: async () => this.maxId,
      bulk: async (): Promise<Bulk> => Promise.reject(new Error('the test sends no BULK')),
      ...more,
    };
  }

  #turnedBy(undone: readonly number[]): readonly number[] {
    const before = this.inForce(this.head);
    const kept = this.edits.length;
    for (const undoes of undone) this.edits.push({ seq: this.head + 1, undoes });
    const after = this.inForce(this.head);
    this.edits.length = kept;
    return this.edits.map(({ seq }) => seq).filter((seq) => before.has(seq) !== after.has(seq));
  }

  #planIds(ops: readonly Op[]): ReadonlyMap<number, bigint> {
    const planned = new Map<number, bigint>();
    let next = this.#nextId;
    for (const [index, op] of ops.entries())
      if (op.op === 'split' || (op.op === 'write' && op.value === 'new')) planned.set(index, next++);
    return planned;
  }

  /** Prepares and applies ops. @returns the edit's seq. */
  async apply(
    ops: readonly Op[],
    deps: VoxelDeps,
  ): Promise<{ readonly seq: number; readonly prepared: PreparedVoxels }> {
    const prepared = await prepareVoxels(ops, deps);
    return { seq: this.commit(prepared), prepared };
  }

  commit(prepared: PreparedVoxels): number {
    const seq = this.head + 1;
    for (const { id } of prepared.outcomes.values()) if (id !== undefined && id >= this.#nextId) this.#nextId = id + 1n;
    this.voxels.add(
      seq,
      prepared.deltas.map(({ tile }) => tile),
    );
    return this.#push({ seq, prepared });
  }

  undo(target: number): number {
    const seq = this.head + 1;
    const before = this.inForce(this.head);
    this.edits.push({ seq, undoes: target });
    const after = this.inForce(seq);
    this.voxels.force(
      seq,
      this.edits
        .filter((edit) => edit.seq < seq && before.has(edit.seq) !== after.has(edit.seq))
        .map((edit) => edit.seq),
    );
    return this.#wake(seq);
  }

  /** From now on ids have these roots; others are their own. */
  link(links: ReadonlyMap<bigint, bigint>): number {
    return this.#push({ seq: this.head + 1, links });
  }

  /** Rule [E21]: one backward pass. */
  inForce(at: number): ReadonlySet<number> {
    const out = new Set<number>();
    const force = new Set<number>();
    for (let seq = at; seq > 0; seq--) {
      const edit = this.edits[seq - 1];
      if (edit === undefined || out.has(seq)) continue;
      force.add(seq);
      if (edit.undoes !== undefined) out.add(edit.undoes);
    }
    return force;
  }

  delta(seq: number, part: number): Uint8Array {
    const bytes = this.edits[seq - 1]?.prepared?.deltas[part]?.bytes;
    if (bytes === undefined) throw new Error(`the fake log has no part ${part} of ${seq}`);
    return bytes;
  }

  linksSeqAt(at: number): number {
    let last = 0;
    for (const { seq, links } of this.edits) if (links !== undefined && seq <= at) last = seq;
    return last;
  }

  async rootsAt(at: number): Promise<RootLookup> {
    const links = this.edits[this.linksSeqAt(at) - 1]?.links;
    return (ids) => {
      this.lookups++;
      return ids.map((id) => links?.get(id) ?? id);
    };
  }

  whenApplied(seq: number, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        resolve(false);
      }, timeoutMs);
      const check = (): void => {
        if (this.head < seq) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve(true);
      };
      this.#waiting.add(check);
      check();
    });
  }

  #push(edit: FakeEdit): number {
    this.edits.push(edit);
    return this.#wake(edit.seq);
  }

  #wake(seq: number): number {
    for (const check of [...this.#waiting]) check();
    return seq;
  }
}
