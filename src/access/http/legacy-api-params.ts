/** What requests of Butterfly's own APIs say, read as Butterfly read it, with its words for what is wrong. Source: parity.md 6. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Box } from '../../../protocol/volume.ts';
import type { DataQuery } from '../../query/query.ts';

/** A fault of the request. */
export const fault = (message: string): BflyError => new BflyError('BAD_REQUEST', message);

/** Characters of a request's own text that an answer repeats. */
const MOST_ECHOED = 100;
const INTEGER = /^\s*[+-]?\d+\s*$/;

/** A value as messages show it. */
export function shown(text: string | null | undefined): string {
  return text === null || text === undefined ? 'None' : text.slice(0, MOST_ECHOED);
}

/** Names in the notation of Butterfly's messages, which its clients may look for. */
export function listed(names: readonly string[]): string {
  return `[${names.map((name) => (name.includes("'") ? `"${name}"` : `'${name}'`)).join(', ')}]`;
}

/** @throws BflyError BAD_REQUEST where `text` is none of the names. */
export function chosen<T extends string>(kind: string, text: string | null | undefined, names: readonly T[]): T {
  const found = names.find((name) => name === text);
  if (found !== undefined) return found;
  throw fault(`The ${kind} ${shown(text)} is not in ${listed(names)}.`);
}

/** An integer. @throws BflyError BAD_REQUEST where it is none. */
export function integer(name: string, text: string | null | undefined, otherwise?: number): number {
  if ((text === null || text === undefined) && otherwise !== undefined) return otherwise;
  if (typeof text === 'string' && INTEGER.test(text)) return Number(text);
  throw fault(`The ${name} ${shown(text)} is not an integer.`);
}

/** An id, of any size; a negative one is nobody's. @throws BflyError BAD_REQUEST where it is no integer. */
export function idOf(text: string | null): bigint {
  if (text !== null && INTEGER.test(text) && text.length < 64) return BigInt(text.replace('+', '').trim());
  throw fault(`The id ${shown(text)} is not an integer.`);
}

/** Members of a box, slowest axis first, as messages name the first that is wrong. */
const BOX = ['z', 'y', 'x', 'depth', 'height', 'width', 'resolution'] as const;
const SIZES: readonly string[] = ['depth', 'height', 'width'];
/** Sums of positions and sizes are exact up to here, at every resolution. */
const FARTHEST = 2 ** 52;
const OTHERWISE: Readonly<Record<string, number>> = { depth: 1, resolution: 0 };

/** Whether a request says anything of a box. */
export function hasBox(params: URLSearchParams): boolean {
  return BOX.some((name) => name !== 'resolution' && params.has(name));
}

/**
 * The box of a request.
 *
 * @throws BflyError BAD_REQUEST for what is missing, no integer, absurdly far away, or of no size.
 */
export function boxOf(params: URLSearchParams): Pick<DataQuery, 'origin' | 'size' | 'resolution'> {
  const [z, y, x, depth, height, width, resolution] = BOX.map((name) => {
    const value = integer(name, params.get(name), OTHERWISE[name]);
    if (Math.abs(value) > FARTHEST) throw fault(`The ${name} ${shown(params.get(name))} is too large.`);
    if (SIZES.includes(name) && value < 1) throw fault(`The ${name} ${value} is not positive.`);
    return value;
  }) as [number, number, number, number, number, number, number];
  return { origin: [x, y, z], size: [width, height, depth], resolution };
}

/** A box of a resolution in voxels of the finest level: z is the same in all. */
export function finestBox({ origin, size, resolution }: Pick<DataQuery, 'origin' | 'size' | 'resolution'>): Box {
  const [[x, y, z], [width, height, depth], step] = [origin, size, 2 ** resolution];
  return [x * step, y * step, z, (x + width) * step, (y + height) * step, z + depth];
}

/** A dataset's or channel's path of Butterfly's token, `experiment::sample::dataset`; undefined where it is none. */
export function datasetOf(token: string | undefined): string | undefined {
  const names = token?.normalize('NFC').split('::') ?? [];
  return names.length === 3 && names.every((name) => name !== '' && !name.includes('/')) ? names.join('/') : undefined;
}
