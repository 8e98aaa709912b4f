/** One canvas over each panel, with what is annotated near what it shows, and handles on what is selected. */
import { effect } from '@preact/signals';
import { onNextFrame } from '../next-frame.ts';
import type { Place, StagePanel } from '../stage.ts';
import type { Annotations } from './annotations.ts';
import type { ChannelRows } from './channel-rows.ts';
import { Handles } from './handles.ts';
import { distanceTo, type Outline, outlineOf } from './outline.ts';
import { type Mark, paint } from './painter.ts';
import { placedPoints } from './placing.ts';
import { boundsOf, isSameName, type Shape, textOf } from './shape.ts';
import { type Frame, sliceFrame, spaceFrame } from './slice-frame.ts';

/** Shapes that are drawn at once, in all panels. */
const MAX_SHAPES = 2_000;
/** A click so near to a line or point means it, CSS pixels. */
const HIT_PX = 8;

/** What a panel has of ours. */
interface Layer {
  readonly panel: StagePanel;
  readonly box: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly handles: Handles;
  /** What was drawn the last time. */
  drawn: readonly Drawn[];
}

interface Drawn {
  readonly rows: ChannelRows;
  readonly shape: Shape;
  readonly outline: Outline;
}

/** What lies over the panels. */
export class Overlay {
  readonly element: HTMLElement;
  readonly #annotations: Annotations;
  readonly #layers = new Map<StagePanel, Layer>();
  readonly #frame = onNextFrame(() => this.#draw());
  readonly #ends: (() => void)[];
  #isDirty = true;

  constructor(annotations: Annotations) {
    this.#annotations = annotations;
    this.element = document.createElement('div');
    this.element.className = 'annotation-layer';
    const { stage } = annotations;
    stage.element.append(this.element);
    this.#ends = [
      // As the view has been drawn: on the same frame.
      stage.on('drawn', () => this.#draw()),
      stage.on('pointer', () => {
        if (annotations.placer.draft.value !== undefined && annotations.writing.value === undefined) this.#frame.ask();
      }),
      effect(() => {
        for (const part of [annotations.version, annotations.selected, annotations.placer.draft, annotations.writing])
          void part.value;
        void annotations.drag.value;
        this.#frame.ask();
      }),
    ];
  }

  end(): void {
    this.#frame.cancel();
    for (const end of this.#ends) end();
    this.element.remove();
  }

  /** The shape that is drawn nearest to a point of a panel, if one is near. */
  hit(panel: StagePanel, x: number, y: number): { readonly rows: ChannelRows; readonly shape: Shape } | undefined {
    let best: Drawn | undefined;
    let least = HIT_PX;
    for (const drawn of this.#layers.get(panel)?.drawn ?? []) {
      const distance = distanceTo(drawn.outline, [x, y]);
      if (distance > least) continue;
      least = distance;
      best = drawn;
    }
    return best;
  }

  /** Where a place is over the stage, CSS pixels: on the first slice that shows it. */
  spotOf(place: Place): { readonly x: number; readonly y: number } | undefined {
    const { left, top } = this.element.getBoundingClientRect();
    for (const panel of this.#annotations.stage.panels) {
      const spot = panel.kind === 'slice' ? panel.project(place) : undefined;
      if (spot === undefined || Math.abs(spot.depth) > Math.max(1, 2 * panel.nmPerPixel)) continue;
      const rect = panel.element.getBoundingClientRect();
      return { x: rect.left - left + spot.x, y: rect.top - top + spot.y };
    }
    return undefined;
  }

  #draw(): void {
    this.#frame.cancel();
    const { stage } = this.#annotations;
    const { panels } = stage;
    for (const [panel, layer] of this.#layers)
      if (!panels.includes(panel)) {
        layer.box.remove();
        this.#layers.delete(panel);
      }
    const shown = this.#annotations.rows.value.filter(({ path }) => this.#annotations.targets.isShown(path));
    const frames = this.#framesOf(panels);
    const limit = Math.ceil(MAX_SHAPES / Math.max(1, frames.length));
    for (const [panel, frame] of frames) this.#drawPanel(this.#layerOf(panel), frame, shown, limit);
    const size = Math.max(
      0,
      ...frames.map(([, { width, height, nmPerPixel }]) => (Math.max(width, height) / 2) * nmPerPixel),
    );
    for (const rows of this.#annotations.rows.value) if (rows.isPartial) rows.look(stage.place, size);
    this.onDrawn();
  }

  /** Called after each drawing. */
  onDrawn: () => void = () => {};

  #framesOf(panels: readonly StagePanel[]): [StagePanel, Frame][] {
    const { stage, rows } = this.#annotations;
    const voxel = rows.value[0]?.info.mips[0]?.voxel ?? [1, 1, 1];
    const slices = panels.flatMap((panel): [StagePanel, Frame][] => {
      const frame = panel.kind === 'slice' ? sliceFrame(panel, voxel) : undefined;
      return frame === undefined ? [] : [[panel, frame]];
    });
    const radius = this.#radius();
    const spaces = panels.flatMap((panel): [StagePanel, Frame][] => {
      const frame = panel.kind === '3d' ? spaceFrame(panel, stage.place, radius) : undefined;
      return frame === undefined ? [] : [[panel, frame]];
    });
    return [...slices, ...spaces];
  }

  /** How far from the middle of the view 3-D may show something. */
  #radius(): number {
    const { look } = this.#annotations.stage;
    return Math.max(look.nmDeep * 2, 1);
  }

