/** Places what is new: takes a kind, collects its clicks, and saves it with its text. */
import { batch, type Signal, signal } from '@preact/signals';
import type { Session } from '../../../client/index.ts';
import type { Place, Stage } from '../stage.ts';
import { reasonOf } from '../tools/say-refusal.ts';
import { isInVolume, type PlacedKind, placedPoints } from './placing.ts';
import { rowOf, type ShapeName } from './shape.ts';
import type { Target, Targets } from './targets.ts';

/** What the others are told that one does while something is placed. */
export const ANNOTATES = 'annotate';

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

/** What a placer works with. */
export interface PlacerDeps {
  readonly stage: Pick<Stage, 'say'>;
  readonly session: Pick<Session, 'user' | 'cutout'>;
  readonly targets: Targets;
  /** What one does, for the others. */
  readonly tool: Signal<string>;
  readonly writing: Signal<Writing | undefined>;
  /** Gets what was saved. */
  readonly made: (name: ShapeName) => void;
}

/** Places one thing at a time. */
export class Placer {
  readonly draft = signal<Draft | undefined>(undefined);
  readonly #deps: PlacerDeps;

  constructor(deps: PlacerDeps) {
    this.#deps = deps;
  }

  /** Takes a kind to place, or lets it go where it was taken. */
  take(kind: PlacedKind): void {
    const { stage, targets, tool, writing } = this.#deps;
    if (this.draft.value?.kind === kind) return this.letGo();
    const reason = targets.whyNot(kind);
    if (reason !== undefined) return stage.say(reason, 'error');
    batch(() => {
      tool.value = ANNOTATES;
      writing.value = undefined;
      this.draft.value = { kind, clicks: [], ids: [] };
    });
  }

  /** Nothing is placed any more. */
  letGo(): void {
    const { writing } = this.#deps;
    this.draft.value = undefined;
    if (writing.value !== undefined && 'kind' in writing.value.of) writing.value = undefined;
  }

  /** Forgets the clicks; the kind stays taken. @returns whether there were any. */
  forgetClicks(): boolean {
    const draft = this.draft.value;
    if (draft === undefined || draft.clicks.length === 0) return false;
    this.draft.value = { ...draft, clicks: [], ids: [] };
    return true;
  }

  /** A click on a slice while something is placed. @param needed clicks that it takes. */
  click(place: Place, needed: number): void {
    const { stage, targets, writing } = this.#deps;
    const draft = this.draft.value;
    const target = targets.current.value;
    if (draft === undefined || target === undefined || writing.value !== undefined) return;
    if (!isInVolume(target.info, place)) return stage.say('That is outside the volume.', 'error');
    const id = draft.kind === 'synapse' ? [this.#idAt(target, place)] : [];
    const next = { ...draft, clicks: [...draft.clicks, place], ids: [...draft.ids, ...id] };
    this.draft.value = next;
    if (next.clicks.length >= needed) writing.value = { place, text: '', of: next };
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
    this.#deps.stage.say(why, 'error');
    this.#deps.writing.value = undefined;
    this.forgetClicks();
  }

  async #readId({ path, info }: Target, place: Place): Promise<bigint> {
    const [x, y, z] = rowOf('point', [place], info)['points'] as [number, number, number]; // three of a point
    const [i, j, k] = [Math.floor(x), Math.floor(y), Math.floor(z)];
    const { data } = await this.#deps.session.cutout(path, { box: [i, j, k, i + 1, j + 1, k + 1] });
    const [value = 0] = data;
    return BigInt(value);
  }

  /** Saves what was placed. */
  async save({ kind, clicks, ids }: Draft, text: string): Promise<void> {
    const { stage, session, targets, made } = this.#deps;
    const target = targets.current.value;
    if (target?.channel === undefined) return;
    const more: Record<string, unknown> = text === '' ? {} : { text };
    if (kind === 'synapse') {
      // Of annotations the server says it.
      more['author'] = session.user.id;
      more['time'] = BigInt(Date.now());
      try {
        [more['pre'], more['post']] = await Promise.all(ids);
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
      if (key !== undefined) made({ path: target.path, table, key });
    } catch (error) {
      stage.say(`The ${kind} was taken back: ${reasonOf(error)}`, 'error');
    }
  }
}
