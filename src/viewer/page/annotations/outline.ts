/** What of a shape is seen on a panel: points, lines and polygons in CSS pixels. Pure. */
import type { Place } from '../stage.ts';
import { middleOf, type Shape } from './shape.ts';
import { type Frame, fade, type Spot } from './slice-frame.ts';

/** CSS pixels. */
export type Pixel = readonly [x: number, y: number];

/** What is seen of a shape. */
export interface Outline {
  /** 1 to 0: how clearly. */
  readonly alpha: number;
  /** Lines to stroke; closed ones end where they began. */
  readonly lines: readonly (readonly Pixel[])[];
  readonly dots: readonly Pixel[];
  /** Whether the last line ends in the head of an arrow. */
  readonly hasHead: boolean;
  /** Where its text stands. */
  readonly label: Pixel;
}

/** Pairs of corners of a box (bit 0: x, 1: y, 2: z is the upper one) that an edge joins. */
const EDGES = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((corner) =>
  [1, 2, 4].flatMap((bit) => ((corner & bit) === 0 ? [[corner, corner | bit] as const] : [])),
);
/** Points of an ellipse. */
const ROUND = 32;

/** Undefined where nothing of it is seen. */
export function outlineOf(shape: Pick<Shape, 'kind' | 'points' | 'low' | 'high'>, frame: Frame): Outline | undefined {
  switch (shape.kind) {
    case 'point':
      return dotOutline(shape.points[0], frame);
    case 'synapse':
      return shape.points.length < 2 ? dotOutline(shape.points[0], frame) : pathOutline(shape.points, frame, true);
    case 'line':
    case 'polyline':
      return pathOutline(shape.points, frame, false);
    case 'box':
      return frame.kind === '3d' ? spaceBox(shape, frame) : sliceBox(shape, frame);
    case 'ellipsoid':
      return ellipsoidOutline(shape, frame);
  }
}

function dotOutline(place: Place | undefined, frame: Frame): Outline | undefined {
  const spot = place === undefined ? undefined : frame.spot(place);
  if (spot === undefined) return undefined;
  const alpha = fade(spot.depth, frame.reach);
  if (alpha === 0 || !isInside(spot, frame)) return undefined;
  const at: Pixel = [spot.x, spot.y];
  return { alpha, lines: [], dots: [at], hasHead: false, label: at };
}

/** Of each part between two points what is near the slice. */
function pathOutline(points: readonly Place[], frame: Frame, hasHead: boolean): Outline | undefined {
  const lines: Pixel[][] = [];
  const dots: Pixel[] = [];
  let alpha = 0;
  let isWhole = false;
  for (let i = 0; i + 1 < points.length; i++) {
    const [a, b] = [points[i], points[i + 1]];
    const part = a === undefined || b === undefined ? undefined : visiblePart(a, b, frame);
    if (part === undefined) continue;
    const { from, to } = part;
    if (Math.max(from.x, to.x) < 0 || Math.min(from.x, to.x) > frame.width) continue;
    if (Math.max(from.y, to.y) < 0 || Math.min(from.y, to.y) > frame.height) continue;
    lines.push([
      [from.x, from.y],
      [to.x, to.y],
    ]);
    // Nearest to the slice where it goes through it.
    const nearest = from.depth * to.depth <= 0 ? 0 : Math.min(Math.abs(from.depth), Math.abs(to.depth));
    alpha = Math.max(alpha, fade(nearest, frame.reach));
    isWhole = part.isWhole;
    if (frame.kind === 'slice' && from.depth * to.depth < 0) {
      const t = from.depth / (from.depth - to.depth);
      dots.push([from.x + t * (to.x - from.x), from.y + t * (to.y - from.y)]);
    }
  }
  const [first] = lines[0] ?? [];
  const last = lines.at(-1)?.at(-1);
  if (alpha === 0 || first === undefined || last === undefined) return undefined;
  const label: Pixel = [(first[0] + last[0]) / 2, (first[1] + last[1]) / 2];
  return { alpha, lines, dots, hasHead: hasHead && isWhole, label };
}

