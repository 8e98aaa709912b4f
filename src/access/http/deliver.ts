/** From what a handler answers to what is sent: conditions, ranges, compression, caching. Source: RFC 9110, 9111. */
import type { HttpResponse } from '../transport/transport.ts';
import { type Coding, wantedCoding } from './accept-encoding.ts';
import { wantedRange } from './byte-range.ts';
import { digestOf, namedTag, type PageTags, tagsOf } from './etag.ts';
import { type GzipShelf, MIN_GZIP_BYTES } from './gzip-shelf.ts';
import type { WebAnswer, WebBody, WebFile } from './route.ts';

/** What of a request matters to how it is answered. */
export interface Asked {
  readonly method: string;
  /** Percent-encoded. */
  readonly path: string;
  readonly query: string;
  header(name: string): string | undefined;
}

/** How a server delivers. */
export interface Delivery {
  /** Everybody may read everything, so caches of many users may keep it. */
  readonly isOpen: boolean;
  readonly shelf: GzipShelf;
}

type Bytes = Uint8Array | string;

/** Of every answer: pages of any origin may read it. Tokens travel in headers and queries, never in cookies. */
export const CORS: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers':
    'accept-ranges, content-encoding, content-range, date, etag, retry-after, www-authenticate',
};
const CODING_AND_TOKEN = 'accept-encoding, authorization';
const NO_CODING: readonly Coding[] = [];
const GZIP_ALONE: readonly Coding[] = ['gzip'];
/** The smallest first. */
const BEST_FIRST: readonly Coding[] = ['br', 'gzip'];
const COMPRESSIBLE = /^(text\/|application\/(json|yaml|xml|javascript)\b|[^;]*\+(json|xml)\b|image\/svg)/;

/**
 * Makes the response of an answer: at once where its body is there at once.
 *
 * @throws what the body's maker throws.
 */
export function deliver(asked: Asked, answer: WebAnswer, delivery: Delivery): HttpResponse | Promise<HttpResponse> {
  const { status = 200, cache, etag } = answer;
  const isRead = asked.method === 'GET' || asked.method === 'HEAD';
  if (status !== 200 || !isRead)
    return after(made(answer.body), (body) => ({ status, headers: headersOf(answer, delivery), body }));
  const hasBr = answer.encoded?.br !== undefined;
  if (etag !== undefined) return deliverPage(asked, answer, tagsOf(etag, hasBr), delivery);
  if (cache === 'no-store') return deliverPage(asked, answer, undefined, delivery);
  return after(made(answer.body), (body) =>
    deliverPage(asked, { ...answer, body }, tagsOf(digestOf(body), hasBr), delivery),
  );
}

/** Runs `next` on a value: at once where it is there. */
export function after<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

function deliverPage(
  asked: Asked,
  answer: WebAnswer,
  tags: PageTags | undefined,
  delivery: Delivery,
): HttpResponse | Promise<HttpResponse> {
  const early = tags === undefined ? undefined : checkConditions(asked, answer, tags, delivery);
  if (early !== undefined) return early;
  const range = asked.method === 'GET' ? rangeOf(asked, tags) : undefined;
  if (range !== undefined && answer.file !== undefined) return deliverPart(answer, answer.file, range, tags, delivery);
  if (range !== undefined) return after(made(answer.body), (body) => deliverRange(answer, body, range, tags, delivery));
  // A HEAD tells the length that ranges count by.
  if (asked.method === 'HEAD' && answer.file !== undefined)
    return { ...deliverWhole(answer, '', tags, delivery), length: answer.file.byteLength };
  const coding = asked.method === 'GET' ? wantedCoding(asked.header('accept-encoding'), codingsOf(answer)) : undefined;
  const encoded = coding === undefined ? undefined : answer.encoded?.[coding];
  if (coding !== undefined && encoded !== undefined)
    return after(made(encoded), (body) => deliverCoded(answer, body, coding, tags, delivery));
  if (coding !== undefined) return deliverGzip(asked, answer, tags, delivery);
  return after(made(answer.body), (body) => deliverWhole(answer, body, tags, delivery));
}

