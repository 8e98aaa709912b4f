/** The annotations of a view. */
import { startLateSection } from '../volume/late-section.ts';
import type { VolumeView } from '../volume/volume-view.ts';

/** Starts the annotations of a view. @returns a function that ends them. */
export function startAnnotations(view: VolumeView): () => void {
  return startLateSection(view, {
    name: 'annotations',
    order: 2,
    title: 'Annotations',
    load: async () => (await import('./show-annotations.tsx')).showAnnotations,
  });
}
