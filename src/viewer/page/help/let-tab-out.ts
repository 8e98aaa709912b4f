/** Lets the Tab key leave fields that would keep it. */

const STOPS = 'a[href], button, input, select, textarea, summary, [tabindex]';

/**
 * Moves the focus on where a field took Tab and then stayed where it was: the last coordinate of Neuroglancer does, and who has no mouse could not
 * leave it any more.
 *
 * @param area what is in it is looked after. @returns a function that ends it.
 */
export function letTabOut(area: HTMLElement): () => void {
  const press = (event: KeyboardEvent): void => {
    const { activeElement: before } = document;
    // Editors of text indent with it.
    if (event.key !== 'Tab' || !(before instanceof HTMLInputElement) || !area.contains(before)) return;
    // Later: the field has had it then.
    setTimeout(() => {
      if (event.defaultPrevented && document.activeElement === before) neighbourOf(before, event.shiftKey)?.focus();
    });
  };
  addEventListener('keydown', press, true);
  return () => removeEventListener('keydown', press, true);
}

/** The next thing that can have the focus, or the one before. */
function neighbourOf(element: HTMLElement, isBack: boolean): HTMLElement | undefined {
  const stops = [...document.querySelectorAll<HTMLElement>(STOPS)].filter(
    (stop) => stop === element || (stop.tabIndex >= 0 && !stop.matches(':disabled') && stop.checkVisibility()),
  );
  return stops[stops.indexOf(element) + (isBack ? -1 : 1)];
}
