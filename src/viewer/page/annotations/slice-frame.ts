/** Where places are on a slice, in plain numbers: asked of the panel once a frame, not once for each point. Pure. */
import type { Place, StagePanel } from '../stage.ts';

/** A point of a panel, CSS pixels. `depth`: nm behind (> 0) or before the slice; 0 in 3-D. */
export interface Spot {
  readonly x: number;
  readonly y: number;
  readonly depth: number;
}

/** Projects places onto a panel, those beyond its edges too. */
export interface Frame {
  readonly kind: 'slice' | '3d';
  readonly width: number;
  readonly height: number;
  readonly nmPerPixel: number;
  /** How far from the slice something is still drawn, nm. */
  readonly reach: number;
  /** Undefined where a place cannot be told: in 3-D, out of sight. */
  spot(place: Place): Spot | undefined;
  /** The box around all that may be seen, nm. */
  readonly low: Place;
  readonly high: Place;
}

/** What is farther from the slice than so many voxels, or pixels where those are more, is not drawn. */
const REACH_VOXELS = 8;
const REACH_PIXELS = 10;

/** @param panel a slice. @param voxel nm of a voxel of the finest level. Undefined while the panel has no size. */
export function sliceFrame(panel: StagePanel, voxel: Place): Frame | undefined {
  const { clientWidth: width, clientHeight: height } = panel.element;
  const corner = panel.unproject(0, 0);
  const { nmPerPixel } = panel;
  if (corner === undefined || width === 0 || height === 0 || !(nmPerPixel > 0)) return undefined;
  const [right, down, into] = panel.axes;
  const thickness = Math.abs(into[0]) * voxel[0] + Math.abs(into[1]) * voxel[1] + Math.abs(into[2]) * voxel[2];
  const reach = Math.max(REACH_VOXELS * thickness, REACH_PIXELS * nmPerPixel);
  const at = (x: number, y: number, depth: number): Place => [
    corner[0] + right[0] * x * nmPerPixel + down[0] * y * nmPerPixel + into[0] * depth,
    corner[1] + right[1] * x * nmPerPixel + down[1] * y * nmPerPixel + into[1] * depth,
    corner[2] + right[2] * x * nmPerPixel + down[2] * y * nmPerPixel + into[2] * depth,
  ];
  const corners = [0, width].flatMap((x) => [0, height].flatMap((y) => [at(x, y, -reach), at(x, y, reach)]));
  const spot = (place: Place): Spot => {
    const away: Place = [place[0] - corner[0], place[1] - corner[1], place[2] - corner[2]];
    return { x: dot(away, right) / nmPerPixel, y: dot(away, down) / nmPerPixel, depth: dot(away, into) };
  };
  const edge = (axis: number, pick: (...values: number[]) => number): number =>
    pick(...corners.map((place) => place[axis] ?? 0));
  return {
    ...{ kind: 'slice', width, height, nmPerPixel, reach, spot },
    low: [edge(0, Math.min), edge(1, Math.min), edge(2, Math.min)],
    high: [edge(0, Math.max), edge(1, Math.max), edge(2, Math.max)],
  };
}

/** @param panel in 3-D. @param place the middle of the view. @param radius what is farther from it is not looked for, nm. */
export function spaceFrame(panel: StagePanel, place: Place, radius: number): Frame | undefined {
  const { clientWidth: width, clientHeight: height } = panel.element;
  if (width === 0 || height === 0) return undefined;
  return {
    ...{ kind: '3d', width, height, nmPerPixel: 0, reach: 0 },
    spot: (at) => panel.project(at),
    low: [place[0] - radius, place[1] - radius, place[2] - radius],
    high: [place[0] + radius, place[1] + radius, place[2] + radius],
  };
}

/** How clearly something is seen that is so far from the slice: 1 to 0. */
export function fade(depth: number, reach: number): number {
  if (reach <= 0) return 1;
  return Math.max(0, 1 - Math.abs(depth) / reach);
}

export function dot(a: Place, b: Place): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