  #layerOf(panel: StagePanel): Layer {
    const known = this.#layers.get(panel);
    if (known !== undefined) return known;
    const box = document.createElement('div');
    box.className = 'annotation-panel';
    const canvas = document.createElement('canvas');
    canvas.setAttribute('aria-hidden', 'true');
    box.append(canvas);
    this.element.append(box);
    const layer = { panel, box, canvas, handles: new Handles(this.#annotations, panel, box), drawn: [] };
    this.#layers.set(panel, layer);
    return layer;
  }

  #drawPanel(layer: Layer, frame: Frame, shown: readonly ChannelRows[], limit: number): void {
    const { selected, drag, authors } = this.#annotations;
    const drawn: Drawn[] = [];
    const marks: Mark[] = [];
    for (const rows of shown)
      for (const found of this.#near(rows, frame, limit)) {
        const name = { path: rows.path, table: found.table, key: found.key };
        const isSelected = isSameName(selected.value, name);
        const dragged = isSameName(drag.value?.name, name) ? drag.value?.points : undefined;
        const shape = dragged === undefined ? found : { ...found, points: dragged, ...boundsOf(dragged) };
        const outline = outlineOf(shape, frame);
        if (isSelected) layer.handles.show(shape, outline, frame);
        if (outline === undefined) continue;
        drawn.push({ rows, shape, outline });
        marks.push({ outline, color: authors.colorOf(shape), text: textOf(shape), isSelected });
      }
    if (!drawn.some(({ rows, shape }) => isSameName(selected.value, { path: rows.path, ...shape })))
      layer.handles.hide();
    const draft = this.#draftMark(frame);
    if (draft !== undefined) marks.push(draft);
    layer.drawn = drawn;
    const isEmpty = marks.length === 0 && layer.canvas.width === 0;
    if (!isEmpty) this.#paint(layer, frame, marks);
  }

  #near(rows: ChannelRows, frame: Frame, limit: number): Shape[] {
    const found = rows.store.near(frame, limit);
    // What is selected, or dragged beyond what is seen, is there all the same.
    const name = this.#annotations.selected.value;
    const selected = name?.path === rows.path ? rows.store.get(name.table, name.key) : undefined;
    if (selected !== undefined && !found.includes(selected)) found.push(selected);
    return found;
  }

  #paint({ panel, box, canvas }: Layer, { width, height }: Frame, marks: readonly Mark[]): void {
    const outer = this.element.getBoundingClientRect();
    const rect = panel.element.getBoundingClientRect();
    const [left, top] = [
      rect.left - outer.left + panel.element.clientLeft,
      rect.top - outer.top + panel.element.clientTop,
    ];
    const place = `${left}px ${top}px ${width}px ${height}px`;
    const ratio = window.devicePixelRatio || 1;
    if (box.dataset['place'] !== `${place} ${ratio}`) {
      box.dataset['place'] = `${place} ${ratio}`;
      Object.assign(box.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
      this.#isDirty = true;
    }
    // Not drawn by the GPU, which the volume needs; a few strokes are as fast without.
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) return;
    if (marks.length === 0 && canvas.dataset['marks'] === '0' && !this.#isDirty) return;
    canvas.dataset['marks'] = String(marks.length);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    paint(context, marks);
  }

  /** What is being placed: to the pointer, while the last click is still to come. */
  #draftMark(frame: Frame): Mark | undefined {
    const { placer, writing, targets, stage } = this.#annotations;
    const draft = placer.draft.value;
    const info = targets.current.value?.info;
    if (draft === undefined || info === undefined || draft.clicks.length === 0) return undefined;
    const isOpen = writing.value === undefined && stage.pointer !== undefined && draft.kind !== 'point';
    const clicks = isOpen && stage.pointer !== undefined ? [...draft.clicks, stage.pointer] : draft.clicks;
    const points = placedPoints(draft.kind, clicks, info);
    const kind = points.length === 1 ? 'point' : draft.kind;
    const outline = outlineOf({ kind, points, ...boundsOf(points) }, frame);
    return outline && { outline, color: '#fff', text: '', isSelected: false, isDraft: true };
  }
}
