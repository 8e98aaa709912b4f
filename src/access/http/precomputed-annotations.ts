/**
 * Rows of tables as Neuroglancer's precomputed annotations: `<address>/annotations/<kind>/…`, where kind is neuron, synapse,
 * annotation-point, annotation-line, annotation-box or annotation-ellipsoid.
 *
 * - `info`; `by_id/<key>`; `rel_<relationship>/<segment>`; `spatial<level>/<i>_<j>_<k>`.
 *
 * Source: Neuroglancer, src/datasource/precomputed/annotations.md
 */
import type { Row, TableName } from '../../../protocol/edit-ops.ts';
import { type Box, type MipInfo, mipBox } from '../../../protocol/volume.ts';
import type { Core } from '../../core/core.ts';
import { cellBox, type GridLevel, gridLevels, levelOfKey, rankOf } from './annotation-grid.ts';
import { type AnnotationShape, encodeList, encodeOne, isDrawn, relatedTo } from './annotation-records.ts';
import type { WebAnswer } from './route.ts';
import type { AddressedVolume } from './volume-address.ts';

/** What one directory holds. */
interface Kind {
  readonly table: TableName;
  readonly shape: AnnotationShape;
  /** Names of relationships, in the order in which records have them. */
  readonly relationships: readonly string[];
}

const KINDS: Readonly<Record<string, Kind>> = {
  neuron: { table: 'neuron', shape: 'point', relationships: ['segment'] },
  synapse: { table: 'synapse', shape: 'point', relationships: ['pre', 'post'] },
  'annotation-point': { table: 'annotation', shape: 'point', relationships: ['segments'] },
  'annotation-line': { table: 'annotation', shape: 'line', relationships: ['segments'] },
  'annotation-box': { table: 'annotation', shape: 'box', relationships: ['segments'] },
  'annotation-ellipsoid': { table: 'annotation', shape: 'ellipsoid', relationships: ['segments'] },
};

const ID = /^(0|[1-9]\d{0,19})$/;
const CELL = /^(0|[1-9]\d{0,6})_(0|[1-9]\d{0,6})_(0|[1-9]\d{0,6})$/;
const TWO_64 = 1n << 64n;
const NANO = 1e-9;

/** A page of a volume's annotations. @param names behind `annotations`. */
export async function annotationPage(
  core: Core,
  volume: AddressedVolume,
  names: readonly string[],
): Promise<WebAnswer | undefined> {
  const [name = '', folder = '', file, ...more] = names;
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  if (kind === undefined || more.length > 0) return undefined;
  const pages = new Pages(core, volume, kind);
  if (file === undefined) return folder === 'info' ? pages.info() : undefined;
  if (folder === 'by_id') return pages.byId(file);
  if (folder.startsWith('rel_')) return pages.related(folder.slice('rel_'.length), file);
  return folder.startsWith('spatial') ? pages.cell(folder.slice('spatial'.length), file) : undefined;
}

/** The pages of one directory. */
class Pages {
  readonly #core: Core;
  readonly #volume: AddressedVolume;
  readonly #kind: Kind;
  readonly #bounds: Box;

  constructor(core: Core, volume: AddressedVolume, kind: Kind) {
    this.#core = core;
    this.#volume = volume;
    this.#kind = kind;
    this.#bounds = mipBox(this.#finest);
  }

  get #finest(): MipInfo {
    return this.#volume.channel.mips[0] as MipInfo;
  }

  async info(): Promise<WebAnswer> {
    const { voxel } = this.#finest;
    const [x0, y0, z0, x1, y1, z1] = this.#bounds;
    const { shape, relationships } = this.#kind;
    const info = {
      '@type': 'neuroglancer_annotations_v1',
      dimensions: { x: [voxel[0] * NANO, 'm'], y: [voxel[1] * NANO, 'm'], z: [voxel[2] * NANO, 'm'] },
      lower_bound: [x0, y0, z0],
      upper_bound: [x1, y1, z1],
      annotation_type: { point: 'POINT', line: 'LINE', box: 'AXIS_ALIGNED_BOUNDING_BOX', ellipsoid: 'ELLIPSOID' }[
        shape
      ],
      properties: [],
      relationships: relationships.map((id) => ({ id, key: `rel_${id}` })),
      by_id: { key: 'by_id' },
      spatial: (await this.#levels()).map(({ grid, cell, limit }, level) => ({
        ...{ key: `spatial${level}`, grid_shape: grid, chunk_size: cell, limit },
      })),
    };
    return { type: 'application/json', body: JSON.stringify(info) };
  }

  async byId(id: string): Promise<WebAnswer | undefined> {
    const key = idOf(id);
    const { table, shape, relationships } = this.#kind;
    const row = key === undefined ? undefined : await this.#core.rows.row(this.#volume.channel, table, key);
    return row !== undefined && isDrawn(row, shape) ? binary(encodeOne(row, shape, relationships)) : undefined;
  }

  async related(relationship: string, id: string): Promise<WebAnswer | undefined> {
    const segment = idOf(id);
    const { relationships, table } = this.#kind;
    if (segment === undefined || !relationships.includes(relationship)) return undefined;
    if (table === 'neuron') {
      const row = await this.#core.rows.row(this.#volume.channel, table, segment);
      return this.#list(row === undefined ? [] : [row]);
    }
    const wanted = (row: Row): boolean => relatedTo(row, relationship).includes(segment);
    const { channel } = this.#volume;
    const { rows } = this.#core;
    if (relationship === 'pre' || relationship === 'post')
      return this.#list(await rows.joined({ channel, end: relationship, segment }, wanted));
    // Annotations come from edits alone.
    return this.#list(await rows.find({ channel, table }, wanted));
  }

  async cell(level: string, name: string): Promise<WebAnswer | undefined> {
    const levels = await this.#levels();
    const at = ID.test(level) ? levels[Number(level)] : undefined;
    const [, i, j, k] = CELL.exec(name) ?? [];
    if (at === undefined || i === undefined) return undefined;
    const box = cellBox(at, this.#bounds, [Number(i), Number(j), Number(k)]);
    if (box === undefined) return undefined;
    const { channel } = this.#volume;
    const here = Number(level);
    const isHere = (row: Row): boolean => levelOfKey(levels, row.key) === here;
    return this.#list(await this.#core.rows.find({ channel, table: this.#kind.table, box }, isHere));
  }

  async #levels(): Promise<readonly GridLevel[]> {
    return gridLevels(this.#finest, await this.#core.rows.count(this.#volume.channel, this.#kind.table));
  }

  #list(rows: readonly Row[]): WebAnswer {
    const { shape } = this.#kind;
    const drawn = rows.filter((row) => isDrawn(row, shape));
    // Of long lists clients draw the first so many: those shall be from everywhere, and the same each time.
    drawn.sort((a, b) => rankOf(a.key) - rankOf(b.key) || (a.key < b.key ? -1 : 1));
    return binary(encodeList(drawn, shape));
  }
}

const binary = (body: Uint8Array): WebAnswer => ({ type: 'application/octet-stream', body, compressible: true });

function idOf(text: string): bigint | undefined {
  if (!ID.test(text)) return undefined;
  const id = BigInt(text);
  return id < TWO_64 ? id : undefined;
}
