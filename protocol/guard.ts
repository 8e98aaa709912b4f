/**
 * The scan of every frame before msgpackr sees a byte of it.
 *
 * msgpackr decodes records, extensions and cyclic references whatever its options, and some of them take quadratic time
 * (transport facts 6.2). This scan is iterative, allocates nothing, and lets through only the subset of SPEC rule [F4]:
 * nil, bool, ints, float32/64, valid UTF-8 str, bin, array, map with str keys; one value and nothing after it.
 */

/** How large a frame's tree may be. */
export interface GuardLimits {
  readonly maxDepth: number;
  readonly maxNodes: number;
}

/** Frames from client to server, rule [F4]. */
export const CLIENT_GUARD: GuardLimits = { maxDepth: 8, maxNodes: 4_096 };
/** Frames from server to client, rule [F4]. */
export const SERVER_GUARD: GuardLimits = { maxDepth: 16, maxNodes: 65_536 };

/** Verdict of a scan; `floats` tells whether any float token is in the frame. */
export type GuardVerdict =
  | { readonly ok: true; readonly floats: boolean }
  | { readonly ok: false; readonly why: string };

const CLEAN: GuardVerdict = { ok: true, floats: false };
const CLEAN_WITH_FLOATS: GuardVerdict = { ok: true, floats: true };
const refuse = (why: string): GuardVerdict => ({ ok: false, why });

const utf8 = new TextDecoder('utf-8', { fatal: true });

const MAX_DEPTH = 16;
const left = new Int32Array(MAX_DEPTH + 1); // values still to come at each depth
const keyed = new Uint8Array(MAX_DEPTH + 1); // 1 while the container at that depth is a map

const FLOAT32 = 0xca;
const FLOAT64 = 0xcb;

/** Bytes of the fixed-size tokens 0xca..0xd3: floats and ints. */
const FIXED = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8] as const;

/** Checks one frame. `bytes` is borrowed; `limits.maxDepth` is at most 16. */
export function guard(bytes: Uint8Array, limits: GuardLimits): GuardVerdict {
  const end = bytes.length;
  let at = 0;
  let depth = 0;
  let nodes = 0;
  let floats = false;
  left[0] = 1;
  keyed[0] = 0;
  for (;;) {
    while (left[depth] === 0) {
      if (depth === 0) {
        if (at !== end) return refuse('bytes after the value');
        return floats ? CLEAN_WITH_FLOATS : CLEAN;
      }
      depth--;
    }
    const remaining = (left[depth] as number)--;
    if (++nodes > limits.maxNodes) return refuse(`more than ${limits.maxNodes} values`);
    if (at >= end) return refuse('the frame is cut off');
    // A map of n pairs waits for 2n values: an even count left means a key is next.
    const isKey = keyed[depth] === 1 && remaining % 2 === 0;
    const token = bytes[at++] as number;
    if (isKey && !isStringToken(token)) return refuse('a map key that is not a string');
    if (token < 0x80 || token >= 0xe0) continue;
    if (token >= FLOAT32 && token <= 0xd3) {
      floats ||= token === FLOAT32 || token === FLOAT64;
      at += FIXED[token - FLOAT32] as number;
      if (at > end) return refuse('the frame is cut off');
      continue;
    }
    if (token === 0xc0 || token === 0xc2 || token === 0xc3) continue;
    // What is left has a length: str and bin in bytes, array and map in values.
    const widthBytes = lengthWidth(token);
    if (widthBytes < 0) return refuse(`the token 0x${token.toString(16)} is not allowed`);
    if (at + widthBytes > end) return refuse('the frame is cut off');
    const length = readLength(bytes, at, token, widthBytes);
    at += widthBytes;
    if (isArrayToken(token) || isMapToken(token)) {
      const values = isMapToken(token) ? length * 2 : length;
      if (values > end - at) return refuse('a container is longer than the frame');
      if (depth === limits.maxDepth) return refuse(`nested deeper than ${limits.maxDepth}`);
      if (values === 0) continue;
      depth++;
      left[depth] = values;
      keyed[depth] = isMapToken(token) ? 1 : 0;
      continue;
    }
    if (length > end - at) return refuse('the frame is cut off');
    if (isStringToken(token)) {
      if (!isUtf8(bytes, at, at + length)) return refuse('a string that is not UTF-8');
      // msgpackr renames this key and other decoders throw: nobody may mean it.
      if (isKey && length === 9 && isProtoKey(bytes, at)) return refuse('the map key __proto__ is not allowed');
    }
    at += length;
  }
}

