/** All that draws on slices: the brushes, and what they leave until it is saved. Fetched after the view has begun. */
import type { Place, StagePanel } from '../stage.ts';
import type { VolumeView } from '../volume/volume-view.ts';
import { BrushMarks, type HeldBrush } from './brush-marks.ts';
import { Ink } from './ink.ts';
import type { OwnEdits } from './own-edits.ts';
import { PaintTool, paintColor, radiusOf } from './paint-tool.ts';
import type { Drag } from './panel-pointer.ts';
import { Saving } from './saving.ts';
import { SplitTool } from './split-tool.ts';
import { gridOf } from './stroke.ts';
import { BRUSHES, SEED_COLORS, type ToolState } from './tool-state.ts';

/** The brushes of one view. */
export class Strokes {
  readonly #view: VolumeView;
  readonly #state: ToolState;
  readonly #ink: Ink;
  readonly #saving: Saving;
  readonly #paint: PaintTool;
  readonly #split: SplitTool;
  readonly #marks: BrushMarks;

  constructor(view: VolumeView, state: ToolState, own: OwnEdits) {
    this.#view = view;
    this.#state = state;
    this.#ink = new Ink(view.stage);
    this.#saving = new Saving(view);
    const parts = { view, state, own, ink: this.#ink, saving: this.#saving };
    this.#paint = new PaintTool(parts);
    this.#split = new SplitTool(parts);
    this.#marks = new BrushMarks(view.stage, () => this.#held());
  }

  end(): void {
    this.#split.clear();
    this.#marks.end();
    this.#saving.end();
    this.#ink.end();
  }

  get hasSeeds(): boolean {
    return this.#split.hasSeeds;
  }

  /** A stroke of the tool that is taken, which may be used. */
  begin(panel: StagePanel): Drag | undefined {
    const volume = this.#state.target.value;
    const channel = volume?.channel;
    if (volume === undefined || channel === undefined) return undefined;
    const tool = this.#state.tool.value;
    if (tool === 'seeds') return this.#split.beginSeeds(volume, channel, panel);
    if (tool === 'cut') return this.#split.beginCut(volume, channel, panel);
    if (volume.info.type !== 'segmentation' && this.#state.grey.value === undefined) {
      this.#view.stage.say('Choose the grey value first.');
      return undefined;
    }
    return this.#paint.begin(volume, channel, panel);
  }

  /** The pointer is over a slice, or over none. */
  over(panel: StagePanel | undefined, place: Place | undefined): void {
    this.#marks.over(panel, place);
  }

  /** The brush is another one. */
  change(): void {
    this.#marks.change();
  }

  /** Splits by the seeds that were drawn. */
  split(): void {
    void this.#split.split();
  }

  /** Forgets the seeds. @returns whether there were any. */
  clear(): boolean {
    return this.#split.clear();
  }

  #held(): HeldBrush | undefined {
    const { tool, target, shape } = this.#state;
    const volume = target.value;
    if (volume === undefined || !BRUSHES.has(tool.value)) return undefined;
    const color =
      tool.value === 'cut' ? SEED_COLORS[2] : tool.value === 'erase' ? '#fff' : paintColor(this.#state, volume);
    return { brush: { shape: shape.value, radius: radiusOf(this.#state, volume) }, grid: gridOf(volume.info), color };
  }
}
