/** Which channels of a view may be annotated, where what is new goes, and why something may not be done. */
import { computed, type ReadonlySignal, signal } from '@preact/signals';
import type { ChannelInfo, LiveChannel } from '../../../client/index.ts';
import type { StageVolume } from '../stage.ts';
import { whyNotAnnotate } from './may-annotate.ts';
import type { PlacedKind } from './placing.ts';

/** A channel that may be annotated. */
export interface Target {
  readonly path: string;
  readonly name: string;
  readonly info: ChannelInfo;
  readonly channel: LiveChannel | undefined;
}

/** The channels of a view, as those who annotate see them. */
export class Targets {
  /** The layers; who hears that they changed sets them. */
  readonly volumes = signal<readonly StageVolume[]>([]);
  /** Path of the channel that was chosen for what is new. */
  readonly chosen = signal<string | undefined>(undefined);
  /** The edit of the past that is shown. */
  readonly past = signal<number | undefined>(undefined);

  /** Channels that what is new may go to, segmentations first. */
  readonly all: ReadonlySignal<readonly Target[]> = computed(() => {
    const byPath = new Map<string, Target>();
    for (const { path, name, info, channel } of this.volumes.value)
      if (byPath.get(path)?.channel === undefined) byPath.set(path, { path, name, info, channel });
    const rank = ({ info }: Target): number => (info.type === 'segmentation' ? 0 : 1);
    return [...byPath.values()].sort((a, b) => rank(a) - rank(b));
  });

  /** Where what is new goes: the chosen channel, else the first that may be annotated, else the first. */
  readonly current: ReadonlySignal<Target | undefined> = computed(() => {
    const all = this.all.value;
    const chosen = all.find(({ path }) => path === this.chosen.value);
    return chosen ?? all.find((target) => this.#whyNot(target) === undefined) ?? all[0];
  });

  /** Why something of a kind cannot be placed now. */
  whyNot(kind: PlacedKind): string | undefined {
    const target = this.current.value;
    const reason = this.#whyNot(target);
    if (reason !== undefined || target === undefined || kind !== 'synapse') return reason;
    return target.info.type === 'segmentation'
      ? undefined
      : `${target.name} is an image: synapses are between segments.`;
  }

  /** Why the shapes of a channel cannot be changed now. */
  whyNotChange(path: string): string | undefined {
    return this.#whyNot(this.all.value.find((target) => target.path === path));
  }

  #whyNot(target: Target | undefined): string | undefined {
    const asked = target && { name: target.name, info: target.info, isLive: target.channel !== undefined };
    return whyNotAnnotate(asked, this.past.value);
  }

  /** Whether the shapes of a channel are drawn: where one of its layers is. */
  isShown(path: string): boolean {
    return this.volumes.value.some((volume) => volume.path === path && volume.isVisible);
  }
}
