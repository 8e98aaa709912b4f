/** Merging and cleaving the base segments under the pointer. */
import type { LiveChannel } from '../../../client/index.ts';
import type { StageVolume } from '../stage.ts';
import type { VolumeView } from '../volume/volume-view.ts';
import { refusalOf } from './say-refusal.ts';
import type { ToolName, ToolState } from './tool-state.ts';

/** The segment under the pointer, of a layer that can be edited. */
interface Pointed {
  readonly volume: StageVolume;
  readonly channel: LiveChannel;
  readonly base: bigint;
}

/** Merges and cleaves. */
export class BodyTool {
  readonly #view: VolumeView;
  readonly #state: ToolState;

  constructor(view: VolumeView, state: ToolState) {
    this.#view = view;
    this.#state = state;
  }

  /** Marks the segment under the pointer, or forgets that it was. */
  mark(): void {
    const pointed = this.#pointed('merge');
    if (pointed === undefined) return;
    const { marked } = this.#state;
    const { base } = pointed;
    marked.value = marked.value.includes(base) ? marked.value.filter((id) => id !== base) : [...marked.value, base];
  }

  /** Forgets what is marked. @returns whether something was. */
  forget(): boolean {
    const { marked } = this.#state;
    const was = marked.value.length > 0;
    marked.value = [];
    return was;
  }

  /** Marks the segment under the pointer; where some are marked, merges them with it. */
  merge(): void {
    const { marked } = this.#state;
    if (marked.value.length === 0) return this.mark();
    const pointed = this.#pointed('merge');
    if (pointed === undefined) return;
    const { volume, channel, base } = pointed;
    const ids = [...new Set([...marked.value, base])];
    if (ids.length === 1) return this.#view.stage.say(`${base} is marked: point at another segment to merge it with.`);
    const { rootOf } = bodiesOf(channel);
    if (new Set(ids.map(rootOf)).size === 1) {
      this.forget();
      return this.#view.stage.say(`They are one body already, ${rootOf(base)}.`);
    }
    this.forget();
    const wasSelected = ids.some((id) => volume.selected.includes(rootOf(id)));
    this.#send('The merge', channel.edit([{ op: 'merge', ids }]));
    if (wasSelected) this.#view.stage.select(volume.name, [rootOf(base)]);
    this.#view.stage.say(`Merged ${ids.join(' and ')} into ${rootOf(base)}.`);
  }

  /** The segment under the pointer, and all that are marked, leave their bodies together. */
  cleave(): void {
    const pointed = this.#pointed('cleave');
    if (pointed === undefined) return;
    const { volume, channel, base } = pointed;
    const ids = [...new Set([...this.#state.marked.value, base])];
    const { rootOf, membersOf } = bodiesOf(channel);
    const roots = new Set(ids.map(rootOf));
    if (roots.size === 1 && membersOf(base).length === ids.length) {
      const what = ids.length === 1 ? `${base} is alone` : 'These are the whole body';
      return this.#view.stage.say(`${what}: there is nothing to cleave from.`);
    }
    const isSelected = [...roots].some((root) => volume.selected.includes(root));
    this.forget();
    this.#send('The cleave', channel.edit([{ op: 'cleave', ids }], { base: channel.subscription.seq }));
    const left = [...roots].join(', ');
    if (isSelected) this.#view.stage.select(volume.name, ids);
    this.#view.stage.say(`Cleaved ${ids.join(', ')} from ${left}.`);
  }

  /** What the pointer is over is painted from now on. */
  pick(): void {
    const state = this.#state;
    const reason = state.whyNot('paint');
    if (reason !== undefined) return this.#view.stage.say(reason);
    const hovered = state.target.value?.hovered;
    if (hovered === undefined || hovered.base === 0n)
      return this.#view.stage.say('There is no segment under the pointer.');
    state.value.value = hovered.base;
    this.#view.stage.say(`Painting segment ${hovered.base}.`);
  }

  #pointed(tool: ToolName): Pointed | undefined {
    const { stage } = this.#view;
    const volume = this.#state.target.value;
    const reason = this.#state.whyNot(tool);
    if (reason !== undefined || volume?.channel === undefined) {
      stage.say(reason ?? 'Nothing here can be edited.');
      return undefined;
    }
    const base = volume.hovered?.base;
    if (base === undefined || base === 0n) {
      stage.say('There is no segment under the pointer.');
      return undefined;
    }
    return { volume, channel: volume.channel, base };
  }

  #send(what: string, result: Promise<unknown>): void {
    result.catch((error: unknown) => this.#view.stage.say(refusalOf(what, error), 'error'));
  }
}

function bodiesOf({ view }: LiveChannel): {
  rootOf: (id: bigint) => bigint;
  membersOf: (id: bigint) => readonly bigint[];
} {
  return { rootOf: (id) => view.rootOf(id), membersOf: (id) => view.membersOf(id) };
}
