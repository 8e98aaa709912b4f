/** What is annotated in one view: its rows, what is selected, what is being placed, and the edits of it. */
import { batch, computed, type ReadonlySignal, signal } from '@preact/signals';
import type { ChannelInfo, LiveChannel } from '../../../client/index.ts';
import { loadIdentity } from '../identity.ts';
import type { Place, Stage, StageVolume } from '../stage.ts';
import { reasonOf } from '../tools/say-refusal.ts';
import type { VolumeView } from '../volume/volume-view.ts';
import { Authors } from './authors.ts';
import { ChannelRows } from './channel-rows.ts';
import { whyNotAnnotate } from './may-annotate.ts';
import { isInVolume, type PlacedKind, placedPoints } from './placing.ts';
import { middleOf, movedRow, rowOf, type Shape, type ShownTable } from './shape.ts';

/** What the others are told that one does while something is placed. */
export const ANNOTATES = 'annotate';

/** Names a shape of the view. */
export interface ShapeName {
  readonly path: string;
  readonly table: ShownTable;
  readonly key: bigint;
}

/** What is being placed. */
export interface Draft {
  readonly kind: PlacedKind;
  readonly clicks: readonly Place[];
  /** Base ids under the clicks, of a synapse. */
  readonly ids: readonly Promise<bigint>[];
}

/** A text that is being written: of what was placed, or of a shape. */
export interface Writing {
  readonly place: Place;
  readonly text: string;
  readonly of: Draft | ShapeName;
}

/** Points of a shape that is being dragged, nm. */
export interface Drag {
  readonly name: ShapeName;
  readonly points: readonly Place[];
}

/** A channel that may be annotated. */
export interface Target {
  readonly path: string;
  readonly name: string;
  readonly info: ChannelInfo;
  readonly channel: LiveChannel | undefined;
}

/** The annotations of one view. */
export class Annotations {
  readonly stage: Stage;
  /** Channels that are followed. */
  readonly rows = signal<readonly ChannelRows[]>([]);
  /** Grows with every change of rows or colours. */
  readonly version = signal(0);
  readonly selected = signal<ShapeName | undefined>(undefined);
  readonly placing = signal<Draft | undefined>(undefined);
  readonly writing = signal<Writing | undefined>(undefined);
  readonly drag = signal<Drag | undefined>(undefined);
  /** The edit of the past that is shown. */
  readonly past = signal<number | undefined>(undefined);
  /** Path of the channel that was chosen for what is new. */
  readonly chosen = signal<string | undefined>(undefined);
  readonly #volumes = signal<readonly StageVolume[]>([]);
  readonly #view: VolumeView;
  #authors: Authors;

  constructor(view: VolumeView) {
    this.#view = view;
    this.stage = view.stage;
    this.#authors = this.#makeAuthors();
  }

