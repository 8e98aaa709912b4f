/** Which volumes a Zarr hierarchy holds: images with their levels, label images, and arrays that stand alone. */
import { BflyError } from '../../protocol/errors.ts';
import { type AxisRoles, axisRoles, type ExtraAxis } from './axis-choice.ts';
import type { ByteStore } from './byte-store.ts';
import { isInside, joinPath } from './name-path.ts';
import { nanometresIn } from './space-units.ts';
import type { ZarrArrayInfo } from './zarr-metadata.ts';
import { type LevelPlace, levelPlaces, omeAttributes, type Placement, readMultiscale } from './zarr-multiscale.ts';
import { arrayInfo, childrenOf, readNode, type ZarrNode } from './zarr-node.ts';

/** A volume of a hierarchy, or several where its arrays have further axes. */
export interface ZarrVolume {
  /** Path of the group or array in the store. */
  readonly path: string;
  readonly roles: AxisRoles;
  readonly extra: readonly ExtraAxis[];
  readonly levels: readonly { readonly path: string; readonly info: ZarrArrayInfo; readonly place: LevelPlace }[];
  readonly voxelKnown: boolean;
  readonly isLabel: boolean;
  readonly stamps: readonly string[];
}

/** What stands somewhere in a hierarchy: a volume, or why it is none. */
export type ZarrFinding =
  | { readonly path: string; readonly volume: ZarrVolume }
  | { readonly path: string; readonly fault: string };

const MAX_DEPTH = 5;
const MAX_NODES = 2_000;
/** Images of a file of a microscope are numbered. */
const MAX_SERIES = 64;

/**
 * Finds all volumes at and below a node: the image of a group with its labels; else what is in the group.
 *
 * @throws BflyError UNAVAILABLE where the server is away.
 */
export async function findZarrVolumes(store: ByteStore, node: ZarrNode): Promise<ZarrFinding[]> {
  const findings: ZarrFinding[] = [];
  let nodes = 0;
  const walk = async (at: ZarrNode, depth: number): Promise<void> => {
    if (++nodes > MAX_NODES || depth > MAX_DEPTH) return;
    const found = await readVolume(store, at).catch(faultOf);
    if (typeof found === 'string') findings.push({ path: at.path, fault: found });
    else if (found !== undefined) findings.push({ path: at.path, volume: found });
    const inside = found === undefined ? await namesIn(store, at) : await labelsOf(store, at);
    for (const name of inside) {
      const child = await readNode(store, joinPath(at.path, name)).catch(faultOf);
      if (typeof child === 'string') findings.push({ path: joinPath(at.path, name), fault: child });
      else if (child !== undefined) await walk(child, depth + 1);
    }
  };
  await walk(node, 0);
  return findings;
}

function faultOf(error: unknown): string {
  if (error instanceof BflyError && (error.code === 'UNSUPPORTED' || error.code === 'NOT_FOUND')) return error.message;
  throw error;
}

/** Names of label images beside an image, relative to its group. */
async function labelsOf(store: ByteStore, { path, kind }: ZarrNode): Promise<readonly string[]> {
  if (kind === 'array') return [];
  const labels = await readNode(store, joinPath(path, 'labels'));
  if (labels === undefined) return [];
  const listed = omeAttributes(labels.attributes)['labels'];
  const names = Array.isArray(listed) ? listed.filter((name) => typeof name === 'string') : [];
  const found = names.length > 0 ? names : ((await childrenOf(store, labels)) ?? []);
  return found.filter(isInside).map((name) => joinPath('labels', name));
}

async function namesIn(store: ByteStore, node: ZarrNode): Promise<readonly string[]> {
  if (node.kind === 'array') return [];
  const known = await childrenOf(store, node);
  if (known !== undefined) return known.filter((name) => name !== 'OME');
  // Written by bioformats2raw: one image or more, by number.
  if (omeAttributes(node.attributes)['bioformats2raw.layout'] === undefined) return [];
  const names: string[] = [];
  for (let i = 0; i < MAX_SERIES && (await readNode(store, joinPath(node.path, String(i)))) !== undefined; i++)
    names.push(String(i));
  return names;
}

/**
 * Reads the volume that a node is.
 *
 * @returns undefined where it is a group of other things.
 * @throws BflyError UNSUPPORTED where it is one that cannot be read; UNAVAILABLE.
 */
