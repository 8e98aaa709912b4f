/** The history of a view. */
import { startLateSection } from '../volume/late-section.ts';
import type { VolumeView } from '../volume/volume-view.ts';

/** Starts the history of a view. @returns a function that ends it. */
export function startHistory(view: VolumeView): () => void {
  return startLateSection(view, {
    name: 'history',
    order: 3,
    title: 'The history',
    load: async () => (await import('./show-history.tsx')).showHistory,
  });
}
