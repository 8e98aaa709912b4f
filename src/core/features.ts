/** Answers of FEATURE: questions to the tables of a dataset, as edits left them, and to voxels by the ids of tables. Rules [I6], [I7]. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Row, TableName } from '../../protocol/edit-ops.ts';
import { BflyError } from '../../protocol/errors.ts';
import { pack } from '../../protocol/msgpack.ts';
import { type Box, type MipInfo, mipBox, type Vec3 } from '../../protocol/volume.ts';
import { extentOf, meets, type SpaceBox } from '../database/spatial-index.ts';
import { keypoint, roleIn, synapseParent, type TableView } from '../database/table-view.ts';
import type { DatabaseLayer } from '../database/tables.ts';
import { type InfoQuery, levelOf } from '../query/query.ts';
import type { Channel } from './channel.ts';
import { listVoxels, type VoxelCore } from './voxel-list.ts';

/** What FEATURE asks for. */
export interface FeatureQuery extends InfoQuery {
  readonly feature: string;
  readonly key?: bigint;
  /** In voxels of `mip`; unset: everything. */
  readonly box?: Box;
  /** Default 0. */
  readonly mip?: number;
  /** Key that a page begins behind. */
  readonly after?: bigint;
}

/** A feature's value; `after` where a further page follows. */
export interface FeatureAnswer {
  readonly value: unknown;
  readonly after?: bigint;
}

/** What questions to tables need of the Core. */
export interface FeatureCore extends VoxelCore {
  /** Children of a path. @throws BflyError NOT_FOUND where the path is not there. */
  getGroups(path: string): { readonly entries: readonly { readonly path: string }[] };
  updateQuery(query: InfoQuery): Promise<Channel>;
  /** Distinct ids of a box, ascending. */
  findUnique(
    query: { readonly path: string; readonly mip: number; readonly box: Box },
    maxVoxels: number,
    signal?: AbortSignal,
  ): Promise<BigUint64Array>;
}

/** What `Features` is made of. */
export interface FeaturesOptions {
  readonly core: FeatureCore;
  readonly tables: DatabaseLayer;
  /** Number of a channel in the store; undefined where it was never opened, so that nothing can have been edited. */
  numberOf(path: string): number | undefined;
}

/** Ids of a page: 8 bytes each stay under 64 KiB. */
const PAGE_IDS = 8_000;
/** Entries of a page of `neuron_children`: 22 bytes each at most. */
const PAGE_CHILDREN = 2_500;
/** Bytes of the rows of a page. */
const PAGE_BYTES = 60_000;
/** Longer lists of ids are `bin`. Rule [F15]. */
const MOST_IDS_IN_ARRAY = 16;
/** Rows that are looked at in order of space before it is tried in order of keys, where a page can end early. */
const MOST_SORTED_ROWS = 65_536;
/** How long the event loop may be held, ms. */
const SLICE_MS = 4;

/** A question that was checked. */
interface Question {
  readonly query: FeatureQuery;
  readonly view: TableView;
  readonly maxVoxels: number;
  readonly signal: AbortSignal | undefined;
}

type Answer = (features: Features, question: Question) => FeatureAnswer | Promise<FeatureAnswer>;

const FEATURES: Readonly<Record<string, Answer>> = {
  is_synapse: (_, { query, view }) => ({ value: view.has('synapse', idOf(query)) }),
  is_neuron: (_, { query, view }) => ({ value: view.has('neuron', idOf(query)) }),
  synapse_keypoint: (features, question) => features.keypoint('synapse', question),
  neuron_keypoint: (features, question) => features.keypoint('neuron', question),
  synapse_parent: (_, { query, view }) => ({ value: parentOf(view, idOf(query)) }),
  neuron_children: (features, question) => features.neuronChildren(question),
  synapse_ids: (features, question) => features.synapseIds(question),
  all_neurons: (features, question) => features.allNeurons(question),
  neuron_ids: (features, question) => features.neuronIds(question),
  voxel_list: (features, question) => features.voxelList(question),
  neuron_rows: (features, question) => features.rows('neuron', question),
  synapse_rows: (features, question) => features.rows('synapse', question),
  annotation_rows: (features, question) => features.rows('annotation', question),
};

/** Names of all features. */
export const FEATURE_NAMES: readonly string[] = Object.keys(FEATURES);
/** Features that look through a box, and so may take a while. */
const QUICK: readonly string[] = ['is_synapse', 'is_neuron', 'synapse_keypoint', 'neuron_keypoint', 'synapse_parent'];

/** Whether a feature is answered by a look-up. */
export function isQuickFeature(feature: string): boolean {
  return QUICK.includes(feature);
}

/** Answers questions to tables. */
export class Features {
  readonly #core: FeatureCore;
  readonly #tables: DatabaseLayer;
  readonly #numberOf: (path: string) => number | undefined;