/** The answer to If-Match and If-None-Match; undefined where they let the body pass. */
function checkConditions(
  asked: Asked,
  answer: WebAnswer,
  tags: PageTags,
  delivery: Delivery,
): HttpResponse | undefined {
  const must = asked.header('if-match');
  if (must !== undefined && namedTag(must, tags, false) === undefined) {
    const headers = { ...CORS, 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
    return { status: 412, headers, body: 'this is not what If-Match names any more\n' };
  }
  const has = asked.header('if-none-match');
  const tag = has === undefined ? undefined : namedTag(has, tags, true);
  if (tag === undefined) return undefined;
  const { 'content-type': _, ...headers } = headersOf(answer, delivery, tag);
  return { status: 304, headers };
}

/** The Range header, where it counts. */
function rangeOf(asked: Asked, tags: PageTags | undefined): string | undefined {
  const range = asked.header('range');
  if (range === undefined) return undefined;
  const unless = asked.header('if-range');
  // A date never fits: nothing here has one.
  return unless === undefined || unless.trim() === tags?.identity ? range : undefined;
}

function deliverWhole(answer: WebAnswer, body: Bytes, tags: PageTags | undefined, delivery: Delivery): HttpResponse {
  const headers = headersOf(answer, delivery, tags?.identity);
  headers['accept-ranges'] = 'bytes';
  return { status: 200, headers, body };
}

function deliverRange(
  answer: WebAnswer,
  body: Bytes,
  range: string,
  tags: PageTags | undefined,
  delivery: Delivery,
): HttpResponse {
  const bytes = bytesOf(body);
  const wanted = wantedRange(range, bytes.length);
  if (wanted === 'whole') return deliverWhole(answer, bytes, tags, delivery);
  if (wanted === 'outside') return outside(bytes.length);
  const part = bytes.subarray(wanted.start, wanted.end);
  return partial(answer, part, `${wanted.start}-${wanted.end - 1}/${bytes.length}`, tags, delivery);
}

/** As `deliverRange`, where no more than the range need be read. */
function deliverPart(
  answer: WebAnswer,
  { byteLength, read }: WebFile,
  range: string,
  tags: PageTags | undefined,
  delivery: Delivery,
): HttpResponse | Promise<HttpResponse> {
  const wanted = wantedRange(range, byteLength);
  if (wanted === 'whole') return after(made(answer.body), (body) => deliverWhole(answer, body, tags, delivery));
  if (wanted === 'outside') return outside(byteLength);
  const place = `${wanted.start}-${wanted.end - 1}/${byteLength}`;
  return read(wanted.start, wanted.end).then((part) => partial(answer, part, place, tags, delivery));
}

function outside(byteLength: number): HttpResponse {
  const headers = { ...CORS, 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
  const total = `bytes */${byteLength}`;
  return { status: 416, headers: { ...headers, 'content-range': total }, body: `there are ${byteLength} bytes\n` };
}

function partial(
  answer: WebAnswer,
  body: Uint8Array,
  place: string,
  tags: PageTags | undefined,
  delivery: Delivery,
): HttpResponse {
  const headers = headersOf(answer, delivery, tags?.identity);
  headers['accept-ranges'] = 'bytes';
  headers['content-range'] = `bytes ${place}`;
  return { status: 206, headers, body };
}

function deliverCoded(
  answer: WebAnswer,
  body: Bytes,
  coding: Coding,
  tags: PageTags | undefined,
  delivery: Delivery,
): HttpResponse {
  const headers = headersOf(answer, delivery, tags?.[coding]);
  headers['content-encoding'] = coding;
  return { status: 200, headers, body };
}

function deliverGzip(
  asked: Asked,
  answer: WebAnswer,
  tags: PageTags | undefined,
  delivery: Delivery,
): HttpResponse | Promise<HttpResponse> {
  const key = answer.etag === undefined ? undefined : `${asked.path}?${asked.query} ${answer.etag}`;
  const zipped = (body: Uint8Array): HttpResponse => deliverCoded(answer, body, 'gzip', tags, delivery);
  const kept = key === undefined ? undefined : delivery.shelf.get(key);
  if (kept !== undefined) return zipped(kept);
  return after(made(answer.body), (body) => {
    const bytes = bytesOf(body);
    if (bytes.length < MIN_GZIP_BYTES) return deliverWhole(answer, bytes, tags, delivery);
    return after(delivery.shelf.compress(bytes, key), (packed) =>
      packed === bytes ? deliverWhole(answer, bytes, tags, delivery) : zipped(packed),
    );
  });
}

/** A new object, for the caller to add to. */
function headersOf(answer: WebAnswer, { isOpen }: Delivery, tag?: string): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': answer.type,
    'cache-control': cacheControl(answer, isOpen),
    'access-control-allow-origin': '*',
    'access-control-expose-headers': CORS['access-control-expose-headers'] as string,
    'x-content-type-options': 'nosniff',
  };
  if (tag !== undefined) headers['etag'] = tag;
  const vary = varyOf(answer, isOpen);
  if (vary !== undefined) headers['vary'] = vary;
  return answer.headers === undefined ? headers : Object.assign(headers, answer.headers);
}

function cacheControl({ status = 200, cache }: WebAnswer, isOpen: boolean): string {
  switch (cache ?? (status < 300 ? 'revalidate' : 'no-store')) {
    case 'immutable':
      return isOpen ? 'public, max-age=31536000, immutable' : 'private, max-age=31536000, immutable';
    case 'revalidate':
      return isOpen ? 'no-cache' : 'private, no-cache';
    default:
      return 'no-store';
  }
}

/** Whoever asks with another token may see something else. */
function varyOf(answer: WebAnswer, isOpen: boolean): string | undefined {
  const encoding = codingsOf(answer).length > 0;
  const usual = isOpen ? (encoding ? 'accept-encoding' : undefined) : encoding ? CODING_AND_TOKEN : 'authorization';
  if (answer.vary === undefined) return usual;
  return usual === undefined ? answer.vary : `${answer.vary}, ${usual}`;
}

/** The codings that an answer may be sent in. */
function codingsOf(answer: WebAnswer): readonly Coding[] {
  const { encoded } = answer;
  if (encoded !== undefined) return BEST_FIRST.filter((coding) => encoded[coding] !== undefined);
  return isCompressible(answer) ? GZIP_ALONE : NO_CODING;
}

function isCompressible({ compressible, type }: WebAnswer): boolean {
  return compressible ?? COMPRESSIBLE.test(type);
}

const made = (body: WebBody): Bytes | Promise<Bytes> => (typeof body === 'function' ? body() : body);
const bytesOf = (body: Bytes): Uint8Array => (typeof body === 'string' ? Buffer.from(body, 'utf8') : body);
