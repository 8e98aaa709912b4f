/** The annotations of a view: what lies over it, its keys, and the section of the dock. */
import { effect } from '@preact/signals';
import { render } from 'preact';
import type { VolumeView } from '../volume/volume-view.ts';
import { AnnotationSection } from './annotation-section.tsx';
import { Annotations } from './annotations.ts';
import { listenToClicks } from './clicks.ts';
import { Overlay } from './overlay.ts';
import { ANNOTATES } from './placer.ts';
import { CLICKS, HINTS } from './placing.ts';
import { showTextEditor } from './text-editor.ts';
import './annotations.css';

/** @param section of the dock. @returns a function that ends it. */
export function showAnnotations(view: VolumeView, section: HTMLElement): () => void {
  const { stage } = view;
  const annotations = new Annotations(view);
  const overlay = new Overlay(annotations);
  render(<AnnotationSection annotations={annotations} />, section);
  const ends = [
    stage.on('volumes', () => annotations.lookAtLayers()),
    listenToClicks(annotations, overlay),
    showTextEditor(annotations, overlay),
    showHint(annotations, overlay),
    bindKeys(annotations),
    takeTurns(view, annotations),
    view.past.on(() => annotations.lookAtPast()),
  ];
  annotations.lookAtPast();
  annotations.lookAtLayers();
  return () => {
    for (const end of ends) end();
    render(null, section);
    overlay.end();
    annotations.close();
  };
}

/** A tool of proofreading and a kind to place are never taken both; others are told what one does. */
function takeTurns({ tool }: VolumeView, annotations: Annotations): () => void {
  return effect(() => {
    if (annotations.placer.draft.value === undefined) {
      if (tool.value === ANNOTATES) tool.value = '';
    } else if (tool.value === '') tool.value = ANNOTATES;
    else if (tool.value !== ANNOTATES) annotations.placer.letGo();
  });
}

function bindKeys(annotations: Annotations): () => void {
  return annotations.stage.bind([
    { key: 'keyp', help: 'add a point', run: () => annotations.placer.take('point') },
    { key: 'keyt', help: 'add a line', run: () => annotations.placer.take('line') },
    { key: 'keyu', help: 'add a box', run: () => annotations.placer.take('box') },
    { key: 'keyy', help: 'add a synapse, from pre to post', run: () => annotations.placer.take('synapse') },
    {
      key: 'delete',
      help: 'delete the annotation that is selected',
      when: () => annotations.selected.value !== undefined,
      run: () => {
        const name = annotations.selected.value;
        if (name !== undefined) annotations.remove(name);
      },
    },
    {
      key: 'escape',
      help: 'one step back: the text, the click, the kind, what is selected',
      when: () =>
        [annotations.drag, annotations.writing, annotations.placer.draft, annotations.selected].some(
          ({ value }) => value !== undefined,
        ),
      run: () => void annotations.back(),
    },
  ]);
}

/** Says what the next click does. */
function showHint(annotations: Annotations, overlay: Overlay): () => void {
  const hint = document.createElement('div');
  hint.className = 'annotation-hint';
  hint.setAttribute('role', 'status');
  overlay.element.append(hint);
  return effect(() => {
    const draft = annotations.placer.draft.value;
    const isOpen = draft !== undefined && draft.clicks.length < CLICKS[draft.kind];
    hint.textContent = isOpen ? `${HINTS[draft.kind][draft.clicks.length]}. Escape ends.` : '';
    annotations.stage.element.style.cursor = draft === undefined ? '' : 'crosshair';
  });
}
