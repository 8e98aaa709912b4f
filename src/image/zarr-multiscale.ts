/**
 * What OME-Zarr says of an image: its axes, its levels and their places in space.
 *
 * Source: OME-NGFF 0.1 to 0.5, "multiscales" metadata
 */
import type { Vec3 } from '../../protocol/volume.ts';
import { type AxisRoles, axisRoles } from './axis-choice.ts';
import { nanometresIn, roundedNm } from './space-units.ts';
import { isObject, type Json, wrongField } from './zarr-metadata.ts';

/** Where the voxels of an array are: the middle of the first, and the steps, for each axis in units of the axis. */
export interface Placement {
  readonly scale: readonly number[];
  readonly translation: readonly number[];
}

/** An image of several levels. */
export interface Multiscale {
  readonly roles: AxisRoles;
  readonly axisNames: readonly string[];
  /** Nanometres in the units of each axis; undefined where it has none of length. */
  readonly nanometres: readonly (number | undefined)[];
  /** Finest first. Undefined where nothing is said of the place. */
  readonly levels: readonly { readonly path: string; readonly placement: Placement | undefined }[];
  /** Whether it says itself that its values are labels. */
  readonly isLabel: boolean;
}

/** A level's size of voxels and first voxel, along x, y, z. */
export interface LevelPlace {
  readonly voxel: Vec3;
  readonly offset: Vec3;
}

/** Axes of versions without names. */
const OLD_AXES = ['t', 'c', 'z', 'y', 'x'];
const MAX_LEVELS = 32;
/** Offsets beyond this are of a microscope's stage, not of a grid. */
const MAX_OFFSET = 2 ** 30;

/** The metadata of OME in a group's attributes, wherever its version puts them. */
export function omeAttributes(attributes: Json): Json {
  const inner = attributes['ome'];
  return isObject(inner) ? inner : attributes;
}

/**
 * Reads the first of a group's `multiscales`.
 *
 * @param file what messages call the metadata.
 * @returns undefined where the group has none.
 * @throws BflyError UNSUPPORTED naming the field that is wrong and what would be right.
 */
export function readMultiscale(file: string, attributes: Json): Multiscale | undefined {
  const ome = omeAttributes(attributes);
  const list = ome['multiscales'];
  if (list === undefined) return undefined;
  const first: unknown = Array.isArray(list) ? list[0] : undefined;
  if (!isObject(first)) throw wrongField(file, 'multiscales', 'a list of at least one image', list);
  const { datasets } = first;
  if (!Array.isArray(datasets) || datasets.length === 0 || datasets.length > MAX_LEVELS)
    throw wrongField(file, 'multiscales[0].datasets', `a list of 1 to ${MAX_LEVELS} levels`, datasets);
  const axes = readAxes(file, first['axes'] ?? OLD_AXES);
  const roles = axisRoles(
    axes.map(({ name }) => name),
    true,
    axes.map(({ isSpace }) => isSpace),
  );
  if (roles === undefined)
    throw wrongField(file, 'multiscales[0].axes', 'two or three of space, and others', first['axes']);
  const whole = readPlacement(file, first['coordinateTransformations'], axes.length);
  const levels = datasets.map((dataset: unknown, i) => {
    const at = `multiscales[0].datasets[${i}]`;
    if (!isObject(dataset) || typeof dataset['path'] !== 'string')
      throw wrongField(file, `${at}.path`, 'a name', dataset);
    const own = readPlacement(file, dataset['coordinateTransformations'], axes.length);
    return { path: dataset['path'], placement: combined(own, whole) };
  });
  return {
    ...{
      roles,
      levels,
      axisNames: axes.map(({ name }) => name),
      nanometres: axes.map(({ unit }) => nanometresIn(unit)),
    },
    isLabel: ome['image-label'] !== undefined || attributes['image-label'] !== undefined,
  };
}

interface Axis {
  readonly name: string;
  readonly isSpace: boolean;
  readonly unit: unknown;
}

