/** The outline of the brush under the pointer, at its true size, on every slice that it would touch. */
import { onNextFrame } from '../next-frame.ts';
import type { Place, Stage, StagePanel } from '../stage.ts';
import { axisOf, type Brush, snap, type VoxelGrid } from './brush.ts';
import { brushMark } from './slice-frame.ts';

/** A brush that is held over a slice. */
export interface HeldBrush {
  readonly brush: Brush;
  readonly grid: VoxelGrid;
  readonly color: string;
}

/** Shows where a brush would paint. */
export class BrushMarks {
  readonly #stage: Stage;
  readonly #held: () => HeldBrush | undefined;
  readonly #marks = new Map<HTMLElement, HTMLElement>();
  readonly #frame = onNextFrame(() => this.#place());
  readonly #forget: () => void;
  #over: { readonly panel: StagePanel; readonly place: Place } | undefined;

  /** @param held the brush that is held now; undefined for none. */
  constructor(stage: Stage, held: () => HeldBrush | undefined) {
    this.#stage = stage;
    this.#held = held;
    this.#forget = stage.on('drawn', () => this.#place());
  }

  /** The pointer is over a slice, or over none. */
  over(panel: StagePanel | undefined, place: Place | undefined): void {
    this.#over = panel === undefined || place === undefined ? undefined : { panel, place };
    this.#frame.ask();
  }

  /** The brush is another one. */
  change(): void {
    this.#frame.ask();
  }

  end(): void {
    this.#forget();
    this.#frame.cancel();
    this.#clear(new Set());
  }

  #place(): void {
    const held = this.#held();
    const over = this.#over;
    if (held === undefined || over === undefined) return this.#clear(new Set());
    const { brush, grid, color } = held;
    const [, , into] = over.panel.axes;
    const across = axisOf(into);
    const thickness = across === undefined ? Math.max(...grid.voxel) : grid.voxel[across];
    const centre = snap(grid, over.place);
    const shown = new Set<HTMLElement>();
    for (const panel of this.#stage.panels) {
      const origin = panel.kind === 'slice' ? panel.unproject(0, 0) : undefined;
      if (origin === undefined) continue;
      const view = { axes: panel.axes, nmPerPixel: panel.nmPerPixel, origin };
      const mark = brushMark(view, brush, centre, into, thickness);
      if (mark === undefined) continue;
      shown.add(panel.element);
      const { style, dataset } = this.#markOf(panel.element);
      dataset['kind'] = mark.kind;
      const radius = Math.max(2, mark.radius);
      const height = mark.kind === 'line' ? Math.max(2, thickness / view.nmPerPixel) : 2 * radius;
      style.color = color;
      style.width = `${2 * radius}px`;
      style.height = `${height}px`;
      style.transform = `translate(${mark.x - radius}px, ${mark.y - height / 2}px) rotate(${mark.angle}rad)`;
    }
    this.#clear(shown);
  }

  #markOf(element: HTMLElement): HTMLElement {
    let mark = this.#marks.get(element);
    if (mark === undefined) {
      mark = document.createElement('div');
      mark.className = 'tools-mark';
      mark.setAttribute('aria-hidden', 'true');
      element.append(mark);
      this.#marks.set(element, mark);
    }
    return mark;
  }

  #clear(shown: ReadonlySet<HTMLElement>): void {
    for (const [element, mark] of this.#marks)
      if (!shown.has(element)) {
        mark.remove();
        this.#marks.delete(element);
      }
  }
}
