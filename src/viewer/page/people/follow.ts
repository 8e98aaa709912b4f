/** My view follows somebody's, until I move myself. */
import { type Signal, signal } from '@preact/signals';
import type { Stage } from '../stage.ts';
import type { Person } from './person.ts';
import { isSameLook } from './told-look.ts';

/** Why following ended. */
export type FollowEnd = 'moved' | 'gone' | 'stopped';

/** Following on a stage. */
export class Follow {
  /** Whom: the newest that is known of them. */
  readonly whom: Signal<Person | undefined> = signal(undefined);
  readonly #stage: Pick<Stage, 'look' | 'follow' | 'on'>;
  readonly #ended: (whom: Person, why: FollowEnd) => void;
  readonly #end: () => void;
  /** Whether what changes is our own doing. */
  #isOurs = false;
  /** What was shown last. */
  #shown: Stage['look'] | undefined;

  /** @param ended hears of each end. */
  constructor(stage: Pick<Stage, 'look' | 'follow' | 'on'>, ended: (whom: Person, why: FollowEnd) => void) {
    this.#stage = stage;
    this.#ended = ended;
    this.#end = stage.on('view', () => this.#changed());
  }

  start(person: Person): void {
    this.whom.value = person;
    this.#show(person);
  }

  stop(why: FollowEnd = 'stopped'): void {
    const whom = this.whom.value;
    this.whom.value = undefined;
    this.#shown = undefined;
    if (whom !== undefined) this.#ended(whom, why);
  }

  /** These are there now. */
  update(people: readonly Person[]): void {
    const whom = this.whom.value;
    if (whom === undefined) return;
    const now = people.find(({ key }) => key === whom.key);
    if (now === undefined) return this.stop('gone');
    if (now === whom) return;
    this.whom.value = now;
    this.#show(now);
  }

  end(): void {
    this.#end();
  }

  #show({ look }: Person): void {
    if (look === undefined || (this.#shown !== undefined && isSameLook(look, this.#stage.look))) return;
    this.#isOurs = true;
    this.#stage.follow(look);
    this.#isOurs = false;
    // As it is now: what a view cannot show just so is not my moving.
    this.#shown = this.#stage.look;
  }

  #changed(): void {
    if (this.#isOurs || this.#shown === undefined || this.whom.value === undefined) return;
    if (!isSameLook(this.#stage.look, this.#shown)) this.stop('moved');
  }
}
