/** Groups and arrays of a Zarr hierarchy: what stands where. */
import { BflyError } from '../../protocol/errors.ts';
import { parseExactJson } from '../utility/exact-json.ts';
import type { ByteStore } from './byte-store.ts';
import { joinPath } from './name-path.ts';
import { isObject, type Json, readArrayV2, readArrayV3, wrongField, type ZarrArrayInfo } from './zarr-metadata.ts';

/** A group or an array. */
export interface ZarrNode {
  /** Path in the store, '' = its own folder. */
  readonly path: string;
  readonly version: 2 | 3;
  readonly kind: 'group' | 'array';
  readonly attributes: Json;
  /** Metadata of an array as they are written. */
  readonly json: Json;
  /** What messages call the metadata. */
  readonly file: string;
  /** Changes when the metadata do. */
  readonly stamp: string;
}

const MAX_METADATA_BYTES = 64 * 1024 * 1024;

/**
 * Looks at a place of a hierarchy.
 *
 * @returns undefined where nothing of Zarr is there.
 * @throws BflyError UNSUPPORTED where its metadata cannot be read, UNAVAILABLE where the server is away.
 */
export async function readNode(store: ByteStore, path: string): Promise<ZarrNode | undefined> {
  const third = await readJson(store, joinPath(path, 'zarr.json'));
  if (third !== undefined) {
    const { json, file, stamp } = third;
    const kind = json['node_type'];
    if (json['zarr_format'] !== 3) throw wrongField(file, 'zarr_format', '3', json['zarr_format']);
    if (kind !== 'array' && kind !== 'group') throw wrongField(file, 'node_type', '"array" or "group"', kind);
    const attributes = isObject(json['attributes']) ? json['attributes'] : {};
    return { path, version: 3, kind, attributes, json, file, stamp };
  }
  const [array, group, attributes] = await Promise.all(
    ['.zarray', '.zgroup', '.zattrs'].map((name) => readJson(store, joinPath(path, name))),
  );
  const found = array ?? group;
  if (found === undefined) return undefined;
  const { json, file } = found;
  if (json['zarr_format'] !== 2) throw wrongField(file, 'zarr_format', '2', json['zarr_format']);
  return {
    ...{ path, version: 2, json, kind: array === undefined ? 'group' : 'array' },
    attributes: attributes?.json ?? {},
    file: attributes !== undefined && array === undefined ? attributes.file : file,
    stamp: attributes === undefined ? found.stamp : `${found.stamp}:${attributes.stamp}`,
  };
}

/** What an array's metadata say. @throws BflyError UNSUPPORTED */
export function arrayInfo(node: ZarrNode): ZarrArrayInfo {
  return node.version === 3 ? readArrayV3(node.file, node.json) : readArrayV2(node.file, node.json, node.attributes);
}

/**
 * Names of what stands in a group.
 *
 * @returns undefined where that cannot be found out: over HTTP, without consolidated metadata.
 */
export async function childrenOf(store: ByteStore, node: ZarrNode): Promise<readonly string[] | undefined> {
  const listed = await store.folders(node.path);
  if (listed !== undefined) return listed;
  const inline = node.json['consolidated_metadata'];
  const all = isObject(inline) ? inline : (await readJson(store, joinPath(node.path, '.zmetadata')))?.json;
  const metadata = all?.['metadata'];
  if (!isObject(metadata)) return undefined;
  const names = Object.keys(metadata).flatMap((key) => {
    const [first, ...rest] = key.replace(/\/?\.z(array|group|attrs)$/, '').split('/');
    return first === undefined || first === '' || (rest.length === 0 && first.startsWith('.z')) ? [] : [first];
  });
  return [...new Set(names)].sort();
}

async function readJson(
  store: ByteStore,
  name: string,
): Promise<{ readonly json: Json; readonly file: string; readonly stamp: string } | undefined> {
  const file = `${name} of ${store.name}`;
  const found = await store.getStamped(name, MAX_METADATA_BYTES).catch((cause: unknown) => {
    if (cause instanceof BflyError && cause.code === 'UNAVAILABLE') throw cause;
    const why = cause instanceof BflyError ? `: ${cause.message}` : '';
    throw new BflyError('UNSUPPORTED', `${file} cannot be read${why}`, { cause });
  });
  if (found === undefined) return undefined;
  let json: unknown;
  try {
    // Fill values of 64 bits are exact.
    json = parseExactJson(found.bytes);
  } catch (cause) {
    throw new BflyError('UNSUPPORTED', `${file} is not JSON`, { cause });
  }
  if (!isObject(json)) throw wrongField(file, '', 'a JSON object', json);
  return { json, file, stamp: found.stamp };
}
