/** Arrow keys in the tree: up and down go from line to line, left and right close and open. */

/** Lines of the tree carry this attribute on what takes the focus. */
export const STOP = 'data-home-stop';

/** The lines of the tree that can have the focus, in order. */
export function stopsIn(tree: HTMLElement): HTMLElement[] {
  return [...tree.querySelectorAll<HTMLElement>(`[${STOP}]:enabled, a[${STOP}]`)];
}

/** Moves the focus, or presses what has it. @param tree whose lines are meant. */
export function pressArrow(event: KeyboardEvent, tree: HTMLElement): void {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const stops = stopsIn(tree);
  const { activeElement } = document;
  if (!(activeElement instanceof HTMLElement)) return;
  const at = stops.indexOf(activeElement);
  const stop = stops[at];
  if (stop === undefined) return;
  const target = targetOf(event.key, stop, stops, at);
  if (target === undefined) return;
  event.preventDefault();
  if (target === stop) stop.click();
  else target.focus();
}

/** The line to go to; the line itself is to be pressed. */
function targetOf(key: string, stop: HTMLElement, stops: readonly HTMLElement[], at: number): HTMLElement | undefined {
  const expanded = stop.getAttribute('aria-expanded');
  switch (key) {
    case 'ArrowDown':
      return stops[at + 1];
    case 'ArrowUp':
      return stops[at - 1];
    case 'Home':
      return stops[0];
    case 'End':
      return stops.at(-1);
    case 'ArrowRight':
      return expanded === 'false' ? stop : expanded === 'true' ? stops[at + 1] : undefined;
    case 'ArrowLeft':
      return expanded === 'true' ? stop : outerOf(stop);
    default:
      return undefined;
  }
}

/** The line of the group around a line. */
function outerOf(stop: HTMLElement): HTMLElement | undefined {
  const isGroup = stop.hasAttribute('aria-expanded');
  const own = stop.closest('.home-group');
  const group = isGroup ? own?.parentElement?.closest('.home-group') : own;
  return group?.querySelector<HTMLElement>(`[${STOP}]`) ?? undefined;
}
