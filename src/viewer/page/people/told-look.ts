/** Where one looks, as it is told to others. Pure. */
import type { Place, StageLook } from '../stage.ts';

/** A look under the key `view` of a state: nanometres, and quaternions where something is turned. */
export function tellLook({ place, nmPerPixel, turn, nmDeep, turn3d }: StageLook): Readonly<Record<string, unknown>> {
  return {
    place: [...place],
    nm: nmPerPixel,
    deep: nmDeep,
    ...(turn === undefined ? {} : { turn: [...turn] }),
    ...(turn3d === undefined ? {} : { turn3d: [...turn3d] }),
  };
}

/** What `tellLook` told; undefined for anything else that somebody has put there. */
export function lookFrom(view: unknown): StageLook | undefined {
  if (typeof view !== 'object' || view === null) return undefined;
  const { place, nm, deep, turn, turn3d } = view as Readonly<Record<string, unknown>>; // looked at below
  const at = numbers(place, 3);
  if (at === undefined || !isSize(nm) || !isSize(deep)) return undefined;
  const [slices, space] = [numbers(turn, 4), numbers(turn3d, 4)];
  return {
    place: [at[0] ?? 0, at[1] ?? 0, at[2] ?? 0] satisfies Place,
    nmPerPixel: nm,
    nmDeep: deep,
    ...(slices === undefined ? {} : { turn: slices }),
    ...(space === undefined ? {} : { turn3d: space }),
  };
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value);
}

function numbers(value: unknown, length: number): number[] | undefined {
  if (!Array.isArray(value) || value.length !== length) return undefined;
  return value.every((part) => typeof part === 'number' && Number.isFinite(part)) ? value : undefined;
}

/** Whether two looks show the same, but for what calculating with other digits changes. */
export function isSameLook(a: StageLook, b: StageLook): boolean {
  const tolerance = 0.01 * Math.min(a.nmPerPixel, b.nmPerPixel);
  return (
    a.place.every((nm, axis) => Math.abs(nm - (b.place[axis] ?? 0)) <= Math.max(tolerance, Math.abs(nm) * 1e-6)) &&
    isNear(a.nmPerPixel, b.nmPerPixel) &&
    isNear(a.nmDeep, b.nmDeep) &&
    isSameTurn(a.turn, b.turn) &&
    isSameTurn(a.turn3d, b.turn3d)
  );
}

function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-4 * Math.abs(a);
}

function isSameTurn(a: readonly number[] = [0, 0, 0, 1], b: readonly number[] = [0, 0, 0, 1]): boolean {
  return a.every((part, i) => Math.abs(part - (b[i] ?? 0)) < 1e-4);
}
