/**
 * What the edits of a log come to: bodies, regions, rows, metadata, and which edits are in force. Rules [E20]..[E35].
 *
 * State is the fold of the edits in force, in the order of their seqs. Every change of it comes from one edit: taken in by `apply`, which
 * decides what new ids it gets, or by `replay`, with what was decided then. No I/O, no clock.
 */

import { dumpBodies, loadBodies } from './bodies-dump.ts';
import { PartReader, PartWriter } from './checkpoint-parts.ts';
import { Bodies } from './edit-bodies.ts';
import type { Changes, Region } from './edit-changes.ts';
import { Force, type Turn } from './edit-force.ts';
import { History } from './edit-history.ts';
import { NewIds, namedIds, resolve } from './edit-new-ids.ts';
import { badOp, type IdRef, type Op, type OpResult, type Row, TABLES, type TableName } from './edit-ops.ts';
import { Regions } from './edit-regions.ts';
import { Tables } from './edit-tables.ts';
import { BflyError } from './errors.ts';
import type { Applied, FoldContext, LoggedEdit, VoxelOutcome } from './fold-context.ts';
import { type FrozenLinks, freezeLinks } from './frozen-links.ts';
import { FrozenTables } from './frozen-tables.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { membersOf } from './members.ts';
import { recordedGifts } from './recorded-gifts.ts';
import { atOnce, type Sliced } from './slices.ts';
import type { Box } from './volume.ts';
import { nodesOf } from './wire-lists.ts';

export type { Applied, FoldContext, LoggedEdit, VoxelOutcome } from './fold-context.ts';
export type { FrozenLinks } from './frozen-links.ts';
export type { FrozenTables } from './frozen-tables.ts';

const LAYOUT = 1;
/** Nodes of `changes` but for `parted`, which is sent in pieces: of the 65,536 of a message as many are left for these, ops and results. */
const MAX_NODES = 32_768;
/** Of one of `touched`. */
const NODES_OF_BOX = 9;

const NO_OUTCOMES: ReadonlyMap<number, VoxelOutcome> = new Map();
const NO_CHANGES: Changes = {};
const NOTHING: Touched = [];

type Touched = readonly (readonly [mip: number, box: Box])[];

/** What decides about an edit that is being taken in. */
interface Course {
  readonly ops: readonly Op[];
  /** Ids that the ops create, by their index. */
  readonly created: readonly (bigint | undefined)[];
  /** Keys of the rows that they put, as recorded; undefined for a new edit. */
  readonly keys?: readonly (readonly bigint[] | undefined)[];
  readonly voxels: ReadonlyMap<number, VoxelOutcome>;
}

/** The state that the edits so far come to. */
export class EditState {
  readonly #limit: number;
  readonly #newIds: NewIds;
  readonly #tables: Tables;
  readonly #regions = new Regions();
  readonly #meta = new History<string, unknown>();
  #bodies = new Bodies();
  #force = new Force();
  /** What the voxel ops of an edit changed, by its seq. */
  readonly #touched = new Map<number, Touched>();
  #linksSeq = 0;
  /** Of the edit under way: edits whose force it changed an odd number of times. */
  #turned = new Set<number>();

