/** What is annotated in one view: its rows, what of them is selected, and the edits of what is there. New ones: `placer.ts`. */
import { signal } from '@preact/signals';
import { loadIdentity } from '../identity.ts';
import type { Place, Stage } from '../stage.ts';
import { reasonOf } from '../tools/say-refusal.ts';
import type { VolumeView } from '../volume/volume-view.ts';
import { Authors } from './authors.ts';
import { ChannelRows } from './channel-rows.ts';
import { Placer, type Writing } from './placer.ts';
import { bareName, isSameName, middleOf, movedRow, type Shape, type ShapeName } from './shape.ts';
import { Targets } from './targets.ts';

/** Points of a shape that is being dragged, nm. */
export interface Drag {
  readonly name: ShapeName;
  readonly points: readonly Place[];
}

/** The annotations of one view. */
export class Annotations {
  readonly stage: Stage;
  /** Channels that are followed. */
  readonly rows = signal<readonly ChannelRows[]>([]);
  /** Grows with every change of rows or colours. */
  readonly version = signal(0);
  readonly selected = signal<ShapeName | undefined>(undefined);
  readonly writing = signal<Writing | undefined>(undefined);
  readonly drag = signal<Drag | undefined>(undefined);
  readonly targets = new Targets();
  readonly placer: Placer;
  readonly #view: VolumeView;
  #authors: Authors;

  constructor(view: VolumeView) {
    this.#view = view;
    this.stage = view.stage;
    this.#authors = this.#makeAuthors();
    const { stage, session, tool } = view;
    const { targets, writing } = this;
    const made = (name: ShapeName): void => {
      this.selected.value = name;
    };
    this.placer = new Placer({ stage, session, targets, tool, writing, made });
  }

  /** Whether clicks are nobody's else: no tool of proofreading is taken. */
  get isPointing(): boolean {
    return this.#view.tool.value === '';
  }

  get authors(): Authors {
    return this.#authors;
  }

  rowsOf(path: string): ChannelRows | undefined {
    return this.rows.value.find((rows) => rows.path === path);
  }

  shapeOf(name: ShapeName): Shape | undefined {
    return this.rowsOf(name.path)?.store.get(name.table, name.key);
  }

  /** Looks at the layers anew. */
  lookAtLayers(): void {
    this.targets.volumes.value = this.stage.volumes;
    const wanted = this.targets.all.value.filter(({ channel }) => channel !== undefined);
    const kept = this.rows.value.filter(({ path }) => wanted.some((target) => target.path === path));
    for (const rows of this.rows.value) if (!kept.includes(rows)) rows.close();
    const added = wanted.flatMap(({ path, info, channel }) => {
      if (channel === undefined || kept.some((rows) => rows.path === path)) return [];
      const changed = (): void => void this.version.value++;
      const peersChanged = (): void => this.#lookAtPeople();
      const { session, past } = this.#view;
      return [new ChannelRows({ session, path, info, channel, past, changed, peersChanged })];
    });
    if (added.length > 0 || kept.length < this.rows.value.length) this.rows.value = [...kept, ...added];
    this.version.value++;
  }

  #lookAtPeople(): void {
    const before = this.#authors;
    this.#authors = this.#makeAuthors();
    if (!this.#authors.isSame(before)) this.version.value++;
  }

