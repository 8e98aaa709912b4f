/** The annotations of a view, loaded once its volumes are there: nobody waits for them to see those. */
import { mountSection } from '../volume/dock-section.tsx';
import type { VolumeView } from '../volume/volume-view.ts';

/** Starts the annotations of a view. @returns a function that ends them. */
export function startAnnotations(view: VolumeView): () => void {
  const section = mountSection(view.dock, 'annotations', 2);
  let end: (() => void) | undefined;
  let isOver = false;
  const load = async (): Promise<void> => {
    await view.seen;
    const { showAnnotations } = await import('./show-annotations.tsx');
    if (!isOver) end = showAnnotations(view, section);
  };
  const forget = view.stage.on('volumes', () => {
    if (view.stage.volumes.length === 0) return;
    forget();
    load().catch(() => view.stage.say('Annotations could not be loaded: reload the page to try again', 'error'));
  });
  return () => {
    isOver = true;
    forget();
    end?.();
    section.remove();
  };
}