  constructor(context: FoldContext) {
    this.#limit = context.bodyIds ?? DEFAULT_LIMITS.bodyIds;
    this.#tables = new Tables(context);
    this.#newIds = new NewIds({
      maxId: () => context.maxId(),
      maxLegalId: context.maxLegalId,
      isNode: (id) => this.#bodies.ids.find(id) >= 0,
      aliasOf: (id, region) => this.#regions.aliasOf(id, region),
    });
  }

  /** The last seq that was taken in, 0 at first. */
  get seq(): number {
    return this.#bodies.graph.seq;
  }

  /** The last seq that changed the root of any id. */
  get linksSeq(): number {
    return this.#linksSeq;
  }

  /** Ids that are not their own root. */
  get linkCount(): number {
    return this.#bodies.linkCount;
  }

  /** Metadata as it is now. */
  get meta(): ReadonlyMap<string, unknown> {
    const meta = new Map<string, unknown>();
    for (const [key, { value }] of this.#meta.currents()) if (value !== undefined) meta.set(key, value);
    return meta;
  }

  /**
   * Applies a new edit as seq + 1: all of it, or nothing.
   *
   * @param ops as `parseOps` reads them; kept, and not to be changed.
   * @param voxels what came of its `split` and `write` ops, by their index; where there is none, no voxel was set.
   * @throws BflyError BAD_REQUEST, NOT_FOUND, LIMIT or UNSUPPORTED with `{op, field}` in `details`; the state is as before then.
   */
  apply(ops: readonly Op[], voxels: ReadonlyMap<number, VoxelOutcome> = NO_OUTCOMES): Applied {
    const course: Course = { ops, voxels, created: this.#newIds.plan(ops) };
    this.#begin(course);
    const results: OpResult[] = [];
    const touched = voxels.size === 0 ? NOTHING : [...voxels.values()].flatMap((outcome) => outcome.touched);
    try {
      for (let index = 0; index < ops.length; index++) results.push(this.#do(ops[index] as Op, index, course));
      if (this.#turned.size > 0) this.#checkWeight(touched);
    } catch (error) {
      this.#abort();
      throw error;
    }
    const changes = this.#finish(ops, touched);
    return { status: isNothing(changes) ? 'noop' : 'applied', results, changes };
  }

  /**
   * Takes in the next edit of a log.
   *
   * @param edit borrowed, but for its ops. @throws BflyError INTERNAL where it is not the next one, or its results do not fit its ops.
   */
  replay({ seq, ops, results, touched }: LoggedEdit): void {
    if (seq !== this.seq + 1)
      throw new BflyError('INTERNAL', `edit ${seq} of the log cannot follow edit ${this.seq}: the log has a gap`);
    const course: Course = { ops, voxels: NO_OUTCOMES, ...recordedGifts(ops, results, seq) };
    this.#begin(course);
    try {
      for (const [index, op] of ops.entries()) this.#do(op, index, course);
    } catch (error) {
      this.#abort();
      throw error;
    }
    this.#finish(ops, touched);
  }

  /**
   * The ids that these ops would be given if they were applied now, by their index: of `split`, of `write` with "new", and of a region that
   * was never declared before.
   *
   * @throws BflyError LIMIT, UNSUPPORTED
   */
  planIds(ops: readonly Op[]): readonly (bigint | undefined)[] {
    const created = this.#newIds.plan(ops);
    return ops.map((op, index) => {
      const isKnown =
        op.op === 'region' &&
        (op.region === 0 || this.#regions.aliasOf(resolve(op.id, created), op.region) !== undefined);
      return isKnown ? undefined : created[index];
    });
  }

  #begin({ ops, created }: Course): void {
    const named: bigint[] = [];
    for (const op of ops)
      if (op.op === 'merge' || op.op === 'cleave') for (const id of op.ids) named.push(resolve(id, created));
    this.#bodies.begin(named);
    this.#newIds.begin();
    this.#regions.begin();
    this.#tables.begin(ops);
    if (this.#turned.size > 0) this.#turned = new Set();
    created.forEach((id, index) => {
      const op = ops[index];
      if (id === undefined || op === undefined || (op.op === 'region' && op.region === 0)) return;
      this.#newIds.assign(id, op.op !== 'region');
    });
    for (const op of ops)
      if (op.op !== 'merge' && op.op !== 'cleave') for (const id of namedIds(op)) this.#newIds.name(id);
  }

  #do(op: Op, index: number, course: Course): OpResult {
    const { seq } = this;
    const isNew = course.keys === undefined;
    switch (op.op) {
      case 'merge':
      case 'cleave':
        return this.#join(op.op, index, op.ids, course);
      case 'split':
        this.#refuseAlias(op.id, index, course);
        return { id: course.created[index], voxels: course.voxels.get(index)?.voxels ?? 0 };
      case 'write': {
        const { voxels } = course.voxels.get(index) ?? { voxels: 0 };
        return op.value === 'new' ? { voxels, id: course.created[index] } : { voxels };
      }
      case 'region': {
        this.#refuseAlias(op.id, index, course);
        const id = resolve(op.id, course.created);
        const alias = course.created[index] ?? id;
        this.#regions.set(seq, { id, region: op.region, alias }, op.box);
        return { alias };
      }
      case 'put':
        return { keys: this.#tables.put(seq, index, op, course.keys?.[index]) };
      case 'delete':
        this.#tables.delete(seq, op);
        return null;
      case 'undo':
        this.#undo(op.seq, index, isNew);
        return null;
      case 'meta':
        this.#setMeta(op.key, op.value);
        return null;
    }
  }

  #join(kind: 'merge' | 'cleave', index: number, refs: readonly IdRef[], course: Course): OpResult {
    const bodies = this.#bodies;
    const numbers = refs.map((ref) => bodies.ids.find(resolve(ref, course.created)));
    const [first] = numbers;
    if (first === undefined) return null;
    const isNew = course.keys === undefined;
    // Before it is done: it may take long to part it again.
    if (isNew && bodies.isAbove(this.#limit, kind, numbers))
      throw badOp(index, 'ids', `would make a body of more than ${this.#limit} ids`, 'LIMIT');
    bodies[kind](numbers);
    if (!isNew) return null;
    return { root: bodies.ids.id(bodies.rootOf(first)) };
  }

  #refuseAlias(ref: IdRef, index: number, { created }: Course): void {
    if (this.#regions.isAlias(resolve(ref, created)))
      throw badOp(index, 'id', 'must be an id of voxels; this one is the alias of a region');
  }

  #undo(target: number, index: number, isNew: boolean): void {
    const { seq } = this;
    if (target < 1 || target >= seq)
      throw badOp(index, 'seq', `must name an edit before this one, 1 to ${seq - 1}`, 'NOT_FOUND');
    const turn = this.#force.undo(seq, target);
    this.#bodies.turn(turn.out, turn.into);
    this.#turn(turn);
    if (isNew && turn.out.length + turn.into.length > 0 && this.#bodies.largestTouched() > this.#limit)
      throw badOp(index, 'seq', `would make a body of more than ${this.#limit} ids`, 'LIMIT');
  }

  /** Carries a change of force to all but the bodies. */
  #turn({ out, into }: Turn): void {
    const isInForce = (seq: number): boolean => this.#force.isInForce(seq);
    for (const seqs of [out, into]) {
      this.#tables.turned(seqs, isInForce);
      this.#regions.turned(seqs, isInForce);
      this.#meta.turned(seqs, isInForce);
      for (const seq of seqs) if (!this.#turned.delete(seq)) this.#turned.add(seq);
    }
  }

  #setMeta(key: string, value: unknown): void {
    this.#meta.set(this.seq, key, value ?? undefined);
  }

  /** What an edit names is bounded by its message; what its undos bring back is bounded here, so that others can be told of it. */
  #checkWeight(touched: Touched): void {
    const boxes = [...this.#turned].reduce((sum, seq) => sum + (this.#touched.get(seq)?.length ?? 0), touched.length);
    let nodes = this.#turned.size + boxes * NODES_OF_BOX + this.#tables.weigh() + this.#regions.weigh();
    for (const [, , now] of this.#meta.changed()) nodes += 1 + nodesOf(now?.value);
    if (nodes > MAX_NODES)
      throw new BflyError('LIMIT', 'the undos of one edit must bring back less at once: send them as several edits');
  }

  #finish(ops: readonly Op[], own: Touched): Changes {
    const { seq } = this;
    const roots = this.#bodies.finish();
    if (roots.joined !== undefined || roots.parted !== undefined) this.#linksSeq = seq;
    // Most edits change bodies and nothing else.
    if (own.length === 0 && !this.#isMoreTouched) return roots;
    const { touched, ...turns } = this.#turned.size === 0 ? { touched: unique(own) } : this.#finishTurns(own);
    // All of it, also what its undos touched: a log keeps no more than that, and its replay is to come to the same.
    if (touched.length > 0 && ops.some(({ op }) => op === 'split' || op === 'write')) this.#touched.set(seq, touched);
    // Part by part: a spread of nothing costs as much as one of something.
    let changes: Changes = roots;
    const add = (part: Changes): void => {
      if (part !== NO_CHANGES) changes = { ...changes, ...part };
    };
    if (touched.length > 0) add({ touched });
    add(this.#tables.isTouched ? this.#tables.finish() : NO_CHANGES);
    add(this.#regions.isTouched ? this.#regions.finish() : NO_CHANGES);
    add(this.#meta.isTouched ? this.#finishMeta() : NO_CHANGES);
    add(this.#turned.size === 0 ? NO_CHANGES : turns);
    return changes;
  }

  /** Whether the edit under way has to do with more than bodies and voxels of its own. */
  get #isMoreTouched(): boolean {
    return this.#turned.size > 0 || this.#tables.isTouched || this.#regions.isTouched || this.#meta.isTouched;
  }

  /** What the undos of the edit did: edits whose force changed, and the boxes of their voxels besides its own. */
  #finishTurns(own: Touched): { readonly touched: Touched } & Pick<Changes, 'undone' | 'redone'> {
    const undone: number[] = [];
    const redone: number[] = [];
    const boxes = [own];
    for (const edit of Uint32Array.from(this.#turned).sort()) {
      (this.isInForce(edit) ? redone : undone).push(edit);
      const more = this.#touched.get(edit);
      if (more !== undefined) boxes.push(more);
    }
    return {
      touched: unique(boxes.flat()),
      ...(undone.length === 0 ? {} : { undone }),
      ...(redone.length === 0 ? {} : { redone }),
    };
  }

  #finishMeta(): Pick<Changes, 'meta'> {
    const meta: [string, unknown][] = [];
    for (const [key, before, now] of this.#meta.changed())
      if (before?.value !== undefined || now?.value !== undefined) meta.push([key, now?.value ?? null]);
    this.#meta.finish();
    return meta.length === 0 ? {} : { meta: Object.fromEntries(meta) };
  }

  /** Takes the edit under way back, as if it had never been. */
  #abort(): void {
    const { seq } = this;
    const turn = this.#force.takeBack(seq);
    this.#turn(turn);
    this.#bodies.abort([seq, ...turn.out], turn.into);
    this.#tables.abort(seq);
    this.#regions.abort(seq);
    this.#meta.abort(seq);
    this.#newIds.abort();
  }

  /** The id that a body is called by. */
  rootOf(id: bigint): bigint {
    const number = this.#bodies.ids.find(id);
    return number < 0 ? id : this.#bodies.ids.id(this.#bodies.lookUp(number));
  }

  /** Ids of a body, ascending; `[id]` where it is alone. Owned. */
  membersOf(id: bigint): BigUint64Array {
    return membersOf(this.#bodies.ids, this.#bodies.sets, id);
  }

  /** Number of ids of a body. */
  bodySize(id: bigint): number {
    const number = this.#bodies.ids.find(id);
    return number < 0 ? 1 : this.#bodies.sizeOf(number);
  }

  /** Whether voxels may have this id as their value: it was ingested (≤ maxId), or an edit was given it. Rule [E25]. */
  isAssigned(id: bigint): boolean {
    return this.#newIds.isAssigned(id);
  }

  /** A region that an edit in force declares. */
  region(id: bigint, region: number): Region | undefined {
    return this.#regions.get(id, region);
  }

  /** The region that has an alias, if an edit in force declares it. */
  regionOfAlias(alias: bigint): Region | undefined {
    return this.#regions.ofAlias(alias);
  }

  /** Regions in force, in the order of their first declaration. */
  regions(): Iterable<Region> {
    return this.#regions.all();
  }

  /** A row as it is now: edited, or from before any edit. */
  row(table: TableName, key: bigint): Row | undefined {
    return this.#tables.row(table, key);
  }

  /** Keys of which an edit in force decides, and their rows now; undefined: a row from before any edit is gone. */
  editedRows(table: TableName): Iterable<readonly [key: bigint, row: Row | undefined]> {
    return this.#tables.edited(table);
  }

  /** Whether an edit is in force now; false for a seq that is not known. */
  isInForce(seq: number): boolean {
    return seq >= 1 && seq <= this.seq && this.#force.isInForce(seq);
  }

  /** The edits whose force undos of these seqs in the next edit would change, ascending; seqs that are not known are passed over. */
  turnedBy(undone: readonly number[]): readonly number[] {
    return this.#force.turnedBy(
      this.seq + 1,
      undone.filter((seq) => seq >= 1 && seq <= this.seq),
    );
  }

  /** Seqs that are not in force as of a seq; default: now. */
  outOfForce(at: number = this.seq): ReadonlySet<number> {
    return this.#force.outOfForce(at);
  }

  /** For each edit that changed the force of others, ascending: which ones. */
  forceChanges(): Iterable<readonly [seq: number, edits: readonly number[]]> {
    return this.#force.history();
  }

  /** The links as they are now, for pages over many turns while edits go on. Costs copies of three typed arrays. */
  freezeLinks(): FrozenLinks {
    return freezeLinks(this.#bodies, this.seq);
  }

  /** Rows whose keys edits ever made something of. */
  get editedRowCount(): number {
    return TABLES.reduce((sum, table) => sum + this.#tables.editedCount(table), 0);
  }

  /** Regions, rows and metadata as they are now, for reading over many turns while edits go on. Copies nothing. */
  freezeTables(): FrozenTables {
    const { seq } = this;
    return new FrozenTables(seq, this.#regions, this.#tables, this.#meta, () => this.outOfForce(seq));
  }

  /** All that is needed to go on from here, in parts of at most 4 MiB; owned. The same edits give the same bytes. */
  checkpoint(): Uint8Array[] {
    return atOnce(this.writeCheckpoint());
  }

  /**
   * As `checkpoint`, of the state as it is at the call, whatever edits come while it is written. What they change of bodies is copied by the
   * call; the rest is kept by seq.
   */
  writeCheckpoint(): Sliced<Uint8Array[]> {
    const { seq } = this;
    const writer = new PartWriter();
    const { last, assigned, named } = this.#newIds.dump();
    writer.value({ layout: LAYOUT, linksSeq: this.#linksSeq, last });
    const given = [BigUint64Array.from(assigned), BigUint64Array.from(named), this.#force.dump()];
    const bodies = dumpBodies(this.#bodies, writer);
    const upTo = function* <T>(entries: Iterable<readonly [number, T]>): Generator<readonly [number, T]> {
      for (const entry of entries) if (entry[0] <= seq) yield entry;
    };
    const [touched, regions, tables, meta] = [upTo(this.#touched), this.#regions, this.#tables, this.#meta];
    return write();

    function* write(): Sliced<Uint8Array[]> {
      for (const words of given) yield* writer.words(words);
      yield* bodies;
      yield* writer.values(touched);
      yield* writer.values(regions.dump(seq));
      yield* writer.values(tables.dump(seq));
      const dumped = [...meta.dump(seq)];
      yield* writer.values(dumped.map(([key, entries]) => [key, entries.map((one) => [one.seq, one.value ?? null])]));
      return writer.finish();
    }
  }

  /**
   * The state of a checkpoint.
   *
   * @param parts borrowed until the call returns. @throws BflyError INTERNAL where they are damaged, or of another version.
   */
  static fromCheckpoint(context: FoldContext, parts: readonly Uint8Array[]): EditState {
    return atOnce(EditState.readCheckpoint(context, parts));
  }

  /** As `fromCheckpoint`; `parts` are borrowed until it is done. */
  static *readCheckpoint(context: FoldContext, parts: readonly Uint8Array[]): Sliced<EditState> {
    const reader = new PartReader(parts);
    const header = reader.value() as { layout: number; linksSeq: number; last: number | bigint | null }; // only `checkpoint` makes it
    if (header.layout !== LAYOUT) throw new BflyError('INTERNAL', 'a snapshot of edits is of another version');
    const state = new EditState(context);
    state.#linksSeq = header.linksSeq;
    const last = header.last === null ? undefined : BigInt(header.last);
    state.#newIds.load(last, yield* reader.uint64(), yield* reader.uint64());
    state.#force = Force.load(yield* reader.uint32());
    const isInForce = (seq: number): boolean => state.#force.isInForce(seq);
    state.#bodies = yield* loadBodies(reader, state.#force.outOfForce(Number.POSITIVE_INFINITY));
    // What follows was made by `checkpoint`, value by value.
    yield* reader.values(([seq, touched]) => state.#touched.set(seq as number, touched as Touched));
    yield* reader.values((region) => state.#regions.load(region, isInForce));
    yield* reader.values((row) => state.#tables.load(row, isInForce));
    yield* reader.values(([key, entries]) => {
      const known = (entries as [number, unknown][]).map(([seq, value]) => ({ seq, value: value ?? undefined }));
      state.#meta.load(key as string, known, isInForce);
    });
    return state;
  }
}

/** The boxes without those that occur before. */
function unique(touched: Touched): Touched {
  if (touched.length < 2) return touched;
  const seen = new Map<string, Touched[number]>();
  for (const one of touched) {
    const key = String(one);
    if (!seen.has(key)) seen.set(key, one);
  }
  return [...seen.values()];
}

function isNothing(changes: Changes): boolean {
  for (const _part in changes) return false;
  return true;
}