  #makeAuthors(): Authors {
    const { id, name } = this.#view.session.user;
    const own = loadIdentity();
    const peers = this.rows.value.flatMap(({ channel }) => [...channel.subscription.peers.values()]);
    const nameOf = (author: string): string | undefined =>
      this.rows.value.map((rows) => rows.nameOf(author)).find((known) => known !== undefined);
    return new Authors({ id, name: own.name || name, color: own.color }, peers, nameOf);
  }

  /** Another moment is shown: what is under way ends, but for a text, which is saved when one is back. */
  lookAtPast(): void {
    const { at } = this.#view.past;
    this.targets.past.value = at;
    if (at === undefined) return;
    this.drag.value = undefined;
    if (this.writing.value === undefined) this.placer.letGo();
  }

  /** One step back: the text, then the clicks, then the kind, then what is selected. @returns whether there was one. */
  back(): boolean {
    const { placer } = this;
    if (this.drag.value !== undefined) this.drag.value = undefined;
    else if (this.writing.value !== undefined) this.#stopWriting();
    else if (placer.forgetClicks()) return true;
    else if (placer.draft.value !== undefined) placer.letGo();
    else if (this.selected.value !== undefined) this.selected.value = undefined;
    else return false;
    return true;
  }

  #stopWriting(): void {
    this.writing.value = undefined;
    this.placer.forgetClicks();
  }

  /** Saves what was written. @returns whether it was taken: in the past the text stays, to be saved later. */
  write(text: string): boolean {
    const writing = this.writing.value;
    if (writing === undefined) return true;
    const { of } = writing;
    const reason = 'kind' in of ? this.targets.whyNot(of.kind) : this.targets.whyNotChange(of.path);
    if (reason !== undefined) {
      this.stage.say(reason, 'error');
      return false;
    }
    this.#stopWriting();
    if ('kind' in of) void this.placer.save(of, text.trim());
    else this.setText(of, text.trim());
    return true;
  }

  /** Goes to a shape and selects it. */
  goTo(name: ShapeName): void {
    const shape = this.shapeOf(name);
    if (shape === undefined) return;
    this.selected.value = bareName(name);
    this.stage.goTo(
      shape.kind === 'synapse' || shape.kind === 'point' ? (shape.points[0] ?? middleOf(shape)) : middleOf(shape),
    );
  }

  /** Writes the text of a shape beside it. */
  edit(name: ShapeName): void {
    const shape = this.shapeOf(name);
    if (shape === undefined || !this.#mayChange(name)) return;
    this.goTo(name);
    const text = shape.row['text'];
    this.writing.value = { place: middleOf(shape), text: typeof text === 'string' ? text : '', of: bareName(name) };
  }

  setText(name: ShapeName, text: string): void {
    const shape = this.shapeOf(name);
    if (shape === undefined || shape.row['text'] === text) return;
    const { text: _text, ...rest } = shape.row;
    this.#put(name, { ...rest, ...(text === '' ? {} : { text }) }, 'text');
  }

  /** Saves the points that a shape was dragged to. @param base the seq at which the dragging began. */
  move(name: ShapeName, points: readonly Place[], base?: number): void {
    const shape = this.shapeOf(name);
    const rows = this.rowsOf(name.path);
    if (shape === undefined || rows === undefined) return this.stage.say('It was deleted meanwhile.', 'error');
    this.#put(name, movedRow(shape, points, rows.info), 'move', base);
  }

  #put(name: ShapeName, row: ReturnType<typeof movedRow>, what: string, base = this.baseOf(name.path)): void {
    if (!this.#mayChange(name)) return;
    // Whoever made it stays its author, and it was made when it was: as an integer, whatever its size.
    const { time, ...own } = row;
    const kept = typeof time === 'number' ? { ...own, time: BigInt(time) } : row;
    const rows = this.rowsOf(name.path);
    rows?.channel
      .edit([{ op: 'put', table: name.table, rows: [{ ...kept, key: name.key }] }], base === undefined ? {} : { base })
      .catch((error: unknown) => this.stage.say(`The ${what} was taken back: ${reasonOf(error)}`, 'error'));
  }

  remove(name: ShapeName): void {
    const rows = this.rowsOf(name.path);
    const shape = this.shapeOf(name);
    if (rows === undefined || shape === undefined || !this.#mayChange(name)) return;
    const base = this.baseOf(name.path);
    if (isSameName(this.selected.value, name)) this.selected.value = undefined;
    rows.channel
      .edit([{ op: 'delete', table: name.table, keys: [name.key] }], base === undefined ? {} : { base })
      .catch((error: unknown) => this.stage.say(`The ${shape.kind} is back: ${reasonOf(error)}`, 'error'));
    this.stage.say(`The ${shape.kind} is deleted. Ctrl+Z brings it back.`);
  }

  /** What an edit of a row builds on: all that is seen. Undefined while own edits are under way, which it would not know of. */
  baseOf(path: string): number | undefined {
    const channel = this.rowsOf(path)?.channel;
    return channel === undefined || channel.pending > 0 ? undefined : channel.subscription.seq;
  }

  /** Says why not, where not. */
  #mayChange({ path, key }: ShapeName): boolean {
    const reason = key < 0n ? 'It is still being saved: wait a moment.' : this.targets.whyNotChange(path);
    if (reason !== undefined) this.stage.say(reason, 'error');
    return reason === undefined;
  }

  close(): void {
    for (const rows of this.rows.value) rows.close();
    this.rows.value = [];
  }
}
