/**
 * Butterfly's tables of merges and splits as text, the way its socket and its files have them. Source: parity.md 5.2, 5.4, 5.5.
 * A merge table is a list of sets of nodes `id` or `id:region`; a split table is a list of `id:region:x0:x1:y0:y1:z0:z1`.
 */
import { BflyError } from '../../protocol/errors.ts';
import type { Box } from '../../protocol/volume.ts';

/** A base id, or with a region above 0 a part of one. */
export interface LegacyNode {
  readonly id: bigint;
  /** 0 = the whole id. */
  readonly region: number;
  /** `id` or `id:region`: equal for equal nodes. */
  readonly name: string;
}

/** A part of a base id and the box that it lies in, in units of the client that drew it. The box may be empty. */
export interface LegacySplit {
  readonly id: bigint;
  readonly region: number;
  readonly box: Box;
}

/** The two tables of a path. */
export interface LegacyTables {
  readonly merge: readonly (readonly string[])[];
  readonly split: readonly string[];
}

const MAX_ID = 2n ** 64n - 1n;
/** What every viewer of Butterfly saved along with its merges, whatever was on its screen. */
export const DEMO_SPLIT = '45:1:2:3:1:2:0:1';

/**
 * Reads a node.
 *
 * @param value a text, or an integer up to 2⁵³-1.
 * @param field what it is called in the error.
 * @throws BflyError BAD_REQUEST.
 */
export function readNode(value: unknown, field: string): LegacyNode {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text === 'string' && PLAIN_ID.test(text)) return { id: BigInt(text), region: 0, name: text };
  const parts = typeof text === 'string' ? text.split(':') : [];
  if (parts.length !== 1 && parts.length !== 2)
    throw new BflyError('BAD_REQUEST', `${field} must be "id" or "id:region", each a decimal integer`);
  const [id = '', region = '0'] = parts;
  return nodeOf(readId(id, `the id of ${field}`), readCount(region, `the region of ${field}`));
}

/** A node by its parts. */
export function nodeOf(id: bigint, region: number): LegacyNode {
  return { id, region, name: nameOf({ id, region }) };
}

/** The name of a node, or of what a split splits. */
export function nameOf({ id, region }: { readonly id: bigint; readonly region: number }): string {
  return region === 0 ? id.toString() : `${id}:${region}`;
}

/**
 * Reads a split; what follows its eight numbers is passed over.
 *
 * @throws BflyError BAD_REQUEST.
 */
export function readSplit(value: unknown, field: string): LegacySplit {
  const parts = typeof value === 'string' ? value.split(':') : [];
  if (parts.length < 8)
    throw new BflyError('BAD_REQUEST', `${field} must be "id:region:x0:x1:y0:y1:z0:z1", eight decimal integers`);
  const [x0, x1, y0, y1, z0, z1] = parts.slice(2, 8).map((part) => readBound(part, field)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    id: readId(parts[0] ?? '', `the id of ${field}`),
    region: readCount(parts[1] ?? '', `the region of ${field}`),
    box: [x0, y0, z0, x1, y1, z1],
  };
}

/** Writes a split. */
export function formatSplit({ id, region, box: [x0, y0, z0, x1, y1, z1] }: LegacySplit): string {
  return [id, region, x0, x1, y0, y1, z0, z1].join(':');
}

/** Order of nodes: by id, then by region. */
export function compareNodes(a: Omit<LegacyNode, 'name'>, b: Omit<LegacyNode, 'name'>): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : a.region - b.region;
}

/** Order of splits: by region, then by id. */
export function compareSplits(a: LegacySplit, b: LegacySplit): number {
  return a.region - b.region || compareNodes(a, b);
}

/** A merge table in its order: nodes in their order without repeats, sets of two and more by their smallest node. */
export function formatSets(sets: readonly (readonly LegacyNode[])[]): string[][] {
  return sets
    .map((set) => [...set].sort(compareNodes).filter(({ name }, i, all) => i === 0 || name !== all[i - 1]?.name))
    .filter((set) => set.length > 1)
    .sort((a, b) => compareNodes(a[0] as LegacyNode, b[0] as LegacyNode))
    .map((set) => set.map(({ name }) => name));
}

const DECIMAL = /^\d{1,20}$/;
/** Ids as they mostly are: below 2^63 and without leading zeros. */
const PLAIN_ID = /^(0|[1-9]\d{0,17})$/;

function readId(text: string, what: string): bigint {
  const id = DECIMAL.test(text) ? BigInt(text) : -1n;
  if (id < 0n || id > MAX_ID) throw new BflyError('BAD_REQUEST', `${what} must be a decimal integer from 0 to 2^64-1`);
  return id;
}

function readCount(text: string, what: string): number {
  const count = DECIMAL.test(text) ? Number(text) : -1;
  if (count < 0 || !Number.isSafeInteger(count))
    throw new BflyError('BAD_REQUEST', `${what} must be a decimal integer from 0 to 2^53-1`);
  return count;
}

function readBound(text: string, field: string): number {
  const bound = DECIMAL.test(text) ? Number(text) : -1;
  if (bound < 0 || bound > 0x7fff_ffff)
    throw new BflyError('BAD_REQUEST', `the bounds of ${field} must be decimal integers from 0 to 2^31-1`);
  return bound;
}