function readAxes(file: string, axes: unknown): readonly Axis[] {
  if (!Array.isArray(axes) || axes.length < 2)
    throw wrongField(file, 'multiscales[0].axes', 'a list of 2 to 5 axes', axes);
  return axes.map((axis: unknown) => {
    // Version 0.3 has names alone.
    const { name, type, unit }: Json = isObject(axis) ? axis : { name: axis };
    if (typeof name !== 'string') throw wrongField(file, 'multiscales[0].axes', 'axes with names', axes);
    return { name, unit, isSpace: type === undefined ? /^[xyz]$/i.test(name) : type === 'space' };
  });
}

function readPlacement(file: string, list: unknown, axes: number): Placement | undefined {
  if (list === undefined || list === null || (Array.isArray(list) && list.length === 0)) return undefined;
  if (!Array.isArray(list)) throw wrongField(file, 'coordinateTransformations', 'a list', list);
  let placement: Placement = { scale: Array(axes).fill(1), translation: Array(axes).fill(0) };
  for (const step of list) {
    const type = isObject(step) ? step['type'] : undefined;
    if (type === 'identity') continue;
    if (type !== 'scale' && type !== 'translation')
      throw wrongField(file, 'coordinateTransformations', 'of scale and translation', step);
    const values: unknown = isObject(step) ? step[type] : undefined;
    const isVector = Array.isArray(values) && values.length === axes && values.every(Number.isFinite);
    if (!isVector) throw wrongField(file, `coordinateTransformations: ${type}`, `${axes} numbers, one an axis`, values);
    const one = { scale: Array(axes).fill(1), translation: Array(axes).fill(0), [type]: values };
    placement = combined(placement, one) ?? placement;
  }
  return placement;
}

/** First the inner, then the outer. */
function combined(inner: Placement | undefined, outer: Placement | undefined): Placement | undefined {
  if (inner === undefined || outer === undefined) return inner ?? outer;
  const scale = inner.scale.map((value, axis) => value * (outer.scale[axis] ?? 1));
  const translation = inner.translation.map(
    (value, axis) => value * (outer.scale[axis] ?? 1) + (outer.translation[axis] ?? 0),
  );
  return { scale, translation };
}

/**
 * Sizes of voxels and first voxels of the levels of an image.
 *
 * A translation is the middle of a level's first voxel, which lies up to half a voxel further in than where the finest level begins
 * (means do so, nearest neighbours do not): rounding makes both the same.
 *
 * @param placements of the levels, finest first.
 * @param nanometres in the units of each axis.
 * @returns sizes in nanometres where the units of x, y and z are lengths, else relative to the finest level; undefined where nothing is known.
 */
export function levelPlaces(
  placements: readonly (Placement | undefined)[],
  roles: AxisRoles,
  nanometres: readonly (number | undefined)[],
): { readonly isKnown: boolean; readonly levels: readonly LevelPlace[] } | undefined {
  const finest = placements[0];
  if (finest === undefined) return undefined;
  // A plane has no depth of its own.
  const axes = [roles.x, roles.y, roles.z ?? roles.x];
  const sizes = axes.map((axis) => finest.scale[axis] ?? 0);
  if (!sizes.every((size) => size > 0)) return undefined;
  const nm = axes.map((axis) => nanometres[axis]);
  const isKnown = nm.every((factor) => factor !== undefined);
  const unit = axes.map((_, i) => (isKnown ? (nm[i] ?? 1) : 1 / (sizes[i] ?? 1)));
  const levels: LevelPlace[] = [];
  for (const placement of placements) {
    if (placement === undefined) return undefined;
    const scale = axes.map((axis, i) => (i === 2 && roles.z === undefined ? sizes[2] : placement.scale[axis]) ?? 0);
    if (!scale.every((size) => size > 0)) return undefined;
    const first = axes.map((axis, i) => {
      if (i === 2 && roles.z === undefined) return 0;
      const offset = Math.round((placement.translation[axis] ?? 0) / (scale[i] ?? 1));
      return Math.abs(offset) <= MAX_OFFSET ? offset + 0 : 0;
    });
    levels.push({ voxel: vec3(scale.map((size, i) => roundedNm(size * (unit[i] ?? 1)))), offset: vec3(first) });
  }
  return { isKnown, levels };
}

function vec3([x = 0, y = 0, z = 0]: readonly number[]): Vec3 {
  return [x, y, z];
}
