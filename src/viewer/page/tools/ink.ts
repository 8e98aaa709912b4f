/** Voxels that are drawn over the slices before the server shows them: strokes, seeds, and what is being saved. */
import { onNextFrame } from '../next-frame.ts';
import type { Stage, StagePanel } from '../stage.ts';
import type { VoxelGrid } from './brush.ts';
import { forEachRectangle, type LayerFrame, layerFrame, type SliceView } from './slice-frame.ts';
import type { VoxelSet } from './voxel-set.ts';

/** Some voxels in one colour. */
export interface InkShape {
  readonly grid: VoxelGrid;
  readonly set: VoxelSet;
  /** As CSS. */
  readonly color: string;
  /** 0 to 1. */
  readonly opacity: number;
}

/** Pixels of an oblique slice that are looked at together. */
const COARSE_PX = 2;

/** A canvas over one slice. */
interface Sheet {
  readonly canvas: HTMLCanvasElement;
  /** What it was drawn for. */
  drawn: string;
}

/** All that is drawn over the slices of a stage. */
export class Ink {
  readonly #stage: Stage;
  readonly #shapes = new Set<InkShape>();
  readonly #sheets = new Map<HTMLElement, Sheet>();
  readonly #frame = onNextFrame(() => this.#draw());
  readonly #forget: () => void;
  #version = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#forget = stage.on('drawn', () => this.#draw());
  }

  /** Shows a shape. @returns a function that takes it away. */
  add(shape: InkShape): () => void {
    this.#shapes.add(shape);
    this.change();
    return () => {
      if (this.#shapes.delete(shape)) this.change();
    };
  }

  /** A shape has grown. */
  change(): void {
    this.#version++;
    this.#frame.ask();
  }

  end(): void {
    this.#forget();
    this.#frame.cancel();
    this.#shapes.clear();
    this.#draw();
  }

  #draw(): void {
    if (this.#shapes.size === 0) {
      for (const { canvas } of this.#sheets.values()) canvas.remove();
      this.#sheets.clear();
      return;
    }
    const slices = this.#stage.panels.filter(({ kind }) => kind === 'slice');
    const elements = new Set(slices.map(({ element }) => element));
    for (const [element, { canvas }] of this.#sheets)
      if (!elements.has(element)) {
        canvas.remove();
        this.#sheets.delete(element);
      }
    for (const panel of slices) this.#drawPanel(panel);
  }

  #drawPanel(panel: StagePanel): void {
    const origin = panel.unproject(0, 0);
    if (origin === undefined) return;
    const view: SliceView = { axes: panel.axes, nmPerPixel: panel.nmPerPixel, origin };
    const { clientWidth: width, clientHeight: height } = panel.element;
    const sheet = this.#sheetOf(panel.element);
    const drawn = [
      this.#version,
      width,
      height,
      devicePixelRatio,
      view.nmPerPixel,
      ...origin,
      ...view.axes.flat(),
    ].join();
    if (sheet.drawn === drawn) return;
    sheet.drawn = drawn;
    const { canvas } = sheet;
    const [w, h] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
    if (canvas.width !== w) canvas.width = w;
    if (canvas.height !== h) canvas.height = h;
    const context = canvas.getContext('2d');
    if (context === null) return;
    context.resetTransform();
    context.clearRect(0, 0, w, h);
    for (const shape of this.#shapes) {
      context.globalAlpha = shape.opacity;
      context.fillStyle = shape.color;
      const frame = layerFrame(view, shape.grid.voxel);
      if (frame === undefined) fillOblique(context, shape, view, width, height);
      else fillLayer(context, shape.set, frame);
    }
  }

  #sheetOf(element: HTMLElement): Sheet {
    let sheet = this.#sheets.get(element);
    if (sheet === undefined) {
      const canvas = document.createElement('canvas');
      canvas.className = 'tools-ink';
      canvas.setAttribute('aria-hidden', 'true');
      element.append(canvas);
      sheet = { canvas, drawn: '' };
      this.#sheets.set(element, sheet);
    }
    return sheet;
  }
}

/** One path for all, so that neighbours leave no seam. */
function fillLayer(context: CanvasRenderingContext2D, set: VoxelSet, frame: LayerFrame): void {
  const [a, b, c, d, e, f] = frame.transform;
  const ratio = devicePixelRatio;
  context.setTransform(ratio * a, ratio * b, ratio * c, ratio * d, ratio * e, ratio * f);
  context.beginPath();
  forEachRectangle(set, frame, (u0, v0, u1, v1) => context.rect(u0, v0, u1 - u0, v1 - v0));
  context.fill();
  context.resetTransform();
}

function fillOblique(
  context: CanvasRenderingContext2D,
  { set, grid }: InkShape,
  { axes: [right, down], nmPerPixel, origin }: SliceView,
  width: number,
  height: number,
): void {
  const [vx, vy, vz] = grid.voxel;
  context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  context.beginPath();
  const at = (axis: 0 | 1 | 2, x: number, y: number): number =>
    origin[axis] + (right[axis] * x + down[axis] * y) * nmPerPixel;
  for (let y = COARSE_PX / 2; y < height; y += COARSE_PX)
    for (let x = COARSE_PX / 2; x < width; x += COARSE_PX)
      if (set.has(Math.floor(at(0, x, y) / vx), Math.floor(at(1, x, y) / vy), Math.floor(at(2, x, y) / vz)))
        context.rect(x - COARSE_PX / 2, y - COARSE_PX / 2, COARSE_PX, COARSE_PX);
  context.fill();
  context.resetTransform();
}
