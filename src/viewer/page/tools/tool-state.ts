/** Which tool is taken, and how it is set: what the toolbar shows and the tools read. */
import { computed, type ReadonlySignal, signal } from '@preact/signals';
import type { StageVolume } from '../stage.ts';
import { PAST_REFUSAL } from '../volume/past-moment.ts';

/** The tools of proofreading. */
export type ToolName = 'pointer' | 'merge' | 'cleave' | 'seeds' | 'cut' | 'paint' | 'erase';

/** Tools that draw strokes. */
export const DRAWS: ReadonlySet<ToolName> = new Set(['seeds', 'cut', 'paint', 'erase']);
/** Tools that have a radius. */
export const BRUSHES: ReadonlySet<ToolName> = new Set(['cut', 'paint', 'erase']);
/** Voxels along the finest axis. */
export const RADIUS = { min: 0.5, max: 100 } as const;

/** Of seeds: green stays, red leaves. */
export const SEED_COLORS = { 1: '#3ddc6a', 2: '#ff5a4d' } as const;

/** What the others are told that one does. */
export const DOES: Readonly<Record<ToolName, string>> = {
  pointer: '',
  merge: 'merge',
  cleave: 'cleave',
  seeds: 'split',
  cut: 'split',
  paint: 'paint',
  erase: 'erase',
};

/** State of the tools of one view. */
export class ToolState {
  readonly tool = signal<ToolName>('pointer');
  /** Of the brush, in voxels along the finest axis. */
  readonly radius = signal(5);
  readonly shape = signal<'ball' | 'disc'>('disc');
  /** What is painted into a segmentation. */
  readonly value = signal<bigint | 'new'>('new');
  /** What is painted into an image; undefined until it is chosen. */
  readonly grey = signal<number | undefined>(undefined);
  /** Group of the seeds that are drawn: 1 stays, 2 leaves. */
  readonly group = signal<1 | 2>(1);
  /** Whether there are seeds of both groups. */
  readonly canSplit = signal(false);
  /** Base segments that wait for the next step of a merge or cleave. */
  readonly marked = signal<readonly bigint[]>([]);
  /** Layers of the view, as they are now. */
  readonly volumes = signal<readonly StageVolume[]>([]);
  /** Name of the layer that was chosen. */
  readonly chosen = signal<string | undefined>(undefined);
  /** The edit of the past that is shown; undefined = the present. */
  readonly past = signal<number | undefined>(undefined);
  readonly canUndo = signal(false);
  readonly canRedo = signal(false);
  /** What is being done, said over the view; '' for nothing. */
  readonly line = signal('');

  /** The layer that is edited: the chosen one, else the first segmentation, else the first of all. */
  readonly target: ReadonlySignal<StageVolume | undefined> = computed(() => {
    const volumes = this.volumes.value;
    const shown = volumes.filter(({ isVisible }) => isVisible);
    return (
      volumes.find(({ name }) => name === this.chosen.value) ??
      shown.find(({ info }) => info.type === 'segmentation') ??
      shown[0]
    );
  });

  /** Why a tool cannot be used now; undefined where it can. */
  whyNot(tool: ToolName): string | undefined {
    if (tool === 'pointer') return undefined;
    return whyNot(tool, this.target.value, this.past.value, this.grey.value);
  }
}

/** Why a tool cannot be used on a layer; undefined where it can. */
export function whyNot(
  tool: ToolName,
  volume: StageVolume | undefined,
  past: number | undefined,
  grey: number | undefined,
): string | undefined {
  if (volume === undefined) return 'No layer of this server is shown.';
  const { name, info, channel } = volume;
  if (past !== undefined) return `${PAST_REFUSAL}.`;
  if (channel === undefined) return `${name} shows the past, or bodies, which cannot be edited.`;
  if (!info.editable) return `${name} cannot be edited.`;
  if (info.rights?.includes('edit') === false) return `You may look at ${name}, but not edit it.`;
  const isInteger = info.dtype !== 'float32';
  if (info.type === 'segmentation') return isInteger ? undefined : `${name} has no ids.`;
  if (tool !== 'paint' && tool !== 'erase') return `${name} is an image: it has no segments.`;
  if (!isInteger) return `${name} has values with fractions: they cannot be painted.`;
  return tool === 'erase' && grey === undefined ? 'Choose the grey value first.' : undefined;
}

/** A radius that may be had: whole voxels, or half of one. */
export function legalRadius(radius: number): number {
  if (!(radius >= 1)) return RADIUS.min;
  return Math.min(RADIUS.max, Math.round(radius));
}

/** The next radius: about a quarter more or less. */
export function nextRadius(radius: number, step: 1 | -1): number {
  if (step > 0) return legalRadius(radius < 1 ? 1 : Math.max(radius + 1, radius * 1.25));
  return legalRadius(Math.min(radius - 1, radius / 1.25));
}
