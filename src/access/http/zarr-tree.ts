/**
 * All metadata of a Zarr hierarchy by path, as one map: what is asked for is looked up in it, and what is consolidated is cut out of it.
 *
 * A channel is a group of levels `0`, `1`, …; an image also has `labels`, the segmentations of its dataset that lie on the same voxels.
 * A dataset is a group of its channels.
 */
import type { MipInfo } from '../../../protocol/volume.ts';
import type { Channel } from '../../core/channel.ts';
import {
  ARRAY_ATTRIBUTES_2,
  arrayMetadata,
  arrayMetadata2,
  type Json,
  omeAttributes,
  type ZarrVolume,
} from './zarr-metadata.ts';

/** A group or an array. */
export type ZarrNode =
  | { readonly kind: 'group'; readonly attributes: Json }
  | { readonly kind: 'array'; readonly volume: ZarrVolume; readonly mip: number };

/** Nodes by path below the hierarchy's root; '' is the root. */
export type ZarrTree = ReadonlyMap<string, ZarrNode>;

/** Wraps OME's attributes as a version of Zarr has them. */
const attributesOf = (version: 2 | 3, ome: Json): Json => (version === 2 ? ome : { ome: { version: '0.5', ...ome } });
const omeVersion = (version: 2 | 3): '0.4' | '0.5' => (version === 2 ? '0.4' : '0.5');

/**
 * The hierarchy of a channel.
 *
 * @param labels segmentations of the same voxels, by name.
 */
export function channelTree(version: 2 | 3, volume: ZarrVolume, labels: ReadonlyMap<string, ZarrVolume>): ZarrTree {
  const tree = new Map<string, ZarrNode>();
  addVolume(tree, '', version, volume);
  if (labels.size === 0) return tree;
  tree.set('labels', { kind: 'group', attributes: attributesOf(version, { labels: [...labels.keys()] }) });
  for (const [name, label] of labels) addVolume(tree, `labels/${name}`, version, label, '../../');
  return tree;
}

/** The hierarchy of a dataset: its channels by name, each with what it holds. */
export function datasetTree(channels: ReadonlyMap<string, ZarrTree>): ZarrTree {
  const tree = new Map<string, ZarrNode>([['', { kind: 'group', attributes: {} }]]);
  for (const [name, nodes] of channels) for (const [path, node] of nodes) tree.set(joined(name, path), node);
  return tree;
}

function addVolume(tree: Map<string, ZarrNode>, at: string, version: 2 | 3, volume: ZarrVolume, image?: string): void {
  const ome = omeAttributes(volume, omeVersion(version), image);
  tree.set(at, { kind: 'group', attributes: attributesOf(version, ome) });
  for (const mip of volume.channel.mips.keys()) tree.set(joined(at, String(mip)), { kind: 'array', volume, mip });
}

/** Whether labels can stand beside an image: OME wants as many levels of the same voxels. */
export function liesOn(label: Channel, image: Channel): boolean {
  if (label.type !== 'segmentation' || image.type !== 'image' || label.dtype === 'float32') return false;
  return (
    label.mips.length === image.mips.length &&
    label.mips.every((level, mip) => {
      const other = image.mips[mip] as MipInfo;
      return String([level.shape, level.offset, level.voxel]) === String([other.shape, other.offset, other.voxel]);
    })
  );
}

/** A v3 `zarr.json`; of a group with all that is below it. Undefined where there is no such node. */
export function zarrJson(tree: ZarrTree, path: string): Json | undefined {
  const node = tree.get(path);
  if (node === undefined) return undefined;
  const own = ownJson(node);
  if (node.kind === 'array') return own;
  const metadata = Object.fromEntries(below(tree, path).map(([name, child]) => [name, ownJson(child)]));
  return { ...own, consolidated_metadata: { kind: 'inline', must_understand: false, metadata } };
}

function ownJson(node: ZarrNode): Json {
  if (node.kind === 'array') return arrayMetadata(node.volume, node.mip);
  return { zarr_format: 3, node_type: 'group', attributes: node.attributes };
}

/** A v2 file of metadata, by its name; undefined where there is none such. */
export function zarr2Json(tree: ZarrTree, path: string, file: string): Json | undefined {
  const node = tree.get(path);
  if (node === undefined) return undefined;
  if (file !== '.zmetadata') return filesOf(node)[file];
  if (node.kind === 'array') return undefined;
  const all = [['', node] as const, ...below(tree, path)].flatMap(([name, child]) =>
    Object.entries(filesOf(child)).map(([key, value]) => [joined(name, key), value]),
  );
  return { zarr_consolidated_format: 1, metadata: Object.fromEntries(all) };
}

function filesOf(node: ZarrNode): Readonly<Record<string, Json>> {
  return node.kind === 'array'
    ? { '.zarray': arrayMetadata2(node.volume, node.mip), '.zattrs': ARRAY_ATTRIBUTES_2 }
    : { '.zgroup': { zarr_format: 2 }, '.zattrs': node.attributes };
}

/** Nodes below a path, by their paths from there. */
function below(tree: ZarrTree, path: string): (readonly [string, ZarrNode])[] {
  const prefix = path === '' ? '' : `${path}/`;
  return [...tree]
    .filter(([name]) => name !== path && name.startsWith(prefix))
    .map(([name, node]) => [name.slice(prefix.length), node] as const);
}

function joined(folder: string, name: string): string {
  return folder === '' || name === '' ? folder + name : `${folder}/${name}`;
}