export async function readVolume(store: ByteStore, node: ZarrNode): Promise<ZarrVolume | undefined> {
  if (node.kind === 'array') return arrayVolume(node, arrayInfo(node));
  const image = readMultiscale(node.file, node.attributes);
  if (image === undefined) return undefined;
  const nodes = await Promise.all(image.levels.map(({ path }) => levelNode(store, node, path)));
  const infos = nodes.map((level) => arrayInfo(level));
  checkLevels(node, infos, image.axisNames.length);
  const placements = image.levels.map(({ placement }) => placement);
  const places = levelPlaces(placements, image.roles, image.nanometres) ?? unplaced(infos, image.roles);
  return {
    path: node.path,
    roles: image.roles,
    extra: extraAxes(image.roles, image.axisNames, infos),
    levels: infos.map((info, i) => ({
      ...{ info, place: places.levels[i] as LevelPlace },
      path: joinPath(node.path, image.levels[i]?.path ?? ''),
    })),
    voxelKnown: places.isKnown,
    isLabel: image.isLabel || /(^|\/)labels\/[^/]+$/.test(node.path),
    stamps: [node.stamp, ...nodes.map(({ stamp }) => stamp)],
  };
}

async function levelNode(store: ByteStore, group: ZarrNode, path: string): Promise<ZarrNode> {
  const isGood = isInside(path);
  const level = isGood ? await readNode(store, joinPath(group.path, path)) : undefined;
  if (level?.kind === 'array') return level;
  const what = store.refused ? ', or the server refuses (403) to give it' : '';
  throw new BflyError('UNSUPPORTED', `${group.file}: its level "${path}" is no array inside it${what}`);
}

function checkLevels(node: ZarrNode, infos: readonly ZarrArrayInfo[], axes: number): void {
  for (const { shape, type } of infos) {
    if (shape.length !== axes)
      throw new BflyError(
        'UNSUPPORTED',
        `${node.file}: its levels have ${shape.length} axes, its multiscales name ${axes}: as many would be right`,
      );
    if (type.dtype !== infos[0]?.type.dtype)
      throw new BflyError(
        'UNSUPPORTED',
        `${node.file}: its levels are of several types, ${infos[0]?.type.name} and ${type.name}`,
      );
  }
}

function extraAxes(roles: AxisRoles, names: readonly string[], infos: readonly ZarrArrayInfo[]): readonly ExtraAxis[] {
  return roles.others.map((axis) => ({
    axis,
    name: names[axis] ?? `axis${axis}`,
    // Where a coarser level has fewer, there are no more.
    size: Math.min(...infos.map(({ shape }) => shape[axis] ?? 1)),
  }));
}

/** Levels whose place is not said: how much coarser one is follows from its shape. */
function unplaced(
  infos: readonly ZarrArrayInfo[],
  roles: AxisRoles,
): { readonly isKnown: boolean; readonly levels: readonly LevelPlace[] } {
  const levels = infos.map(({ shape }): LevelPlace => {
    const factor = (axis: number | undefined): number =>
      axis === undefined ? 1 : Math.max(1, Math.round((infos[0]?.shape[axis] ?? 1) / (shape[axis] ?? 1)));
    return { voxel: [factor(roles.x), factor(roles.y), factor(roles.z)], offset: [0, 0, 0] };
  });
  return { isKnown: false, levels };
}

/** An array that stands alone. Its voxel size may be said as funlib's and CREMI's tools do. */
function arrayVolume(node: ZarrNode, info: ZarrArrayInfo): ZarrVolume {
  const names = info.axisNames ?? info.shape.map((_, axis) => (info.shape.length - axis > 3 ? `axis${axis}` : ''));
  const roles = axisRoles(names, true);
  if (roles === undefined || roles.others.some((axis) => names[axis] === ''))
    throw new BflyError(
      'UNSUPPORTED',
      `${node.file}: it has ${info.shape.length} axes, ${info.shape.join('×')}; z, y, x, or y, x, and others before them would be right`,
    );
  const places = namedPlace(node, info, roles) ?? unplaced([info], roles);
  return {
    ...{ path: node.path, roles, extra: extraAxes(roles, names, [info]), stamps: [node.stamp] },
    levels: [{ path: node.path, info, place: places.levels[0] as LevelPlace }],
    voxelKnown: places.isKnown,
    isLabel: node.attributes['image-label'] !== undefined,
  };
}

function namedPlace(node: ZarrNode, { shape }: ZarrArrayInfo, roles: AxisRoles): ReturnType<typeof levelPlaces> {
  const { attributes } = node;
  const scale = vectorOf(attributes['voxel_size'] ?? attributes['resolution'], shape.length);
  if (scale === undefined) return undefined;
  const units = attributes['units'];
  const nanometres = shape.map((_, axis) => nanometresIn(Array.isArray(units) ? units[axis] : (units ?? 'nm')));
  const corner = vectorOf(attributes['offset'], shape.length) ?? shape.map(() => 0);
  // Theirs is the corner of the first voxel, that of OME its middle: for a single level the difference is none.
  const placement: Placement = { scale, translation: corner };
  return levelPlaces([placement], roles, nanometres);
}

/** Numbers for the last axes, or all. */
function vectorOf(value: unknown, axes: number): number[] | undefined {
  if (!Array.isArray(value) || value.length > axes || value.length < 2 || !value.every(Number.isFinite))
    return undefined;
  return [...Array(axes - value.length).fill(1), ...value];
}
