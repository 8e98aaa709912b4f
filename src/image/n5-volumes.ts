/**
 * Which volumes an N5 container holds: datasets, and pyramids of datasets s0, s1, … in a group.
 *
 * Source: saalfeldlab/n5-viewer, "Metadata" (pixelResolution, downsamplingFactors; deprecated: scales); COSEM, "transform"
 */
import { BflyError } from '../../protocol/errors.ts';
import { type AxisRoles, axisRoles, type ExtraAxis } from './axis-choice.ts';
import type { ByteStore } from './byte-store.ts';
import { isN5Dataset, type N5Info, noVolume, readN5Info } from './n5-dataset.ts';
import { joinPath } from './name-path.ts';
import { nanometresIn } from './space-units.ts';
import { isObject, type Json, wrongField } from './zarr-metadata.ts';
import { type LevelPlace, levelPlaces, type Placement } from './zarr-multiscale.ts';

/** A volume, or several where its datasets have further axes. */
export interface N5Volume {
  readonly path: string;
  readonly roles: AxisRoles;
  readonly extra: readonly ExtraAxis[];
  readonly levels: readonly { readonly path: string; readonly info: N5Info; readonly place: LevelPlace }[];
  readonly voxelKnown: boolean;
  readonly stamps: readonly string[];
}

/** A place with attributes. */
export interface N5Node {
  readonly path: string;
  readonly json: Json;
  readonly file: string;
  readonly stamp: string;
}

/** What stands somewhere in a container: a volume, or why it is none. */
export type N5Finding =
  | { readonly path: string; readonly volume: N5Volume }
  | { readonly path: string; readonly fault: string };

const MAX_ATTRIBUTES_BYTES = 16 * 1024 * 1024;
const MAX_DEPTH = 6;
const MAX_NODES = 2_000;
const MAX_LEVELS = 32;
const AXES = ['x', 'y', 'z', 'c', 't'];

/**
 * Reads the attributes of a place.
 *
 * @returns undefined where it has none.
 * @throws BflyError UNSUPPORTED where they cannot be read; UNAVAILABLE.
 */
export async function readN5Node(store: ByteStore, path: string): Promise<N5Node | undefined> {
  const name = joinPath(path, 'attributes.json');
  const file = `${name} of ${store.name}`;
  const found = await store.getStamped(name, MAX_ATTRIBUTES_BYTES).catch((cause: unknown) => {
    if (cause instanceof BflyError && cause.code === 'UNAVAILABLE') throw cause;
    throw new BflyError('UNSUPPORTED', `${file} cannot be read`, { cause });
  });
  if (found === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(found.bytes).toString('utf8'));
  } catch (cause) {
    throw new BflyError('UNSUPPORTED', `${file} is not JSON`, { cause });
  }
  if (!isObject(json)) throw wrongField(file, '', 'a JSON object', json);
  return { path, json, file, stamp: found.stamp };
}

/** Finds all volumes at and below a place. @throws BflyError UNAVAILABLE where the server is away. */
export async function findN5Volumes(store: ByteStore, root: N5Node): Promise<N5Finding[]> {
  const findings: N5Finding[] = [];
  let nodes = 0;
  const walk = async (path: string, depth: number, known?: N5Node): Promise<void> => {
    if (++nodes > MAX_NODES || depth > MAX_DEPTH) return;
    const found = await volumeAt(store, path, known).catch((error: unknown) => {
      if (!(error instanceof BflyError) || error.code === 'UNAVAILABLE') throw error;
      return error.message;
    });
    if (typeof found === 'string') findings.push({ path, fault: found });
    else if (found !== undefined) findings.push({ path, volume: found });
    else for (const name of (await store.folders(path)) ?? []) await walk(joinPath(path, name), depth + 1);
  };
  await walk(root.path, 0, root);
  return findings;
}

async function volumeAt(store: ByteStore, path: string, known: N5Node | undefined): Promise<N5Volume | undefined> {
  const node = known ?? (await readN5Node(store, path));
  return node === undefined ? groupVolume(store, { path, json: {}, file: '', stamp: '-' }) : readN5Volume(store, node);
}

/**
 * Reads the volume that a place is.
 *
 * @returns undefined where it is a group of other things.
 * @throws BflyError UNSUPPORTED where it is one that cannot be read; UNAVAILABLE.
 */
export async function readN5Volume(store: ByteStore, node: N5Node): Promise<N5Volume | undefined> {
  return isN5Dataset(node.json) ? volumeOf(node, [node]) : groupVolume(store, node);
}

async function groupVolume(store: ByteStore, group: N5Node): Promise<N5Volume | undefined> {
  const levels: N5Node[] = [];
  while (levels.length < MAX_LEVELS) {
    const level = await readN5Node(store, joinPath(group.path, `s${levels.length}`));
    if (level === undefined || !isN5Dataset(level.json)) break;
    levels.push(level);
  }
  return levels.length === 0 ? undefined : volumeOf(group, levels);
}