/** The part of a line that is near the slice; in 3-D that is in sight. `isWhole`: its end is part of it. */
function visiblePart(a: Place, b: Place, frame: Frame): { from: Spot; to: Spot; isWhole: boolean } | undefined {
  const [from, to] = [frame.spot(a), frame.spot(b)];
  if (frame.kind === '3d') {
    if (from !== undefined && to !== undefined) return { from, to, isWhole: true };
    const seen = from ?? to;
    if (seen === undefined) return undefined;
    const edge = from === undefined ? lastSeen(b, a, frame) : lastSeen(a, b, frame);
    return from === undefined
      ? { from: edge ?? seen, to: seen, isWhole: true }
      : { from, to: edge ?? seen, isWhole: false };
  }
  if (from === undefined || to === undefined) return undefined;
  const span = to.depth - from.depth;
  const cut = (depth: number): number => (span === 0 ? 0 : (depth - from.depth) / span);
  const [t0, t1] = span === 0 ? [0, 1] : [cut(-frame.reach), cut(frame.reach)];
  if (span === 0 && Math.abs(from.depth) > frame.reach) return undefined;
  const [begin, end] = [Math.max(0, Math.min(t0, t1)), Math.min(1, Math.max(t0, t1))];
  if (begin > end) return undefined;
  return { from: between(from, to, begin), to: between(from, to, end), isWhole: end === 1 };
}

/** Where a line from a place in sight leaves it. */
function lastSeen(seen: Place, hidden: Place, frame: Frame): Spot | undefined {
  let [low, high] = [0, 1];
  let spot: Spot | undefined;
  for (let step = 0; step < 8; step++) {
    const t = (low + high) / 2;
    const at = frame.spot([
      seen[0] + t * (hidden[0] - seen[0]),
      seen[1] + t * (hidden[1] - seen[1]),
      seen[2] + t * (hidden[2] - seen[2]),
    ]);
    if (at === undefined) high = t;
    else [low, spot] = [t, at];
  }
  return spot;
}

function between(a: Spot, b: Spot, t: number): Spot {
  return { x: a.x + t * (b.x - a.x), y: a.y + t * (b.y - a.y), depth: a.depth + t * (b.depth - a.depth) };
}

function cornersOf({ low, high }: Pick<Shape, 'low' | 'high'>): Place[] {
  const pick = (corner: number, axis: 0 | 1 | 2): number => ((corner >> axis) & 1 ? high : low)[axis];
  return [0, 1, 2, 3, 4, 5, 6, 7].map((corner) => [pick(corner, 0), pick(corner, 1), pick(corner, 2)]);
}

function spaceBox(shape: Pick<Shape, 'low' | 'high'>, frame: Frame): Outline | undefined {
  const corners = cornersOf(shape).map((place) => ({ place, spot: frame.spot(place) }));
  const lines = EDGES.flatMap(([i, j]): Pixel[][] => {
    const [a, b] = [corners[i], corners[j]];
    if (a === undefined || b === undefined) return [];
    if (a.spot !== undefined && b.spot !== undefined) return [[pixel(a.spot), pixel(b.spot)]];
    const part = a.spot === b.spot ? undefined : visiblePart(a.place, b.place, frame);
    return part === undefined ? [] : [[pixel(part.from), pixel(part.to)]];
  });
  const [first] = lines[0] ?? [];
  return first === undefined ? undefined : { alpha: 1, lines, dots: [], hasHead: false, label: first };
}

/** Where the slice cuts the box; of one that it passes by the shadow. */
function sliceBox(shape: Pick<Shape, 'low' | 'high'>, frame: Frame): Outline | undefined {
  const spots = cornersOf(shape).flatMap((corner) => frame.spot(corner) ?? []);
  const cut: Pixel[] = [];
  for (const [i, j] of EDGES) {
    const [a, b] = [spots[i], spots[j]];
    if (a === undefined || b === undefined || a.depth * b.depth > 0) continue;
    if (a.depth === b.depth) cut.push(pixel(a), pixel(b));
    else cut.push(pixel(between(a, b, a.depth / (a.depth - b.depth))));
  }
  const depth = Math.min(...spots.map((spot) => Math.abs(spot.depth)));
  const alpha = cut.length > 0 ? 1 : fade(depth, frame.reach) / 2;
  const ring = hull(cut.length > 0 ? cut : spots.map(pixel));
  return ringOutline(ring, alpha, frame);
}

function ringOutline(ring: readonly Pixel[], alpha: number, frame: Frame): Outline | undefined {
  const [first] = ring;
  if (first === undefined || alpha === 0) return undefined;
  const xs = ring.map(([x]) => x);
  const ys = ring.map(([, y]) => y);
  const [x0, y0] = [Math.min(...xs), Math.min(...ys)];
  if (Math.max(...xs) < 0 || Math.max(...ys) < 0 || x0 > frame.width || y0 > frame.height) return undefined;
  return { alpha, lines: [[...ring, first]], dots: [], hasHead: false, label: [x0, y0] };
}

