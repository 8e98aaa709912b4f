/** The field in which the text of something is written, where it is in the view. */
import { effect } from '@preact/signals';
import type { Annotations } from './annotations.ts';
import type { Overlay } from './overlay.ts';

/** Letters of a text. */
const MAX_TEXT = 2_000;

/** @returns a function that ends it. */
export function showTextEditor(annotations: Annotations, overlay: Overlay): () => void {
  const form = document.createElement('form');
  form.className = 'annotation-editor';
  form.hidden = true;
  const input = document.createElement('input');
  input.setAttribute('aria-label', 'Text of the annotation');
  input.placeholder = 'Text';
  input.maxLength = MAX_TEXT;
  const save = document.createElement('button');
  save.textContent = 'Save';
  const hint = document.createElement('span');
  hint.textContent = 'Enter saves, Escape forgets';
  form.append(input, save, hint);
  overlay.element.append(form);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (annotations.write(input.value)) giveFocusBack();
  });
  form.addEventListener('keydown', (event) => {
    // Keys of the view are letters here.
    event.stopPropagation();
    if (event.key !== 'Escape') return;
    annotations.back();
    giveFocusBack();
  });
  for (const name of ['pointerdown', 'mousedown', 'touchstart', 'dblclick', 'wheel'])
    form.addEventListener(name, (event) => event.stopPropagation());
  /** To the view, so that its keys work on. */
  const giveFocusBack = (): void => annotations.stage.panels[0]?.element.focus({ preventScroll: true });
  const place = (): void => {
    const { width, height } = overlay.element.getBoundingClientRect();
    const writing = annotations.writing.value;
    // What is nowhere to be seen is written in the middle.
    const spot = (writing && overlay.spotOf(writing.place)) ?? { x: width / 2, y: height / 2 };
    const x = Math.max(4, Math.min(spot.x + 12, width - form.offsetWidth - 4));
    const y = Math.max(4, Math.min(spot.y + 12, height - form.offsetHeight - 4));
    form.style.transform = `translate(${x}px, ${y}px)`;
  };
  overlay.onDrawn = () => {
    if (!form.hidden) place();
  };
  const end = effect(() => {
    const writing = annotations.writing.value;
    form.hidden = writing === undefined;
    if (writing === undefined) return;
    input.value = writing.text;
    place();
    input.focus();
    input.select();
  });
  return () => {
    end();
    form.remove();
  };
}
