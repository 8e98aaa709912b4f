/**
 * Axes of an array: which are x, y and z, and what to do with the others.
 *
 * A volume has three axes, an array may have more: each channel or time is then a volume of its own, named `c=1,t=0` as the last part of
 * its dataset.
 */
import { BflyError } from '../../protocol/errors.ts';
import type { Vec3 } from '../../protocol/volume.ts';
import { joinPath } from './name-path.ts';

/** An axis that is none of x, y, z. */
export interface ExtraAxis {
  readonly name: string;
  /** Which of the array's axes it is. */
  readonly axis: number;
  readonly size: number;
}

/** Which axis of an array is which. */
export interface AxisRoles {
  readonly x: number;
  readonly y: number;
  /** Undefined for an array of two axes: one plane. */
  readonly z: number | undefined;
  /** Places of the others. */
  readonly others: readonly number[];
}

/** More volumes of one array are not listed: they are named by hand. */
const MAX_LISTED = 64;
const CHOICE = /^[^=,/]+=\d{1,15}(,[^=,/]+=\d{1,15})*$/;

/** The part of a dataset's name that is a place, and the part that chooses from its further axes. */
export function splitDataset(dataset: string | undefined): {
  readonly path: string;
  readonly choice: ReadonlyMap<string, number>;
} {
  const parts = (dataset ?? '').split('/').filter((part) => part !== '');
  const last = parts.at(-1);
  if (last === undefined || !CHOICE.test(last)) return { path: parts.join('/'), choice: new Map() };
  const pairs = last.split(',').map((pair) => pair.split('='));
  return {
    path: parts.slice(0, -1).join('/'),
    choice: new Map(pairs.map(([name = '', index]) => [name, Number(index)])),
  };
}

/** Whether the last part of a path is a choice such as `c=1`. */
export function isChoice(part: string): boolean {
  return CHOICE.test(part);
}

/**
 * The names of all volumes of an array.
 *
 * @returns `['']` where there is but one; undefined where there are too many to list.
 */
export function listChoices(extra: readonly ExtraAxis[]): readonly string[] | undefined {
  const many = extra.filter(({ size }) => size > 1);
  if (many.reduce((count, { size }) => count * size, 1) > MAX_LISTED) return undefined;
  const combined = many.reduce<string[][]>(
    (lists, { name, size }) =>
      lists.flatMap((list) => Array.from({ length: size }, (_, i) => [...list, `${name}=${i}`])),
    [[]],
  );
  return combined.map((list) => list.join(','));
}

/** The datasets that an array or pyramid is listed as: one for each channel and time; of a great many the first. */
export function datasetsOf({
  path,
  extra,
}: {
  readonly path: string;
  readonly extra: readonly ExtraAxis[];
}): readonly string[] {
  const first = extra.filter(({ size }) => size > 1).map(({ name }) => `${name}=0`);
  return (listChoices(extra) ?? [first.join(',')]).map((choice) => joinPath(path, choice));
}

/** Sizes along x, y and z, out of those along all axes. */
export function alongSpace({ x, y, z }: AxisRoles, sizes: readonly number[]): Vec3 {
  return [sizes[x] ?? 1, sizes[y] ?? 1, z === undefined ? 1 : (sizes[z] ?? 1)];
}

/**
 * Where on its further axes a volume is.
 *
 * @returns the index on each of the axes, in their order.
 * @throws BflyError NOT_FOUND for an axis or index that is not there; UNSUPPORTED where there is a choice and none was made.
 */
export function chosenIndices(
  extra: readonly ExtraAxis[],
  choice: ReadonlyMap<string, number>,
  what: string,
): readonly number[] {
  for (const name of choice.keys())
    if (!extra.some((axis) => axis.name === name)) {
      const names = extra.map((axis) => `"${axis.name}"`).join(', ') || 'none besides x, y, z';
      throw new BflyError('NOT_FOUND', `${what} has no axis "${name}"; its further axes: ${names}`);
    }
  return extra.map(({ name, size }) => {
    const index = choice.get(name);
    if (index === undefined && size === 1) return 0;
    if (index === undefined)
      throw new BflyError(
        'UNSUPPORTED',
        `${what} has ${size} volumes along its axis "${name}": name one, ${name}=0 to ${name}=${size - 1}, as the last part of the dataset`,
      );
    if (index >= size)
      throw new BflyError('NOT_FOUND', `${what} has no ${name}=${index}; ${name} goes from 0 to ${size - 1}`);
    return index;
  });
}

/**
 * Finds x, y and z.
 *
 * @param names of the axes in their order, where they have names; `slowestFirst` arrays without are …, z, y, x, others x, y, z, ….
 * @param isSpace whether each axis is one of space, where that is said.
 * @returns undefined where they cannot be told apart: fewer than two, or more than three of space.
 */
export function axisRoles(
  names: readonly string[],
  slowestFirst: boolean,
  isSpace?: readonly boolean[],
): AxisRoles | undefined {
  const all = names.map((_, axis) => axis);
  const named = (name: string): number => names.findIndex((given) => given.toLowerCase() === name);
  const [x, y, z] = [named('x'), named('y'), named('z')];
  if (x >= 0 && y >= 0) {
    const roles = { x, y, z: z < 0 ? undefined : z };
    return { ...roles, others: all.filter((axis) => axis !== x && axis !== y && axis !== z) };
  }
  const space = isSpace === undefined ? unnamedSpace(all, slowestFirst) : all.filter((axis) => isSpace[axis]);
  if (space.length < 2 || space.length > 3) return undefined;
  const [first = 0, second = 0, third] = slowestFirst ? space.toReversed() : space;
  return { x: first, y: second, z: third, others: all.filter((axis) => !space.includes(axis)) };
}

function unnamedSpace(all: readonly number[], slowestFirst: boolean): readonly number[] {
  return slowestFirst ? all.slice(-3) : all.slice(0, 3);
}