  /** Channels that what is new may go to, segmentations first. */
  readonly targets: ReadonlySignal<readonly Target[]> = computed(() => {
    const byPath = new Map<string, Target>();
    for (const { path, name, info, channel } of this.#volumes.value)
      if (byPath.get(path)?.channel === undefined) byPath.set(path, { path, name, info, channel });
    const rank = ({ info }: Target): number => (info.type === 'segmentation' ? 0 : 1);
    return [...byPath.values()].sort((a, b) => rank(a) - rank(b));
  });

  /** Where what is new goes: the chosen channel, else the first that may be annotated, else the first. */
  readonly target: ReadonlySignal<Target | undefined> = computed(() => {
    const targets = this.targets.value;
    const chosen = targets.find(({ path }) => path === this.chosen.value);
    return chosen ?? targets.find((target) => this.#whyNot(target) === undefined) ?? targets[0];
  });

  /** Why something of a kind cannot be placed now. */
  whyNot(kind: PlacedKind): string | undefined {
    const target = this.target.value;
    const reason = this.#whyNot(target);
    if (reason !== undefined || target === undefined || kind !== 'synapse') return reason;
    return target.info.type === 'segmentation'
      ? undefined
      : `${target.name} is an image: synapses are between segments.`;
  }

  /** Why the shapes of a channel cannot be changed now. */
  whyNotChange(path: string): string | undefined {
    return this.#whyNot(this.targets.value.find((target) => target.path === path));
  }

  #whyNot(target: Target | undefined): string | undefined {
    const asked = target && { name: target.name, info: target.info, isLive: target.channel !== undefined };
    return whyNotAnnotate(asked, this.past.value);
  }

  /** Whether clicks are nobody's else: no tool of proofreading is taken. */
  get isPointing(): boolean {
    return this.#view.tool.value === '';
  }

  get authors(): Authors {
    return this.#authors;
  }

  /** Whether the shapes of a channel are drawn: where one of its layers is. */
  isShown(path: string): boolean {
    return this.#volumes.value.some((volume) => volume.path === path && volume.isVisible);
  }

  rowsOf(path: string): ChannelRows | undefined {
    return this.rows.value.find((rows) => rows.path === path);
  }

  shapeOf(name: ShapeName): Shape | undefined {
    return this.rowsOf(name.path)?.store.get(name.table, name.key);
  }

  /** Looks at the layers anew. */
  lookAtLayers(): void {
    this.#volumes.value = this.stage.volumes;
    const wanted = this.targets.value.filter(({ channel }) => channel !== undefined);
    const kept = this.rows.value.filter(({ path }) => wanted.some((target) => target.path === path));
    for (const rows of this.rows.value) if (!kept.includes(rows)) rows.close();
    const added = wanted.flatMap(({ path, info, channel }) => {
      if (channel === undefined || kept.some((rows) => rows.path === path)) return [];
      const changed = (): void => void this.version.value++;
      const peersChanged = (): void => this.#lookAtPeople();
      return [new ChannelRows({ session: this.#view.session, path, info, channel, changed, peersChanged })];
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

  // Placing.

  /** Takes a kind to place, or lets it go where it was taken. */
  take(kind: PlacedKind): void {
    if (this.placing.value?.kind === kind) return this.letGo();
    const reason = this.whyNot(kind);
    if (reason !== undefined) return this.stage.say(reason, 'error');
    batch(() => {
      this.#view.tool.value = ANNOTATES;
      this.writing.value = undefined;
      this.placing.value = { kind, clicks: [], ids: [] };
    });
  }

  /** Nothing is placed any more. */
  letGo(): void {
    this.placing.value = undefined;
    if (this.writing.value !== undefined && 'kind' in this.writing.value.of) this.writing.value = undefined;
  }

  /** One step back: the text, then the clicks, then the kind, then what is selected. @returns whether there was one. */
  back(): boolean {
    const draft = this.placing.value;
    if (this.drag.value !== undefined) this.drag.value = undefined;
    else if (this.writing.value !== undefined) this.#stopWriting();
    else if (draft !== undefined && draft.clicks.length > 0) this.placing.value = { ...draft, clicks: [], ids: [] };
    else if (draft !== undefined) this.letGo();
    else if (this.selected.value !== undefined) this.selected.value = undefined;
    else return false;
    return true;
  }

  #stopWriting(): void {
    this.writing.value = undefined;
    const draft = this.placing.value;
    if (draft !== undefined) this.placing.value = { ...draft, clicks: [], ids: [] };
  }

  /** A click on a slice while something is placed. @param needed clicks that it takes. */
  click(place: Place, needed: number): void {
    const draft = this.placing.value;
    const target = this.target.value;
    if (draft === undefined || target === undefined || this.writing.value !== undefined) return;
    if (!isInVolume(target.info, place)) return this.stage.say('That is outside the volume.', 'error');
    const id = draft.kind === 'synapse' ? [this.#idAt(target, place)] : [];
    const next = { ...draft, clicks: [...draft.clicks, place], ids: [...draft.ids, ...id] };
    this.placing.value = next;
    if (next.clicks.length >= needed) this.writing.value = { place, text: '', of: next };
  }

  /** The base segment at a place; a place in none ends the draft. */
  #idAt(target: Target, place: Place): Promise<bigint> {
    const found = this.#readId(target, place);
    found.then(
      (id) => {
        if (id === 0n) this.#refuse('There is no segment there: a synapse is between segments.');
      },
      (error: unknown) => this.#refuse(`The segment there could not be read: ${reasonOf(error)}`),
    );
    return found;
  }

  #refuse(why: string): void {
    this.stage.say(why, 'error');
    this.#stopWriting();
  }

  async #readId({ path, info }: Target, place: Place): Promise<bigint> {
    const [x, y, z] = rowOf('point', [place], info)['points'] as [number, number, number]; // three of a point
    const [i, j, k] = [Math.floor(x), Math.floor(y), Math.floor(z)];
    const { data } = await this.#view.session.cutout(path, { box: [i, j, k, i + 1, j + 1, k + 1] });
    const [value = 0] = data;
    return BigInt(value);
  }

  /** Saves what was written. */
  write(text: string): void {
    const writing = this.writing.value;
    if (writing === undefined) return;
    this.#stopWriting();
    if ('kind' in writing.of) void this.#add(writing.of, text.trim());
    else this.setText(writing.of, text.trim());
  }

  async #add(draft: Draft, text: string): Promise<void> {
    const target = this.target.value;
    if (target?.channel === undefined) return;
    const { kind, clicks } = draft;
    const more: Record<string, unknown> = text === '' ? {} : { text };
    if (kind === 'synapse') {
      // Of annotations the server says it.
      more['author'] = this.#view.session.user.id;
      more['time'] = BigInt(Date.now());
      try {
        [more['pre'], more['post']] = await Promise.all(draft.ids);
      } catch {
        return; // it was said
      }
      if (more['pre'] === 0n || more['post'] === 0n) return;
    }
    const table = kind === 'synapse' ? 'synapse' : 'annotation';
    const row = rowOf(kind, placedPoints(kind, clicks, target.info), target.info, more);
    try {
      const { results } = await target.channel.edit([{ op: 'put', table, rows: [row] }]);
      const key = results[0]?.keys?.[0];
      if (key !== undefined) this.selected.value = { path: target.path, table, key };
    } catch (error) {
      this.stage.say(`The ${kind} was taken back: ${reasonOf(error)}`, 'error');
    }
  }

  // What is there.

  /** Goes to a shape and selects it. */
  goTo(name: ShapeName): void {
    const shape = this.shapeOf(name);
    if (shape === undefined) return;
    this.selected.value = bare(name);
    this.stage.goTo(
      shape.kind === 'synapse' || shape.kind === 'point' ? (shape.points[0] ?? middleOf(shape)) : middleOf(shape),
    );
  }

  /** Writes the text of a shape beside it. */
  edit(name: ShapeName): void {
    const shape = this.shapeOf(name);
    if (shape === undefined) return;
    this.goTo(name);
    const text = shape.row['text'];
    this.writing.value = { place: middleOf(shape), text: typeof text === 'string' ? text : '', of: bare(name) };
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
    const reason = key < 0n ? 'It is still being saved: wait a moment.' : this.whyNotChange(path);
    if (reason !== undefined) this.stage.say(reason, 'error');
    return reason === undefined;
  }

  close(): void {
    for (const rows of this.rows.value) rows.close();
    this.rows.value = [];
  }
}

/** A name without what else whoever gave it knows. */
function bare({ path, table, key }: ShapeName): ShapeName {
  return { path, table, key };
}

/** Whether two names are of one shape. */
export function isSameName(a: ShapeName | undefined, b: ShapeName | undefined): boolean {
  return a !== undefined && b !== undefined && a.path === b.path && a.table === b.table && a.key === b.key;
}
