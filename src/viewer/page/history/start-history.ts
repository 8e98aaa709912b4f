/** The history of a view, loaded once its volumes are there: nobody waits for it to see them. */
import { mountSection } from '../volume/dock-section.tsx';
import type { VolumeView } from '../volume/volume-view.ts';

/** Starts the history of a view. @returns a function that ends it. */
export function startHistory(view: VolumeView): () => void {
  const section = mountSection(view.dock, 'history', 3);
  let end: (() => void) | undefined;
  let isOver = false;
  const load = async (): Promise<void> => {
    await view.seen;
    const { showHistory } = await import('./show-history.tsx');
    if (!isOver) end = showHistory(view, section);
  };
  const forget = view.stage.on('volumes', () => {
    if (view.stage.volumes.length === 0) return;
    forget();
    load().catch(() => view.stage.say('The history could not be loaded: reload the page to try again', 'error'));
  });
  return () => {
    isOver = true;
    forget();
    end?.();
    section.remove();
  };
}
