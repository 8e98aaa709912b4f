/** Clicks on slices: they place what is being placed, and select what they hit. Strokes stay the view's. */
import type { StagePanel } from '../stage.ts';
import type { Annotations } from './annotations.ts';
import type { Overlay } from './overlay.ts';
import { CLICKS } from './placing.ts';

/** A click moves no farther, CSS pixels. */
const CLICK_PX = 4;

/** @returns a function that ends it. */
export function listenToClicks(annotations: Annotations, overlay: Overlay): () => void {
  const { stage } = annotations;
  const ends = new AbortController();
  const options = { capture: true, signal: ends.signal } as const;
  let down: { readonly x: number; readonly y: number; readonly panel: StagePanel } | undefined;
  const panelOf = (event: Event): StagePanel | undefined =>
    event.target instanceof Node
      ? stage.panels.find(({ element }) => element.contains(event.target as Node)) // a node, as was asked
      : undefined;
  stage.element.addEventListener(
    'pointerdown',
    (event) => {
      down = undefined;
      const isPlain =
        event.button === 0 && event.isPrimary && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
      const panel = isPlain ? panelOf(event) : undefined;
      if (panel !== undefined) down = { x: event.clientX, y: event.clientY, panel };
    },
    options,
  );
  addEventListener(
    'pointerup',
    (event) => {
      const was = down;
      down = undefined;
      if (was === undefined || Math.hypot(event.clientX - was.x, event.clientY - was.y) > CLICK_PX) return;
      onClick(was.panel, event);
    },
    options,
  );
  // Two clicks that place something are no double click.
  stage.element.addEventListener(
    'dblclick',
    (event) => {
      if (annotations.placer.draft.value !== undefined && panelOf(event) !== undefined) event.stopPropagation();
    },
    options,
  );
  const onClick = (panel: StagePanel, event: PointerEvent): void => {
    const { left, top } = panel.element.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const draft = annotations.placer.draft.value;
    if (draft !== undefined) {
      const place = panel.unproject(x, y);
      if (place === undefined) stage.say('Click on a slice, not in 3-D.');
      else annotations.placer.click(place, CLICKS[draft.kind]);
      return;
    }
    if (!annotations.isPointing) return;
    const hit = overlay.hit(panel, x, y);
    annotations.selected.value = hit && { path: hit.rows.path, table: hit.shape.table, key: hit.shape.key };
  };
  return () => ends.abort();
}