function volumeOf(group: N5Node, levels: readonly N5Node[]): N5Volume {
  const infos = levels.map(({ file, json }) => readN5Info(file, json));
  const first = infos[0] as N5Info;
  for (const { shape, type } of infos)
    if (shape.length !== first.shape.length || type.dtype !== first.type.dtype)
      throw new BflyError(
        'UNSUPPORTED',
        `${group.file || 'a pyramid'}: its levels differ in type or number of axes: all alike would be right`,
      );
  const names = axisNames(group.json, levels[0]?.json ?? {}, first.shape.length);
  const roles = axisRoles(names, false);
  if (roles === undefined) throw noVolume(levels[0]?.file ?? '', first);
  const places = placesOf(group.json, levels, infos, names, roles);
  return {
    ...{ path: group.path, roles, voxelKnown: places.isKnown },
    extra: roles.others.map((axis) => ({
      axis,
      name: names[axis] ?? `axis${axis}`,
      size: Math.min(...infos.map(({ shape }) => shape[axis] ?? 1)),
    })),
    levels: infos.map((info, i) => ({ info, path: levels[i]?.path ?? '', place: places.levels[i] as LevelPlace })),
    stamps: [group, ...levels.filter((level) => level !== group)].map(({ stamp }) => stamp),
  };
}

function axisNames(group: Json, level: Json, count: number): readonly string[] {
  const given = group['axes'] ?? level['axes'];
  if (Array.isArray(given) && given.length === count && given.every((name) => typeof name === 'string')) return given;
  return Array.from({ length: count }, (_, axis) => AXES[axis] ?? `axis${axis}`);
}

function placesOf(
  group: Json,
  levels: readonly N5Node[],
  infos: readonly N5Info[],
  names: readonly string[],
  roles: AxisRoles,
): { readonly isKnown: boolean; readonly levels: readonly LevelPlace[] } {
  const transforms = levels.map(({ json }) => transformOf(json['transform'], names));
  const nanometres = transforms[0]?.nanometres;
  const transformed =
    nanometres === undefined
      ? undefined
      : levelPlaces(
          transforms.map((one) => one?.placement),
          roles,
          nanometres,
        );
  if (transformed !== undefined) return transformed;
  const base = baseSize(group, levels[0]?.json ?? {}, names.length);
  const placements = infos.map((info, i): Placement => {
    const factors = factorsOf(group, levels[i]?.json ?? {}, i, infos[0] as N5Info, info);
    const scale = factors.map((factor, axis) => factor * (base?.sizes[axis] ?? 1));
    return { scale, translation: factors.map(() => 0) };
  });
  const found = levelPlaces(placements, roles, base?.nanometres ?? []);
  return found ?? { isKnown: false, levels: infos.map(() => ({ voxel: [1, 1, 1], offset: [0, 0, 0] })) };
}

/** How much coarser a level is: as it says itself, as its group says, or as its shape says. */
function factorsOf(group: Json, level: Json, i: number, finest: N5Info, info: N5Info): readonly number[] {
  const { scales } = group;
  const given = vectorOf(level['downsamplingFactors']) ?? (Array.isArray(scales) ? vectorOf(scales[i]) : undefined);
  if (given?.length === info.shape.length && given.every((factor) => factor > 0)) return given;
  return info.shape.map((size, axis) => Math.max(1, Math.round((finest.shape[axis] ?? size) / size)));
}

/** Size of a voxel of the finest level, and what its units are. */
function baseSize(
  group: Json,
  level: Json,
  axes: number,
): { readonly sizes: readonly number[]; readonly nanometres: readonly (number | undefined)[] } | undefined {
  for (const json of [group, level]) {
    const { pixelResolution, resolution, units, unit } = json;
    const inner = isObject(pixelResolution) ? pixelResolution : {};
    const sizes = vectorOf(inner['dimensions']) ?? vectorOf(pixelResolution) ?? vectorOf(resolution);
    if (sizes === undefined || !sizes.every((size) => size > 0)) continue;
    const given = inner['unit'] ?? units ?? unit ?? (vectorOf(resolution) === undefined ? 'um' : 'nm');
    const nanometres = Array.from({ length: axes }, (_, axis) =>
      nanometresIn(Array.isArray(given) ? given[axis] : given),
    );
    return { sizes, nanometres };
  }
  return undefined;
}

/** COSEM's transform of a level: axes by name, in any order. */
function transformOf(
  value: unknown,
  names: readonly string[],
): { readonly placement: Placement; readonly nanometres: readonly (number | undefined)[] } | undefined {
  if (!isObject(value)) return undefined;
  const { axes, units } = value;
  const [scale, translate] = [vectorOf(value['scale']), vectorOf(value['translate'])];
  if (!Array.isArray(axes) || !Array.isArray(units) || scale === undefined) return undefined;
  const places = names.map((name) => axes.indexOf(name));
  if (places.some((place) => place < 0)) return undefined;
  return {
    placement: {
      scale: places.map((place) => scale[place] ?? 1),
      translation: places.map((place) => translate?.[place] ?? 0),
    },
    nanometres: places.map((place) => nanometresIn(units[place])),
  };
}

function vectorOf(value: unknown): readonly number[] | undefined {
  return Array.isArray(value) && value.length > 0 && value.every(Number.isFinite) ? value : undefined;
}
