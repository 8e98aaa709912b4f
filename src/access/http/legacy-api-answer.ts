/** Answers of Butterfly's own APIs: lists as JSON or YAML, pictures, and faults as plain sentences. Source: parity.md 6. */
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BflyError, type ErrorName } from '../../../protocol/errors.ts';
import { type JsonValue, prettyJson } from '../../utility/pretty-json.ts';
import { yamlText } from '../../utility/yaml-text.ts';
import { chosen } from './legacy-api-params.ts';
import type { WebAnswer } from './route.ts';

/** Bytes that are digested at once. */
const SLICE = 4 * 1024 * 1024;
/** Faults whose sentence is the whole answer; all others are answered as everywhere. */
const STATUS: Readonly<Partial<Record<ErrorName, number>>> = {
  BAD_REQUEST: 400,
  OUT_OF_BOUNDS: 400,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  TOO_LARGE: 413,
  UNSUPPORTED: 415,
};

/** Runs a handler; what it finds wrong with a request is a sentence, with nothing around it, as Butterfly's clients know it. */
export async function answered(work: () => Promise<WebAnswer | undefined>): Promise<WebAnswer | undefined> {
  try {
    return await work();
  } catch (error) {
    const status = error instanceof BflyError ? STATUS[error.code] : undefined;
    if (status === undefined) throw error;
    const { message } = error as BflyError;
    return { status, type: 'text/plain; charset=utf-8', body: message, cache: 'no-store' };
  }
}

/** The format of an answer that is no picture. @throws BflyError BAD_REQUEST. */
export function textFormat(params: URLSearchParams): 'json' | 'yaml' {
  return chosen('format', params.get('format') ?? 'json', ['json', 'yaml'] as const);
}

/** A list or a map. */
export function valueAnswer(value: JsonValue, format: 'json' | 'yaml'): WebAnswer {
  return format === 'json'
    ? { type: 'application/json', body: prettyJson(value) }
    : { type: 'text/plain; charset=utf-8', body: yamlText(value) };
}

/** Voxels in some format. Their tag is a digest of the bytes, since a chunk that the source lacks today it may have tomorrow. */
export async function bytesAnswer(bytes: Uint8Array, type: string, compressible = false): Promise<WebAnswer> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += SLICE) {
    if (at > 0) await nextTurn();
    hash.update(bytes.subarray(at, at + SLICE));
  }
  return { type, body: bytes, etag: hash.digest('base64url').slice(0, 22), compressible };
}