function ellipsoidOutline(shape: Pick<Shape, 'low' | 'high'>, frame: Frame): Outline | undefined {
  const { low, high } = shape;
  const middle = middleOf(shape);
  const radii = [high[0] - low[0], high[1] - low[1], high[2] - low[2]].map((edge) => edge / 2);
  const at = (u: Place): Place => [
    middle[0] + u[0] * (radii[0] ?? 0),
    middle[1] + u[1] * (radii[1] ?? 0),
    middle[2] + u[2] * (radii[2] ?? 0),
  ];
  const turns = Array.from({ length: ROUND }, (_, i) => (2 * Math.PI * i) / ROUND);
  if (frame.kind === '3d') {
    const rings = [0, 1, 2].map((axis) =>
      turns.flatMap((turn) => {
        const u: Place = [0, 1, 2].map((i) =>
          i === axis ? 0 : i === (axis + 1) % 3 ? Math.cos(turn) : Math.sin(turn),
        ) as unknown as Place; // three axes
        const spot = frame.spot(at(u));
        return spot === undefined ? [] : [pixel(spot)];
      }),
    );
    const lines = rings.flatMap((ring) => (ring[0] === undefined ? [] : [[...ring, ring[0]]]));
    const [first] = lines[0] ?? [];
    return first === undefined ? undefined : { alpha: 1, lines, dots: [], hasHead: false, label: first };
  }
  const ring = cutEllipsoid(at, frame, turns);
  return ring === undefined ? undefined : ringOutline(ring.points, ring.alpha, frame);
}

/** In the space where the ellipsoid is the unit ball, the slice is a plane, and cuts it in a circle. */
function cutEllipsoid(
  at: (u: Place) => Place,
  frame: Frame,
  turns: readonly number[],
): { points: Pixel[]; alpha: number } | undefined {
  const depthOf = (u: Place): number => frame.spot(at(u))?.depth ?? 0;
  const origin = depthOf([0, 0, 0]);
  const normal: Place = [depthOf([1, 0, 0]) - origin, depthOf([0, 1, 0]) - origin, depthOf([0, 0, 1]) - origin];
  const size = Math.hypot(...normal) || 1;
  const unit: Place = [normal[0] / size, normal[1] / size, normal[2] / size];
  const height = -origin / size;
  const alpha = Math.abs(height) < 1 ? 1 : fade((Math.abs(height) - 1) * size, frame.reach) / 2;
  if (alpha === 0) return undefined;
  const h = Math.max(-1, Math.min(1, height));
  // What it passes by is a shadow as wide as the ball.
  const radius = Math.abs(height) < 1 ? Math.sqrt(1 - h * h) : 1;
  const base: Place = Math.abs(unit[0]) < 0.9 ? [1, 0, 0] : [0, 1, 0];
  const a = scaled(cross(unit, base));
  const b = cross(unit, a);
  const points = turns.flatMap((turn): Pixel[] => {
    const [c, s] = [radius * Math.cos(turn), radius * Math.sin(turn)];
    const spot = frame.spot(
      at([h * unit[0] + c * a[0] + s * b[0], h * unit[1] + c * a[1] + s * b[1], h * unit[2] + c * a[2] + s * b[2]]),
    );
    return spot === undefined ? [] : [pixel(spot)];
  });
  return { points, alpha };
}

function cross(a: Place, b: Place): Place {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function scaled(a: Place): Place {
  const size = Math.hypot(...a) || 1;
  return [a[0] / size, a[1] / size, a[2] / size];
}

function pixel({ x, y }: Spot): Pixel {
  return [x, y];
}

function isInside({ x, y }: Spot, { width, height }: Frame): boolean {
  return x >= 0 && y >= 0 && x <= width && y <= height;
}

/** The convex hull, counter-clockwise from the leftmost point. */
export function hull(points: readonly Pixel[]): Pixel[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const turnsLeft = (o: Pixel, a: Pixel, b: Pixel): boolean =>
    (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]) > 0;
  const half = (ordered: readonly Pixel[]): Pixel[] => {
    const chain: Pixel[] = [];
    for (const point of ordered) {
      while (chain.length > 1 && !turnsLeft(chain.at(-2) ?? point, chain.at(-1) ?? point, point)) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  const ring = [...half(sorted), ...half(sorted.toReversed())];
  return ring.length > 0 ? ring : sorted.slice(0, 1);
}

/** How far a point of the panel is from what is drawn, CSS pixels. */
export function distanceTo({ lines, dots }: Outline, [x, y]: Pixel): number {
  let least = Number.POSITIVE_INFINITY;
  for (const dot of dots) least = Math.min(least, Math.hypot(dot[0] - x, dot[1] - y));
  for (const line of lines)
    for (let i = 0; i + 1 < line.length; i++) {
      const [a, b] = [line[i], line[i + 1]];
      if (a === undefined || b === undefined) continue;
      const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
      const length = dx * dx + dy * dy;
      const t = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - a[0]) * dx + (y - a[1]) * dy) / length));
      least = Math.min(least, Math.hypot(a[0] + t * dx - x, a[1] + t * dy - y));
    }
  return least;
}
