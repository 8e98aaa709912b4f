/** Strokes and clicks on the panels of a stage, caught before the view makes anything of them. */
import type { Place, Stage, StagePanel } from '../stage.ts';

/** A stroke that is being drawn. */
export interface Drag {
  /** The pointer goes on to a place of the slice. */
  to(place: Place): void;
  end(): void;
  /** It counts for nothing. */
  cancel(): void;
}

/** Who is told. */
export interface PanelPointer {
  /** A stroke begins on a slice; undefined: it is none of ours, and the view's own. */
  begin(panel: StagePanel, place: Place): Drag | undefined;
  /** A click, not a stroke. @returns whether it was ours. */
  click(isMarking: boolean): boolean;
  /** The pointer is over a slice, or over none. */
  over(panel: StagePanel | undefined, place: Place | undefined): void;
}

/** A click moves no farther, CSS pixels. */
const CLICK_PX = 4;

/** Catches the left button, a pen, and one finger. Wheel, other buttons, two fingers, and Ctrl or Shift with the button stay the view's. */
export class PanelPointers {
  readonly #stage: Stage;
  readonly #hears: PanelPointer;
  readonly #ends = new AbortController();
  #drag: { readonly drag: Drag; readonly panel: StagePanel; readonly id: number } | undefined;
  #down: { readonly x: number; readonly y: number; readonly isMarking: boolean } | undefined;

  constructor(stage: Stage, hears: PanelPointer) {
    this.#stage = stage;
    this.#hears = hears;
    const options = { capture: true, signal: this.#ends.signal, passive: false } as const;
    const { element } = stage;
    element.addEventListener('pointerdown', (event) => this.#onDown(event), options);
    element.addEventListener('pointermove', (event) => this.#onMove(event), options);
    element.addEventListener('pointerup', (event) => this.#onUp(event), options);
    element.addEventListener('pointercancel', () => this.cancel(), options);
    element.addEventListener('pointerleave', () => this.#hears.over(undefined, undefined), {
      signal: this.#ends.signal,
    });
    // The view hears of buttons and fingers by these.
    element.addEventListener('mousedown', (event) => this.#keep(event), options);
    element.addEventListener('touchstart', (event) => this.#onTouch(event), options);
  }

  /** Whether a stroke is being drawn. */
  get isDrawing(): boolean {
    return this.#drag !== undefined;
  }

  /** Gives the stroke up. @returns whether there was one. */
  cancel(): boolean {
    const drag = this.#drag;
    this.#drag = undefined;
    drag?.drag.cancel();
    return drag !== undefined;
  }

  end(): void {
    this.cancel();
    this.#ends.abort();
  }

  #panelOf(event: Event): StagePanel | undefined {
    const { target } = event;
    return target instanceof Node ? this.#stage.panels.find(({ element }) => element.contains(target)) : undefined;
  }

  #onDown(event: PointerEvent): void {
    this.#down = undefined;
    if (this.#drag !== undefined) return;
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || !event.isPrimary) return;
    const panel = this.#panelOf(event);
    if (panel === undefined) return;
    this.#down = { x: event.clientX, y: event.clientY, isMarking: event.altKey };
    const place = placeOf(panel, event);
    if (event.altKey || place === undefined) return;
    const drag = this.#hears.begin(panel, place);
    if (drag === undefined) return;
    this.#drag = { drag, panel, id: event.pointerId };
    panel.element.setPointerCapture(event.pointerId);
    drag.to(place);
  }

  #onMove(event: PointerEvent): void {
    const drag = this.#drag;
    const panel = drag?.panel ?? this.#panelOf(event);
    const last = panel === undefined ? undefined : placeOf(panel, event);
    this.#hears.over(last === undefined ? undefined : panel, last);
    if (drag === undefined || event.pointerId !== drag.id) return;
    for (const part of event.getCoalescedEvents?.() ?? []) {
      const place = placeOf(drag.panel, part);
      if (place !== undefined) drag.drag.to(place);
    }
    if (last !== undefined) drag.drag.to(last);
  }

  #onUp(event: PointerEvent): void {
    const drag = this.#drag;
    if (drag !== undefined && event.pointerId === drag.id) {
      this.#drag = undefined;
      drag.drag.end();
      return;
    }
    const down = this.#down;
    this.#down = undefined;
    if (down === undefined || event.button !== 0) return;
    const moved = Math.hypot(event.clientX - down.x, event.clientY - down.y);
    if (moved < CLICK_PX && this.#panelOf(event) !== undefined) this.#hears.click(down.isMarking);
  }

  /** What is ours the view does not hear of; the focus comes all the same, for keys. */
  #keep(event: MouseEvent): void {
    if (this.#drag === undefined || event.button !== 0) return;
    event.stopPropagation();
    event.preventDefault();
    this.#drag.panel.element.focus({ preventScroll: true });
  }

  #onTouch(event: TouchEvent): void {
    if (this.#drag === undefined) return;
    if (event.touches.length > 1) this.cancel();
    else {
      event.stopPropagation();
      event.preventDefault();
    }
  }
}

function placeOf(panel: StagePanel, event: MouseEvent): Place | undefined {
  const { left, top } = panel.element.getBoundingClientRect();
  return panel.unproject(event.clientX - left, event.clientY - top);
}
