/** `/api/entity_feature`: questions to the tables of a dataset, and to voxels by their ids. Source: parity.md 4.3. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Vec3 } from '../../../protocol/volume.ts';
import type { Core } from '../../core/core.ts';
import type { FeatureQuery } from '../../core/features.ts';
import type { JsonValue } from '../../utility/pretty-json.ts';
import { boxOf, chosen, fault, finestBox, hasBox, idOf, integer } from './legacy-api-params.ts';
import { type LegacyWork, SCAN_BYTES } from './legacy-api-work.ts';

/** The features that Butterfly had, and two that it had lost, or only promised. */
export const LEGACY_FEATURES = [
  'synapse_ids',
  'is_synapse',
  'synapse_keypoint',
  'synapse_parent',
  'all_neurons',
  'is_neuron',
  'neuron_keypoint',
  'neuron_children',
  'neuron_ids',
  'voxel_list',
] as const;
type LegacyFeature = (typeof LEGACY_FEATURES)[number];

/** Ids of one answer, which is made in memory. */
const MOST_IDS = 2 ** 22;
const MAX_ID = 2n ** 64n - 1n;
const MAX_RESOLUTION = 30;

/** What a feature is asked of. */
export interface FeatureHome {
  readonly core: Pick<Core, 'features'>;
  /** Voxels that one question may look at. */
  readonly uniqueVoxels: number;
  readonly work: LegacyWork;
}

/**
 * Answers a question.
 *
 * @param path of the channel.
 * @throws BflyError BAD_REQUEST for an unknown feature, or an id or box that is missing or no integer; TOO_LARGE; UNSUPPORTED.
 */
export async function answerFeature(home: FeatureHome, path: string, params: URLSearchParams): Promise<JsonValue> {
  const feature = chosen('feature', params.get('feature'), LEGACY_FEATURES);
  const resolution = resolutionOf(params);
  switch (feature) {
    case 'is_synapse':
    case 'is_neuron':
      return factOf(home, { path, feature, key: idOf(params.get('id')) }, false);
    case 'synapse_parent':
      return factOf(home, { path, feature, key: idOf(params.get('id')) }, {});
    case 'synapse_keypoint':
    case 'neuron_keypoint':
      return scaledPoint(await factOf(home, { path, feature, key: idOf(params.get('id')) }, {}), resolution);
    case 'all_neurons':
      return idsOf(home, { path, feature });
    case 'synapse_ids':
    case 'neuron_ids':
      return idsOf(home, { path, feature, box: finestBox(boxOf(params)) });
    case 'neuron_children': {
      const key = idOf(params.get('id'));
      const box = hasBox(params) ? { box: finestBox(boxOf(params)) } : {};
      return isId(key) ? childrenOf(home, { path, feature, key, ...box }) : {};
    }
    case 'voxel_list': {
      const key = idOf(params.get('id'));
      const query = { path, feature, key, box: finestBox(boxOf(params)) };
      const none = { x: [], y: [], z: [] };
      return isId(key) ? sampledList(await scanned(home, query), resolution) : none;
    }
  }
}

function resolutionOf(params: URLSearchParams): number {
  const resolution = integer('resolution', params.get('resolution'), 0);
  if (resolution >= 0 && resolution <= MAX_RESOLUTION) return resolution;
  throw fault(`The resolution ${resolution} is not in 0..${MAX_RESOLUTION}.`);
}

const isId = (key: bigint): boolean => key >= 0n && key <= MAX_ID;

type Query = FeatureQuery & { readonly feature: LegacyFeature };

/** The value of a feature of one id; `otherwise` for an id that nothing can have. */
async function factOf(home: FeatureHome, query: Query, otherwise: JsonValue): Promise<JsonValue> {
  if (query.key !== undefined && !isId(query.key)) return otherwise;
  const { value } = await home.core.features.answer(query, home.uniqueVoxels);
  return value as JsonValue;
}

/** Positions are those of the finest level: y and x are halved as often as the resolution says. */
function scaledPoint(value: JsonValue, resolution: number): JsonValue {
  const { x, y, z } = value as { readonly x?: number; readonly y?: number; readonly z?: number };
  if (x === undefined || y === undefined || z === undefined) return {};
  const step = 2 ** resolution;
  return { z, y: Math.floor(y / step), x: Math.floor(x / step) };
}

/** All pages of a list of ids. */
async function idsOf(home: FeatureHome, query: Query): Promise<bigint[]> {
  const ids: bigint[] = [];
  for await (const value of pagesOf(home, query)) {
    // Rule [F15]: an array, or bytes of u64.
    for (const id of value instanceof Uint8Array ? wide(value) : (value as readonly (bigint | number)[]))
      ids.push(BigInt(id));
    if (ids.length > MOST_IDS) throw tooMany();
  }
  return ids;
}

/** All pages of a neuron's synapses. */
async function childrenOf(home: FeatureHome, query: Query): Promise<JsonValue> {
  const children: Record<string, number> = {};
  let count = 0;
  for await (const value of pagesOf(home, query)) {
    const page = value as Readonly<Record<string, number>>;
    count += Object.keys(page).length;
    if (count > MOST_IDS) throw tooMany();
    Object.assign(children, page);
  }
  return children;
}

async function* pagesOf(home: FeatureHome, query: Query): AsyncGenerator<unknown> {
  let after: bigint | undefined;
  do {
    const page: Query = after === undefined ? query : { ...query, after };
    const answer = await home.work.run(costOf(query), () => home.core.features.answer(page, home.uniqueVoxels));
    yield answer.value;
    after = answer.after;
  } while (after !== undefined);
}

async function scanned(home: FeatureHome, query: Query): Promise<unknown> {
  return (await home.work.run(SCAN_BYTES, () => home.core.features.answer(query, home.uniqueVoxels))).value;
}

const costOf = ({ feature }: Query): number => (feature === 'neuron_ids' ? SCAN_BYTES : 0);

/** The voxels of a list that a resolution has. */
function sampledList(value: unknown, resolution: number): JsonValue {
  const { x, y, z } = value as { readonly x: number[]; readonly y: number[]; readonly z: number[] };
  const step = 2 ** resolution;
  const voxels = x
    .map((at, i): Vec3 => [at / step, (y[i] as number) / step, z[i] as number])
    .filter(([a, b]) => Number.isInteger(a) && Number.isInteger(b));
  return { x: voxels.map(([a]) => a), y: voxels.map(([, b]) => b), z: voxels.map(([, , c]) => c) };
}

function wide(bytes: Uint8Array): BigUint64Array {
  return new BigUint64Array(Uint8Array.from(bytes).buffer);
}

function tooMany(): BflyError {
  return new BflyError('TOO_LARGE', `The answer has more than ${MOST_IDS} ids.`);
}