  constructor(options: FeaturesOptions) {
    this.#core = options.core;
    this.#tables = options.tables;
    this.#numberOf = options.numberOf;
  }

  /**
   * Answers a FEATURE; waits for tables that are being loaded.
   *
   * @param maxVoxels voxels that it may look at.
   * @throws BflyError NOT_FOUND for an unknown path; BAD_REQUEST for an unknown feature, or an option that is missing; OUT_OF_BOUNDS for
   *   an unknown mip; TOO_LARGE; UNSUPPORTED for voxels that are no ids.
   */
  async answer(query: FeatureQuery, maxVoxels: number, signal?: AbortSignal): Promise<FeatureAnswer> {
    const { path, feature } = query;
    const answer = Object.hasOwn(FEATURES, feature) ? FEATURES[feature] : undefined;
    if (answer === undefined) throw new BflyError('BAD_REQUEST', `feature must be one of ${FEATURE_NAMES.join(', ')}`);
    this.#core.getGroups(path);
    const depth = path.split('/').length;
    if (depth < 3)
      throw new BflyError('BAD_REQUEST', 'FEATURE asks a dataset or a channel: path must have 3 or 4 segments');
    await this.#tables.ready(path);
    const view = this.#tables.view(path, depth === 4 ? this.#numberOf(path) : undefined);
    return answer(this, { query, view, maxVoxels, signal });
  }

  /** Where a row is. */
  async keypoint(table: TableName, { query, view }: Question): Promise<FeatureAnswer> {
    const point = keypoint(view, table, idOf(query), await this.#scale(query));
    return { value: point === undefined ? {} : { x: point[0], y: point[1], z: point[2] } };
  }

  /** Synapses of a neuron, and what it is to each. */
  async neuronChildren(question: Question): Promise<FeatureAnswer> {
    const neuron = idOf(question.query);
    const isChild = (row: Row): boolean => roleIn(row, neuron) !== 0;
    const { rows, after } = await this.#collect('synapse', question, PAGE_CHILDREN, isChild);
    const value = Object.fromEntries(rows.map((row) => [String(row.key), roleIn(row, neuron)]));
    return { value, ...after };
  }

  /** Synapses in a box. */
  async synapseIds(question: Question): Promise<FeatureAnswer> {
    const { rows, after } = await this.#collect('synapse', question, PAGE_IDS);
    return { value: listOf(rows.map(({ key }) => key)), ...after };
  }

  /** All neurons. */
  async allNeurons({ query: { box: _, ...query }, ...rest }: Question): Promise<FeatureAnswer> {
    const { rows, after } = await this.#collect('neuron', { query, ...rest }, PAGE_IDS);
    return { value: listOf(rows.map(({ key }) => key)), ...after };
  }

  /** Neurons that have voxels in a box. */
  async neuronIds({ query, view, maxVoxels, signal }: Question): Promise<FeatureAnswer> {
    const { path, mip = 0, after = -1n } = query;
    const { channel } = await this.#channel(query);
    const box = query.box ?? mipBox(levelOf(channel.mips, mip));
    const pause = slices(signal);
    const found: bigint[] = [];
    for (const id of await this.#core.findUnique({ path, mip, box }, maxVoxels, signal)) {
      await pause();
      if (id > after && view.has('neuron', id)) found.push(id);
      if (found.length > PAGE_IDS) break;
    }
    const page = found.slice(0, PAGE_IDS);
    return { value: listOf(page), ...(found.length > PAGE_IDS ? { after: page.at(-1) as bigint } : {}) };
  }

  /** Voxels of a box that have an id. */
  async voxelList({ query, maxVoxels, signal }: Question): Promise<FeatureAnswer> {
    const id = idOf(query);
    const { channel, level } = await this.#channel(query);
    const box = query.box ?? mipBox(level);
    return {
      value: await listVoxels(this.#core, channel, query.mip ?? 0, box, id, { maxVoxels, pause: slices(signal) }),
    };
  }

  /** Rows whose place meets a box, ascending, as many as an answer may hold. */
  async rows(table: TableName, question: Question): Promise<FeatureAnswer> {
    const { rows, after } = await this.#collect(table, question, PAGE_IDS);
    let bytes = 0;
    const fit = rows.findIndex((row) => {
      bytes += pack(row).length;
      return bytes > PAGE_BYTES;
    });
    if (fit < 0) return { value: rows, ...after };
    const last = rows[fit - 1];
    if (last !== undefined) return { value: rows.slice(0, fit), after: last.key };
    const key = (rows[0] as Row).key;
    throw new BflyError('TOO_LARGE', `the row ${key} alone is larger than an answer may be; go on with after: ${key}`, {
      details: { key },
    });
  }

  /** The first rows of a page: those behind `after` that meet the box, by their keys. */
  async #collect(
    table: TableName,
    { query, view, signal }: Question,
    most: number,
    accept: (row: Row) => boolean = () => true,
  ): Promise<{ readonly rows: Row[]; readonly after: { readonly after?: bigint } }> {
    const box = query.box === undefined ? undefined : scaled(query.box, await this.#scale(query));
    const pause = slices(signal);
    const { after: behind } = query;
    const isWanted = (row: Row): boolean => (behind === undefined || row.key > behind) && accept(row);
    const found =
      (box === undefined ? undefined : await bySpace(view, table, box, isWanted, pause)) ??
      (await byKey(view, table, box, behind, accept, most, pause));
    const rows = found.slice(0, most);
    const last = rows.at(-1);
    return { rows, after: found.length > most && last !== undefined ? { after: last.key } : {} };
  }

  /** How many voxels of mip 0 one of the question's mip is wide. No source is opened for mip 0. */
  async #scale(query: FeatureQuery): Promise<Vec3> {
    if ((query.mip ?? 0) === 0) return [1, 1, 1];
    const { channel, level } = await this.#channel(query, this.#channelPath(query.path));
    const finest = levelOf(channel.mips, 0);
    const factor = (axis: 0 | 1 | 2): number => nearInteger(level.voxel[axis] / finest.voxel[axis]);
    return [factor(0), factor(1), factor(2)];
  }

  /** The channel whose levels a path's mips are: its own, or the first of a dataset. */
  #channelPath(path: string): string {
    const { entries } = this.#core.getGroups(path);
    return entries[0]?.path ?? path;
  }

