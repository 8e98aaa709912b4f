/** The vectors of `protocol/vectors`: reading, writing, and values that compare well. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const FOLDER = new URL('../../protocol/vectors/', import.meta.url);

/** A frame with its meaning. */
export interface Vector {
  readonly name: string;
  readonly rule: string;
  readonly direction: 'c2s' | 's2c';
  /** True where our encoder writes other bytes for the same message. */
  readonly decodeOnly?: boolean;
  readonly message: unknown;
  readonly frame: readonly unknown[];
  hex: string;
}

/** A frame that must be refused. */
export interface MalformedVector {
  readonly name: string;
  readonly rule: string;
  readonly direction: 'c2s' | 's2c';
  readonly expect: { readonly error: string; readonly type: number; readonly id: number } | { readonly close: number };
  readonly hex: string;
}

/** Groups of vectors by file name without ending, `malformed` apart. */
export function loadVectors(): Map<string, Vector[]> {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.json') && file !== 'malformed.json');
  return new Map(files.sort().map((file) => [file.slice(0, -5), parse<Vector[]>(file)]));
}

/** The frames of `malformed.json`. */
export function loadMalformed(): readonly MalformedVector[] {
  return parse<MalformedVector[]>('malformed.json');
}

function parse<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as T; // our own files, checked by their tests
}

/** Writes a group back, one vector a line. */
export function saveVectors(group: string, vectors: readonly Vector[]): void {
  const lines = vectors.map((vector) => JSON.stringify(vector));
  writeFileSync(new URL(`${group}.json`, FOLDER), `[\n${lines.join(',\n')}\n]\n`);
}

/** Bytes of a hex string. */
export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
}

/** Hex of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** A value of a vector's JSON as JavaScript has it: `$int` as bigint, `$hex` as bytes. */
export function fromVectorJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(fromVectorJson);
  if ('$int' in value) return BigInt(String(value.$int));
  if ('$hex' in value) return fromHex(String(value.$hex));
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, fromVectorJson(part)]));
}

/**
 * A value whose equality is that of MessagePack values: integers are equal whatever their JavaScript type, bytes whatever
 * their class, a float64 5.0 is the int 5. Strings lose a leading U+FEFF, which some decoders strip.
 */
export function comparable(value: unknown): unknown {
  if (typeof value === 'bigint') return `int ${value}`;
  if (typeof value === 'number') return Number.isInteger(value) ? `int ${BigInt(value)}` : `float ${value}`;
  if (typeof value === 'string') return `text ${value.replace(/^\ufeff/, '')}`;
  if (value instanceof Uint8Array) return `bytes ${toHex(value)}`;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(comparable);
  return new Map(Object.entries(value).map(([key, part]) => [key, comparable(part)]));
}
