/** Where a cursor is on a panel, and how plainly it is seen. Pure. */
import type { Place, StagePanel } from '../stage.ts';

/** CSS pixels of the panel. */
export interface Spot {
  readonly x: number;
  readonly y: number;
  /** 1: on the slice. */
  readonly opacity: number;
}

/** Beyond so many pixels before or behind the slice nothing is seen any more. */
const FAR_PIXELS = 80;
/** So near it is as good as on it. */
const NEAR_PIXELS = 3;
/** What is left at the far end. */
const FAINT = 0.15;

/** @param nmPerPixel the panel's. @returns undefined where nothing is to be seen. */
export function spotOn(
  panel: Pick<StagePanel, 'project' | 'kind'>,
  place: Place,
  nmPerPixel: number,
): Spot | undefined {
  const point = panel.project(place);
  if (point === undefined) return undefined;
  const { x, y, depth } = point;
  if (panel.kind === '3d') return { x, y, opacity: 1 };
  const far = Math.abs(depth) / nmPerPixel;
  if (!(far <= FAR_PIXELS)) return undefined;
  const part = Math.max(0, far - NEAR_PIXELS) / (FAR_PIXELS - NEAR_PIXELS);
  return { x, y, opacity: 1 - (1 - FAINT) * part };
}