  async #channel({ path, mip = 0 }: FeatureQuery, from = path): Promise<{ channel: Channel; level: MipInfo }> {
    if (from.split('/').length < 4)
      throw new BflyError('BAD_REQUEST', 'this feature looks at voxels: path must be that of a channel');
    const channel = await this.#core.updateQuery({ path: from });
    return { channel, level: levelOf(channel.mips, mip) };
  }
}

/** All that meets a box, by its keys; undefined where so much is there that order of keys is the better way. */
async function bySpace(
  view: TableView,
  table: TableName,
  box: SpaceBox,
  isWanted: (row: Row) => boolean,
  pause: () => Promise<void>,
): Promise<Row[] | undefined> {
  const found: Row[] = [];
  let seen = 0;
  for (const rows of view.search(table, box)) {
    await pause();
    seen += rows.length;
    if (seen > MOST_SORTED_ROWS) return undefined;
    for (const row of rows) if (isWanted(row)) found.push(row);
  }
  return found.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** The first `most` rows behind a key, and one more where there is one. */
async function byKey(
  view: TableView,
  table: TableName,
  box: SpaceBox | undefined,
  after: bigint | undefined,
  accept: (row: Row) => boolean,
  most: number,
  pause: () => Promise<void>,
): Promise<Row[]> {
  const found: Row[] = [];
  for (const rows of view.rowsBehind(table, after)) {
    await pause();
    for (const row of rows) if (accept(row) && (box === undefined || isIn(row, box))) found.push(row);
    if (found.length > most) break;
  }
  return found;
}

function isIn(row: Row, box: SpaceBox): boolean {
  const extent = extentOf(row);
  return extent !== undefined && meets(box, extent);
}

/** Lets others have their turn now and then. @throws the reason of `signal`. */
function slices(signal: AbortSignal | undefined): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < SLICE_MS) return;
    await nextTurn();
    signal?.throwIfAborted();
    since = performance.now();
  };
}

function idOf({ feature, key }: FeatureQuery): bigint {
  if (key !== undefined) return key;
  throw new BflyError('BAD_REQUEST', `${feature} needs the option id, an integer from 0 to 2^64-1`);
}

function parentOf(view: TableView, id: bigint): Readonly<Record<string, bigint>> {
  const parent = synapseParent(view, id);
  if (parent === undefined) return {};
  return { synapse_id: id, synapse_parent_pre: parent.pre, synapse_parent_post: parent.post };
}

/** Ids as they are sent: an array, or `bin` of u64. Rule [F15]. */
function listOf(ids: readonly bigint[]): readonly bigint[] | Uint8Array {
  if (ids.length <= MOST_IDS_IN_ARRAY) return ids;
  return new Uint8Array(BigUint64Array.from(ids).buffer);
}

/** A box of a level in voxels of mip 0. */
function scaled(box: Box, [x, y, z]: Vec3): SpaceBox {
  return [box[0] * x, box[1] * y, box[2] * z, box[3] * x, box[4] * y, box[5] * z];
}

/** Sizes of voxels are decimal fractions: their ratio is a whole number but for the last digits. */
function nearInteger(ratio: number): number {
  const whole = Math.round(ratio);
  return Math.abs(ratio - whole) < 1e-6 ? whole : ratio;
}
