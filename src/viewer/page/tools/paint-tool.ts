/** Painting and erasing: one stroke is one edit. */
import type { EditResult, LiveChannel } from '../../../client/index.ts';
import type { Place, StagePanel, StageVolume } from '../stage.ts';
import type { VolumeView } from '../volume/volume-view.ts';
import type { Ink } from './ink.ts';
import type { OwnEdits } from './own-edits.ts';
import type { Drag } from './panel-pointer.ts';
import type { Saving } from './saving.ts';
import { refusalOf } from './say-refusal.ts';
import { boxLimits, gridOf, Stroke, writeOps } from './stroke.ts';
import type { ToolState } from './tool-state.ts';

/** How strokes look before they are saved. */
export const ERASED = '#101010';
/** A segment that has no id yet. */
export const NEW = '#f4f4f4';
const OPACITY = { paint: 0.5, erase: 0.7, grey: 1 } as const;

/** What tools share. */
export interface ToolParts {
  readonly view: VolumeView;
  readonly state: ToolState;
  readonly own: OwnEdits;
  readonly ink: Ink;
  readonly saving: Saving;
}

/** The colour of what is painted now. */
export function paintColor(state: ToolState, volume: StageVolume): string {
  if (state.tool.value === 'erase') return ERASED;
  if (volume.info.type !== 'segmentation') return greyOf(volume, state.grey.value ?? 0);
  const value = state.value.value;
  if (value === 'new' || volume.channel === undefined) return NEW;
  return volume.colorOf(volume.channel.view.rootOf(value)) ?? NEW;
}

function greyOf({ info }: StageVolume, value: number): string {
  const level = Math.max(0, Math.min(255, info.dtype === 'uint16' ? value / 256 : value));
  return `rgb(${level} ${level} ${level})`;
}

/** The radius of the brush in nm. */
export function radiusOf(state: ToolState, volume: StageVolume): number {
  return state.radius.value * Math.min(...gridOf(volume.info).voxel);
}

/** Paints. */
export class PaintTool {
  readonly #parts: ToolParts;
  /** The id of a stroke of "new" that is on its way: the strokes after it get the same. */
  #coming: { readonly path: string; readonly id: Promise<bigint | undefined> } | undefined;

  constructor(parts: ToolParts) {
    this.#parts = parts;
  }

  begin(volume: StageVolume, channel: LiveChannel, panel: StagePanel): Drag {
    const { state, ink } = this.#parts;
    const isErasing = state.tool.value === 'erase';
    const grid = gridOf(volume.info);
    const brush = { shape: state.shape.value, radius: radiusOf(state, volume) };
    const stroke = new Stroke(grid, brush, panel.axes);
    const isGrey = volume.info.type !== 'segmentation' && !isErasing;
    const opacity = isErasing ? OPACITY.erase : isGrey ? OPACITY.grey : OPACITY.paint;
    const remove = ink.add({ grid, set: stroke.set, color: paintColor(state, volume), opacity });
    const value = isErasing ? 0n : volume.info.type === 'segmentation' ? state.value.value : (state.grey.value ?? 0);
    // The id of a stroke before may come while this one is drawn.
    const coming = value === 'new' && this.#coming?.path === channel.path ? this.#coming.id : undefined;
    return {
      to: (place: Place) => {
        if (stroke.to(place)) ink.change();
      },
      cancel: remove,
      end: () => void this.#end(volume, channel, stroke, coming ?? value, remove),
    };
  }

  async #end(
    volume: StageVolume,
    channel: LiveChannel,
    stroke: Stroke,
    wanted: number | bigint | 'new' | Promise<bigint | undefined>,
    remove: () => void,
  ): Promise<void> {
    const { view, state, own, saving } = this.#parts;
    if (stroke.set.count === 0) {
      remove();
      view.stage.say('The stroke is outside the volume: nothing was painted.');
      return;
    }
    try {
      const make = async (): Promise<{ value: number | bigint | 'new'; result: Promise<EditResult> }> => {
        const value = (await wanted) ?? 'new';
        return {
          value,
          result: channel.edit(writeOps(stroke.set, value, boxLimits(volume.info, view.session.limits))),
        };
      };
      const { value, result } = await own.prepare(make());
      if (value === 'new') this.#expect(volume, channel, stroke, result);
      const { status } = await saving.until(channel, result, remove);
      if (status === 'noop') view.stage.say('Nothing changed: those voxels have that value already.');
    } catch (error) {
      remove();
      view.stage.say(refusalOf(state.tool.value === 'erase' ? 'The erasing' : 'The stroke', error), 'error');
    }
  }

  /** Which id the server gave is read where it was painted. */
  #expect(volume: StageVolume, channel: LiveChannel, { set }: Stroke, result: Promise<EditResult>): void {
    const { view, state } = this.#parts;
    const read = async (): Promise<bigint | undefined> => {
      const { seq } = await result;
      const [x, y, z] = set.first ?? [0, 0, 0];
      const { data } = await view.session.cutout(channel.path, { box: [x, y, z, x + 1, y + 1, z + 1], at: seq });
      return BigInt(data[0] ?? 0);
    };
    const coming = { path: channel.path, id: read().catch(() => undefined) };
    this.#coming = coming;
    void coming.id.then((id) => {
      if (this.#coming === coming) this.#coming = undefined;
      if (id === undefined || id === 0n) return;
      if (state.value.value === 'new' && state.target.value?.path === channel.path) state.value.value = id;
      selectToo(view, volume, id);
    });
  }
}

/** Selects a segment that came to be, where some are selected: where none is, all are shown. */
export function selectToo({ stage }: VolumeView, volume: StageVolume, id: bigint): void {
  if (volume.selected.length > 0) stage.select(volume.name, [id]);
}
