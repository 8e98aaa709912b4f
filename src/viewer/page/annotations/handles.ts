/** Handles on the points of the shape that is selected, on one slice. */
import type { Place, StagePanel } from '../stage.ts';
import type { Annotations } from './annotations.ts';
import type { Outline } from './outline.ts';
import { movedBy } from './placing.ts';
import type { Shape, ShapeName } from './shape.ts';
import type { Frame } from './slice-frame.ts';

/** Kinds whose points may be off the slice while what is between them is on it. */
const HAS_CORNERS: ReadonlySet<Shape['kind']> = new Set(['box', 'ellipsoid']);

/** The handles of one panel. */
export class Handles {
  readonly #annotations: Annotations;
  readonly #panel: StagePanel;
  readonly #box: HTMLElement;
  readonly #handles: HTMLElement[] = [];
  #shape: Shape | undefined;

  constructor(annotations: Annotations, panel: StagePanel, box: HTMLElement) {
    this.#annotations = annotations;
    this.#panel = panel;
    this.#box = box;
  }

  /** @param outline what is seen of the shape; undefined: nothing. */
  show(shape: Shape, outline: Outline | undefined, frame: Frame): void {
    const { selected } = this.#annotations;
    const mayMove =
      selected.value !== undefined && this.#annotations.targets.whyNotChange(selected.value.path) === undefined;
    if (frame.kind !== 'slice' || outline === undefined || !mayMove || shape.key < 0n) return this.hide();
    this.#shape = shape;
    const isCut = HAS_CORNERS.has(shape.kind) && outline.alpha === 1;
    for (const [i, point] of shape.points.entries()) {
      const spot = frame.spot(point);
      const isNear = spot !== undefined && (isCut || Math.abs(spot.depth) <= frame.reach);
      const handle = this.#handleAt(i);
      handle.hidden = !isNear;
      if (isNear) handle.style.transform = `translate(${spot.x}px, ${spot.y}px)`;
    }
    for (const handle of this.#handles.slice(shape.points.length)) handle.hidden = true;
  }

  hide(): void {
    this.#shape = undefined;
    for (const handle of this.#handles) handle.hidden = true;
  }

  #handleAt(index: number): HTMLElement {
    const known = this.#handles[index];
    if (known !== undefined) return known;
    const handle = document.createElement('div');
    handle.className = 'annotation-handle';
    handle.title = 'Drag to move. Escape takes it back.';
    handle.addEventListener('pointerdown', (event) => this.#begin(event, handle, index));
    // The view behind it hears nothing of it.
    for (const name of ['mousedown', 'touchstart', 'click', 'dblclick'])
      handle.addEventListener(name, (event) => event.stopPropagation());
    this.#box.append(handle);
    this.#handles[index] = handle;
    return handle;
  }

  #placeOf(event: PointerEvent): Place | undefined {
    const { left, top } = this.#panel.element.getBoundingClientRect();
    return this.#panel.unproject(event.clientX - left, event.clientY - top);
  }

  #begin(event: PointerEvent, handle: HTMLElement, index: number): void {
    const shape = this.#shape;
    const name = this.#annotations.selected.value;
    const from = this.#placeOf(event);
    if (event.button !== 0 || shape === undefined || name === undefined || from === undefined) return;
    event.stopPropagation();
    event.preventDefault();
    handle.setPointerCapture(event.pointerId);
    const base = this.#annotations.baseOf(name.path);
    const ends = new AbortController();
    const { signal } = ends;
    const { drag } = this.#annotations;
    drag.value = { name, points: shape.points };
    const onMove = (move: PointerEvent): void => {
      const to = this.#placeOf(move);
      // Escape has taken it back.
      if (drag.value === undefined || to === undefined) return;
      drag.value = { name, points: moved(shape, index, from, to) };
    };
    const onEnd = (end: PointerEvent): void => {
      ends.abort();
      const points = drag.value?.points;
      drag.value = undefined;
      if (end.type === 'pointerup' && points !== undefined && points !== shape.points) this.#finish(name, points, base);
    };
    handle.addEventListener('pointermove', onMove, { signal });
    handle.addEventListener('pointerup', onEnd, { signal });
    handle.addEventListener('pointercancel', onEnd, { signal });
  }

  #finish(name: ShapeName, points: readonly Place[], base: number | undefined): void {
    this.#annotations.move(name, points, base);
  }
}

/** The points of a shape, one of them moved; a synapse of one point, and a point, move whole. */
function moved(shape: Shape, index: number, from: Place, to: Place): readonly Place[] {
  return shape.points.map((point, i) => (i === index ? movedBy(point, from, to) : point));
}
