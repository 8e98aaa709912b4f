/** The parts of a view: panels and tools, each in a folder of its own. One line each. */
import { startAnnotations } from '../annotations/start-annotations.ts';
import { startHelp } from '../help/start-help.tsx';
import { startHistory } from '../history/start-history.ts';
import { startPeople } from '../people/start-people.tsx';
import { startQuality } from '../quality/start-quality.tsx';
import { startStatus } from '../status/start-status.tsx';
import { startTools } from '../tools/start-tools.tsx';
import type { VolumeView } from './volume-view.ts';

/** Starts a part on a view. @returns a function that ends it. */
type Part = (view: VolumeView) => () => void;

const PARTS: readonly Part[] = [
  startPeople,
  startTools,
  startAnnotations,
  startStatus,
  startHelp,
  startHistory,
  startQuality,
];

/** Starts all parts. @returns a function that ends them. */
export function startParts(view: VolumeView): () => void {
  const ends = PARTS.map((part) => part(view));
  return () => {
    for (const end of ends) end();
  };
}
