/** The people of a view, and what one does with them: going to them, following them, seeing what they have selected. */
import { type Signal, signal } from '@preact/signals';
import { type Identity, loadIdentity, saveIdentity } from '../identity.ts';
import { onNextFrame } from '../next-frame.ts';
import type { VolumeView } from '../volume/volume-view.ts';
import { CursorMarks } from './cursor-marks.ts';
import { Follow } from './follow.ts';
import { tellPresence } from './own-presence.ts';
import { joinPeers, type Person } from './person.ts';
import { ShownSelection } from './shown-selection.ts';

/** The people of one view. */
export class People {
  /** The others; a new list only where what the list tells of them has changed. */
  readonly others: Signal<readonly Person[]> = signal([]);
  readonly me: Signal<Identity> = signal(loadIdentity());
  /** The name that the server gives us, where it knows us by a token. */
  readonly givenName: Signal<string | undefined> = signal(undefined);
  readonly follow: Follow;
  readonly selection: ShownSelection;
  readonly #view: VolumeView;
  readonly #window: string = randomWord();
  readonly #marks: CursorMarks;
  readonly #watched = new WeakSet<object>();
  readonly #ends: (() => void)[];
  readonly #frame = onNextFrame(() => this.#look());
  #now: readonly Person[] = [];

  constructor(view: VolumeView) {
    this.#view = view;
    const { session, stage } = view;
    this.selection = new ShownSelection(stage);
    this.follow = new Follow(stage, ({ name }, why) => {
      if (why === 'gone') stage.say(`${name} has left, so your view follows nobody.`);
    });
    this.#marks = new CursorMarks(stage);
    this.#ends = [
      tellPresence(view, this.#window),
      stage.on('volumes', () => this.#watch()),
      session.on('state', () => this.#named()),
      () => this.follow.end(),
      () => this.#marks.end(),
      () => this.#frame.cancel(),
    ];
    this.#named();
    this.#watch();
  }

  /** Moves my view to where somebody points at, or looks. */
  goTo(key: string): void {
    const person = this.#now.find((one) => one.key === key);
    const place = person?.cursor ?? person?.look?.place;
    if (person === undefined || place === undefined) return;
    if (this.follow.whom.value !== undefined) this.follow.stop();
    this.#view.stage.goTo(place);
  }

  toggleFollow(key: string): void {
    if (this.follow.whom.value?.key === key) return this.follow.stop();
    const person = this.#now.find((one) => one.key === key);
    if (person !== undefined) this.follow.start(person);
  }

  toggleSelection(key: string): void {
    if (this.selection.keys.value.has(key)) return this.selection.hide(key);
    const person = this.#now.find((one) => one.key === key);
    if (person === undefined) return;
    const count = this.selection.show(person);
    const what = count === 1 ? '1 segment' : `${count} segments`;
    this.#view.stage.say(
      count === 0
        ? `All that ${person.name} has selected is selected here already.`
        : `Selected ${what} of ${person.name}. Press the button again to take it back.`,
    );
  }

  /** Another name or colour, kept in the browser and told to the others. */
  become(identity: Identity): void {
    const { name, color } = this.me.value;
    if (identity.name === name && identity.color === color) return;
    this.me.value = identity;
    saveIdentity(identity);
    this.#view.session.introduce(identity);
  }

  end(): void {
    for (const end of this.#ends) end();
  }

  #named(): void {
    const { session, access } = this.#view;
    this.givenName.value = access.hasToken ? session.user.name || session.user.id : undefined;
  }

  #watch(): void {
    for (const { channel } of this.#view.stage.volumes) {
      if (channel === undefined || this.#watched.has(channel)) continue;
      this.#watched.add(channel);
      this.#ends.push(channel.subscription.on('peers', () => this.#frame.ask()));
    }
    this.#frame.ask();
  }

  #look(): void {
    const { session, stage } = this.#view;
    const channels = new Map(
      stage.volumes.flatMap(({ path, info, channel }) =>
        channel === undefined ? [] : [[path, { path, info, peers: channel.subscription.peers.values() }]],
      ),
    );
    const before = listed(this.#now);
    this.#now = joinPeers(channels.values(), { id: session.user.id, window: this.#window });
    this.#marks.show(this.#now);
    this.follow.update(this.#now);
    if (listed(this.#now) !== before) this.others.value = this.#now;
  }
}

/** What the list tells. */
function listed(people: readonly Person[]): string {
  const told = people.map(({ key, name, color, tool, cursor, look, selected }) => [
    ...[key, name, color, tool, cursor !== undefined || look !== undefined, look !== undefined],
    [...selected].map(([path, { count }]) => [path, count]),
  ]);
  return JSON.stringify(told);
}

function randomWord(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(36)).join('');
}