function isStringToken(token: number): boolean {
  return (token >= 0xa0 && token <= 0xbf) || (token >= 0xd9 && token <= 0xdb);
}

function isArrayToken(token: number): boolean {
  return (token >= 0x90 && token <= 0x9f) || token === 0xdc;
}

function isMapToken(token: number): boolean {
  return (token >= 0x80 && token <= 0x8f) || token === 0xde;
}

/** Bytes of the length after the token; 0 for the fix forms; -1 for what is refused: c1, ext, array32, map32. */
function lengthWidth(token: number): number {
  if (token < 0xc0) return 0;
  switch (token) {
    case 0xc4:
    case 0xd9:
      return 1;
    case 0xc5:
    case 0xda:
    case 0xdc:
    case 0xde:
      return 2;
    case 0xc6:
    case 0xdb:
      return 4;
    default:
      return -1;
  }
}

function readLength(bytes: Uint8Array, at: number, token: number, width: number): number {
  if (width === 0) return token >= 0xa0 ? token & 31 : token & 15;
  let length = 0;
  for (let i = 0; i < width; i++) length = length * 256 + (bytes[at + i] as number);
  return length;
}

function isUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    if ((bytes[i] as number) < 0x80) continue;
    try {
      utf8.decode(bytes.subarray(i, to));
      return true;
    } catch {
      return false;
    }
  }
  return true;
}

function isProtoKey(bytes: Uint8Array, at: number): boolean {
  const name = '__proto__';
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name.charCodeAt(i)) return false;
  return true;
}

/**
 * A copy of a guarded frame in which every float is a `bin` of the same size, so that readers of integer fields see it:
 * after msgpackr a float64 of 5.0 and the int 5 are the same number, and rule [F5] accepts int tokens only.
 */
export function withoutFloats(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes); // not slice(): a Buffer's shares its bytes
  let at = 0;
  while (at < copy.length) {
    const token = copy[at] as number;
    if (token === FLOAT32 || token === FLOAT64) {
      copy[at] = 0xc4;
      copy[at + 1] = token === FLOAT32 ? 3 : 7;
    }
    at += 1 + tokenBody(copy, at, token);
  }
  return copy;
}

/** Bytes after the token that belong to it alone: numbers, and the length and content of str and bin; containers count only their length. */
function tokenBody(bytes: Uint8Array, at: number, token: number): number {
  if (token < 0xa0 || token >= 0xe0) return 0;
  if (token >= FLOAT32 && token <= 0xd3) return FIXED[token - FLOAT32] as number;
  const width = Math.max(0, lengthWidth(token));
  if (isArrayToken(token) || isMapToken(token)) return width;
  if (isStringToken(token) || (token >= 0xc4 && token <= 0xc6)) return width + readLength(bytes, at + 1, token, width);
  return 0;
}

/**
 * Type and id at the head of any frame, refused by the guard or not, where they can be read: an ERROR can then name its
 * request. Any int token will do that holds a type < 256 and an id < 2³², whatever its width.
 */
export function peekHead(bytes: Uint8Array): { readonly type: number; readonly id: number } | undefined {
  const first = bytes[0];
  if (first === undefined || !isArrayToken(first)) return undefined;
  const width = lengthWidth(first);
  if (1 + width > bytes.length || readLength(bytes, 1, first, width) < 2) return undefined;
  const type = peekUint(bytes, 1 + width);
  if (type === undefined || type.value > 0xff) return undefined;
  const id = peekUint(bytes, type.next);
  return id === undefined ? undefined : { type: type.value, id: id.value };
}

/** An int token of a value from 0 to 2³²-1: fixint, uint8..64, and int8..64 that are not negative. */
function peekUint(bytes: Uint8Array, at: number): { value: number; next: number } | undefined {
  const token = bytes[at];
  if (token === undefined) return undefined;
  if (token < 0x80) return { value: token, next: at + 1 };
  if (token < 0xcc || token > 0xd3) return undefined;
  const width = FIXED[token - FLOAT32] as number;
  if (at + 1 + width > bytes.length) return undefined;
  const isNegative = token >= 0xd0 && (bytes[at + 1] as number) >= 0x80;
  const value = readLength(bytes, at + 1, token, width);
  return isNegative || value > 0xffff_ffff ? undefined : { value, next: at + 1 + width };
}
