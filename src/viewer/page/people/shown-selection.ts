/** What others have selected, in my own view, until I take it back. */
import { type Signal, signal } from '@preact/signals';
import type { Stage } from '../stage.ts';
import type { Person } from './person.ts';

/** Segments of others that were selected besides one's own. */
export class ShownSelection {
  /** Keys of those whose selection is shown. */
  readonly keys: Signal<ReadonlySet<string>> = signal(new Set());
  readonly #stage: Pick<Stage, 'volumes' | 'select'>;
  /** By person, by layer: what is selected for their sake. */
  readonly #added = new Map<string, ReadonlyMap<string, readonly bigint[]>>();

  constructor(stage: Pick<Stage, 'volumes' | 'select'>) {
    this.#stage = stage;
  }

  /** @returns how many segments were selected that were not before. */
  show({ key, selected }: Person): number {
    this.hide(key);
    const added = new Map<string, readonly bigint[]>();
    let count = 0;
    for (const { name, path, channel, selected: own } of this.#stage.volumes) {
      const root = (id: bigint): bigint => channel?.view.rootOf(id) ?? id;
      const theirs = new Set((selected.get(path)?.ids ?? []).map(root));
      // What is selected for somebody else who is shown is not mine: it stays for as long as one of them is.
      const shared = new Set([...this.#added.values()].flatMap((layers) => (layers.get(name) ?? []).map(root)));
      const ids = [...theirs].filter((id) => shared.has(id) || !own.includes(id));
      if (ids.length === 0) continue;
      added.set(name, ids);
      count += ids.filter((id) => !own.includes(id)).length;
      this.#stage.select(name, ids);
    }
    this.#added.set(key, added);
    this.keys.value = new Set(this.#added.keys());
    return count;
  }

  /** Takes back what `show` selected, but for what others have too that are shown. */
  hide(key: string): void {
    const added = this.#added.get(key);
    if (added === undefined) return;
    this.#added.delete(key);
    this.keys.value = new Set(this.#added.keys());
    for (const { name, channel, selected } of this.#stage.volumes) {
      const root = (id: bigint): bigint => channel?.view.rootOf(id) ?? id;
      const kept = new Set([...this.#added.values()].flatMap((layers) => (layers.get(name) ?? []).map(root)));
      const gone = new Set((added.get(name) ?? []).map(root));
      const left = selected.filter((id) => !gone.has(id) || kept.has(id));
      if (left.length < selected.length) this.#stage.select(name, left, { only: true });
    }
  }
}
