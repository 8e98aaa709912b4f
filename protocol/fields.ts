/** Readers of single fields: unknown values in, checked values out. Every fault names the field and what is legal. */
import { BflyError } from './errors.ts';
import type { Scalar } from './messages.ts';
import { type Box, DTYPES, type DType, ENCODINGS, type EncodingName, pathFault, type Vec3 } from './volume.ts';

const MAX_SAFE = Number.MAX_SAFE_INTEGER;
const I32 = 0x8000_0000;

/** The BAD_REQUEST of a field. */
export function badField(field: string, legal: string, details?: Readonly<Record<string, unknown>>): BflyError {
  return new BflyError('BAD_REQUEST', `${field} must be ${legal}`, details === undefined ? {} : { details });
}

/** An integer of a range; bigints are accepted where they fit a number exactly. */
export function readInt(value: unknown, field: string, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw badField(field, `an integer from ${min} to ${max === MAX_SAFE ? '2^53-1' : max}`);
}

/** A u32, such as a frame's id. */
export function readU32(value: unknown, field: string): number {
  return readInt(value, field, 0, 0xffff_ffff);
}

/** A seq, count or size: 0..2⁵³-1. */
export function readSize(value: unknown, field: string): number {
  return readInt(value, field, 0, MAX_SAFE);
}

/** An id of a segment or row: 0..2⁶⁴-1. */
export function readId64(value: unknown, field: string): bigint {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return BigInt(value);
  if (typeof value === 'bigint' && value >= 0n && value < 1n << 64n) return value;
  throw badField(field, 'an integer from 0 to 2^64-1');
}

/** A string of at most `maxBytes` bytes of UTF-8. */
export function readString(value: unknown, field: string, maxBytes: number): string {
  if (typeof value === 'string' && fitsUtf8(value, maxBytes)) return value;
  throw badField(field, `a string of at most ${maxBytes} bytes`);
}

const utf8 = new TextEncoder();

/** Most strings are decided by their length: a UTF-16 unit is 1 to 3 bytes of UTF-8. */
function fitsUtf8(value: string, maxBytes: number): boolean {
  if (value.length > maxBytes) return false;
  return value.length * 3 <= maxBytes || utf8.encode(value).length <= maxBytes;
}

/** What PING carries and PONG gives back; missing = nil. */
export function readScalar(value: unknown, field: string): Scalar {
  if (value === undefined || value === null) return null;
  if (typeof value === 'boolean' || typeof value === 'number' || typeof value === 'bigint') return value;
  if (typeof value === 'string' && fitsUtf8(value, 64)) return value;
  if (value instanceof Uint8Array && value.length <= 64) return value;
  throw badField(field, 'a scalar of at most 64 bytes');
}

export function readBoolean(value: unknown, field: string): boolean {
  if (typeof value === 'boolean') return value;
  throw badField(field, 'true or false');
}

/** A few bytes of a fixed length, owned: requests outlive the frame that they came in. */
export function readBytes(value: unknown, field: string, length: number): Uint8Array {
  if (value instanceof Uint8Array && value.length === length) return new Uint8Array(value);
  throw badField(field, `${length} bytes (bin)`);
}

/** The same value with bytes of its own: requests outlive the frame that they came in. What holds no bytes is not copied. */
export function owned<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return new Uint8Array(value) as T & Uint8Array;
  let copy: object | undefined;
  for (const key in value) {
    const part: unknown = value[key];
    const own = owned(part);
    if (own === part) continue;
    copy ??= Array.isArray(value) ? [...value] : { ...value };
    Object.assign(copy, { [key]: own });
  }
  return copy === undefined ? value : (copy as T); // made of the same parts
}

export function readArray(value: unknown, field: string, maxLength: number): readonly unknown[] {
  if (Array.isArray(value) && value.length <= maxLength) return value;
  throw badField(field, `an array of at most ${maxLength}`);
}

export function readMap(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array))
    return value as Readonly<Record<string, unknown>>;
  throw badField(field, 'a map');
}

/** The options map that may end a request; absent or nil = none set. */
export function readOptions(value: unknown): Readonly<Record<string, unknown>> {
  return value === undefined || value === null ? {} : readMap(value, 'the options');
}

export function readOneOf<const T extends string>(value: unknown, field: string, legal: readonly T[]): T {
  const found = legal.find((name) => name === value);
  if (found !== undefined) return found;
  throw badField(field, `one of ${legal.join(', ')}`);
}

export function readVec3(value: unknown, field: string): Vec3 {
  if (!Array.isArray(value) || value.length !== 3) throw badField(field, 'three integers [x, y, z]');
  return [coordinate(value[0], field), coordinate(value[1], field), coordinate(value[2], field)];
}

/** Three finite numbers, fractions allowed: voxel sizes. */
export function readNumbers3(value: unknown, field: string): Vec3 {
  if (!Array.isArray(value) || value.length !== 3 || !value.every((n) => typeof n === 'number' && Number.isFinite(n)))
    throw badField(field, 'three numbers [x, y, z]');
  return [value[0], value[1], value[2]];
}

function coordinate(value: unknown, field: string): number {
  return readInt(value, `${field}: each coordinate`, -I32, I32 - 1);
}

/** A half-open box of positive size, each coordinate an i32. */
export function readBox(value: unknown, field: string): Box {
  if (!Array.isArray(value) || value.length !== 6) throw badField(field, 'six integers [x0, y0, z0, x1, y1, z1]');
  const box: Box = [
    coordinate(value[0], field),
    coordinate(value[1], field),
    coordinate(value[2], field),
    coordinate(value[3], field),
    coordinate(value[4], field),
    coordinate(value[5], field),
  ];
  if (box[3] <= box[0] || box[4] <= box[1] || box[5] <= box[2])
    throw badField(field, 'a box of positive size, [x0, y0, z0, x1, y1, z1] with x0 < x1, y0 < y1, z0 < z1');
  return box;
}

/** Paths that were found legal: a client names the same few over and over. */
const legalPaths = new Set<string>();
const REMEMBERED_PATHS = 1_024;

export function readPath(value: unknown): string {
  if (legalPaths.has(value as string)) return value as string; // only texts are in it
  const path = readString(value, 'path', 515);
  const fault = pathFault(path);
  if (fault === undefined) {
    if (legalPaths.size >= REMEMBERED_PATHS) legalPaths.clear();
    legalPaths.add(path);
    return path;
  }
  throw new BflyError(
    'BAD_REQUEST',
    `path has ${fault}; legal are 1 to 4 segments of 1 to 128 bytes of NFC UTF-8 joined by /`,
  );
}

export function readDType(value: unknown): DType {
  return readOneOf(value, 'dtype', DTYPES);
}

/** A list of encodings in order of preference; names of later versions are passed over. */
export function readEncodings(value: unknown): EncodingName[] {
  const names = readArray(value, 'enc', 16).map((name) => readString(name, 'enc: each name', 32));
  const known = names.filter((name): name is EncodingName => (ENCODINGS as readonly string[]).includes(name));
  if (known.length === 0) throw badField('enc', `a list with at least one of ${ENCODINGS.join(', ')}`);
  return known;
}

/** Reads an option with `read` where it is set; nil counts as not set. */
export function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value);
}

/** Object without the keys that are undefined, as exact optional properties want it. */
export function withoutUndefined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) if (value !== undefined) kept[key] = value;
  return kept as { [K in keyof T]?: Exclude<T[K], undefined> };
}
