/** The history of a view: the edits of its channels, what of them is shown, and the past. */
import { batch, computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { ChannelInfo, EditEvent, LiveChannel } from '../../../client/index.ts';
import { COLORS, loadIdentity } from '../identity.ts';
import { afterTheView } from '../next-frame.ts';
import { sayError } from '../plain-words.ts';
import type { VolumeView } from '../volume/volume-view.ts';
import { authorOf, type EditRow, rowsOf } from './edit-rows.ts';
import { LogFollower } from './log-follower.ts';
import { PlaceFinder } from './place-finder.ts';
import { TimeMachine } from './time-machine.ts';
import { undoEdit, undoRefusal } from './undo-edit.ts';

/** A channel whose edits are shown. */
export interface FollowedChannel {
  readonly info: ChannelInfo;
  readonly channel: LiveChannel;
  readonly follower: LogFollower;
  readonly finder: PlaceFinder;
  readonly machine: TimeMachine;
}

/** An undo that somebody is asked about. */
export interface BlockedUndo {
  readonly row: EditRow;
  readonly by: readonly EditEvent[] | undefined;
}

/** What the panel shows and does. */
export class History {
  readonly view: VolumeView;
  readonly channels = signal<readonly FollowedChannel[]>([]);
  readonly author = signal<string | undefined>(undefined);
  readonly kind = signal<string | undefined>(undefined);
  readonly blocked = signal<BlockedUndo | undefined>(undefined);
  /** Edits whose undo is under way, as `path@seq`. */
  readonly undoing = signal<ReadonlySet<string>>(new Set());
  /** Counts changes of the logs. */
  readonly changes = signal(0);
  readonly rows: ReadonlySignal<readonly EditRow[]>;
  /** Those of them that were ever edited. */
  readonly edited: ReadonlySignal<readonly FollowedChannel[]>;
  /** The channel that the slider moves. */
  readonly timed: ReadonlySignal<FollowedChannel | undefined>;
  readonly #timedPath: Signal<string | undefined> = signal(undefined);
  readonly #colors = new Map<string, string>();
  readonly #frame = afterTheView(() => {
    this.changes.value++;
  });
  readonly #ends: (() => void)[];

  constructor(view: VolumeView) {
    this.view = view;
    this.rows = computed(() => {
      this.changes.value;
      const logs = new Map(this.channels.value.map(({ channel, follower }) => [channel.path, follower.log]));
      return rowsOf(logs, { author: this.author.value, kind: this.kind.value });
    });
    this.edited = computed(() => this.channels.value.filter(({ machine }) => machine.shownHead.value > 0));
    this.timed = computed(() => {
      const edited = this.edited.value;
      return (
        edited.find(({ channel }) => channel.path === this.#timedPath.value) ??
        edited.find(({ info }) => info.type === 'segmentation') ??
        edited[0]
      );
    });
    this.#ends = [view.stage.on('volumes', () => this.#look())];
    this.#look();
  }

  end(): void {
    this.#frame.cancel();
    for (const end of this.#ends) end();
    for (const { follower, machine } of this.channels.peek()) {
      follower.end();
      machine.end();
    }
  }

  /** Channels come and go with their layers. */
  #look(): void {
    const { stage, session, past } = this.view;
    const wanted = new Map<string, { readonly info: ChannelInfo; readonly channel: LiveChannel }>();
    for (const { path, info, channel } of stage.volumes) if (channel !== undefined) wanted.set(path, { info, channel });
    const known = this.channels.peek();
    const gone = known.filter(({ channel }) => !wanted.has(channel.path));
    if (gone.length === 0 && wanted.size === known.length) return;
    for (const { follower, machine } of gone) {
      follower.end();
      machine.end();
    }
    const kept = known.filter(({ channel }) => wanted.delete(channel.path));
    const fresh = [...wanted.values()].map(({ info, channel }) => {
      const finder = new PlaceFinder(session, info);
      const end = channel.subscription.on('edits', (edits) => {
        if (edits.some(({ changes }) => changes.touched !== undefined)) finder.forget();
      });
      this.#ends.push(end);
      const follower = new LogFollower(session, channel, () => this.#frame.ask());
      return { info, channel, finder, follower, machine: new TimeMachine(channel, { session, stage, past }) };
    });
    this.channels.value = [...kept, ...fresh];
  }

  /** Chooses the channel that the slider moves. */
  time(path: string): void {
    batch(() => {
      this.timed.peek()?.machine.now();
      this.#timedPath.value = path;
    });
  }

  of(path: string): FollowedChannel | undefined {
    return this.channels.peek().find(({ channel }) => channel.path === path);
  }

  loadOlder(): Promise<unknown> {
    return Promise.all(this.channels.peek().map(({ follower }) => follower.loadOlder()));
  }

  get hasOlder(): boolean {
    return this.channels.peek().some(({ follower }) => follower.log.hasOlder);
  }

  isInForce({ path, edit }: EditRow): boolean {
    return this.of(path)?.follower.log.isInForce(edit.seq) ?? true;
  }

  /** Why an edit cannot be undone from here; undefined where it can. */
  refusal({ path, edit }: EditRow): string | undefined {
    const followed = this.of(path);
    if (followed === undefined) return 'This channel is not shown any more';
    return undoRefusal(followed.info, edit);
  }

  /** Shows where an edit was made. */
  async goTo({ path, edit }: EditRow): Promise<void> {
    const { stage } = this.view;
    try {
      const found = await this.of(path)?.finder.find(edit);
      if (found === undefined) return;
      if ('place' in found) stage.goTo(found.place);
      else stage.say(`There is no place to show for edit ${edit.seq}: ${found.why}.`);
    } catch (error) {
      stage.say(`The place of edit ${edit.seq} was not found: ${sayError(error)}`, 'error');
    }
  }

  /** Shows the volume right after an edit. */
  showThen({ path, edit }: EditRow): void {
    if (this.timed.peek()?.channel.path !== path) this.time(path);
    this.of(path)?.machine.seek(edit.seq);
  }

  /** Undoes an edit; where others built on it, asks first. */
  async undo(row: EditRow, anyway = false): Promise<void> {
    const { path, edit } = row;
    const followed = this.of(path);
    if (followed === undefined) return;
    const key = `${path}@${edit.seq}`;
    this.blocked.value = undefined;
    this.undoing.value = new Set([...this.undoing.peek(), key]);
    try {
      const outcome = await undoEdit(followed.channel, followed.follower.log, edit.seq, anyway);
      if (outcome.kind === 'blocked') this.blocked.value = { row, by: outcome.by };
      else if (outcome.kind === 'noop') this.view.stage.say(`Edit ${edit.seq} was undone already.`);
      else this.view.stage.say(`Edit ${edit.seq} is undone.`);
    } catch (error) {
      this.view.stage.say(`Edit ${edit.seq} was not undone: ${sayError(error, [{ op: 'undo' }])}`, 'error');
    } finally {
      this.undoing.value = new Set([...this.undoing.peek()].filter((other) => other !== key));
    }
  }

  /** The colour of an author: as the others see it where that is known, else one of its own. */
  colorOf(edit: EditEvent): string {
    if (edit.mine) return loadIdentity().color;
    const author = authorOf(edit);
    for (const { channel } of this.channels.peek())
      for (const { user, color } of channel.subscription.peers.values())
        if (color !== '' && authorOf({ user }) === author) this.#colors.set(author, color);
    return this.#colors.get(author) ?? madeColor(author);
  }
}

function madeColor(author: string): string {
  let hash = 0;
  for (let i = 0; i < author.length; i++) hash = (Math.imul(hash, 31) + author.charCodeAt(i)) | 0;
  return COLORS[Math.abs(hash) % COLORS.length] ?? '#3cb44b';
}

/** The history that components show. */
export const HistoryContext = createContext<History | undefined>(undefined);

/** The history around a component. */
export function useHistory(): History {
  const history = useContext(HistoryContext);
  if (history === undefined) throw new Error('a part of the history is used outside of it');
  return history;
}
