/** One request to a server of volumes: what was asked for, nothing of it, or why it may come later. */
import { createHash } from 'node:crypto';
import { BflyError } from '../../protocol/errors.ts';
import type { FilePart } from './byte-store.ts';

/** What to ask for. */
export interface RemoteRequest {
  readonly url: string;
  readonly method: 'GET' | 'HEAD';
  /** Unset: the whole file. */
  readonly range?: FilePart;
  /** More bytes are refused, after unpacking where the server packed them to send them. */
  readonly maxBytes: number;
  /** How long the server may be silent, or say next to nothing, ms. A whole answer may take sixty times as long. */
  readonly timeoutMs: number;
  /** Ends the request. */
  readonly signal: AbortSignal;
}

/** What came of it. */
export type RemoteAnswer =
  | { readonly kind: 'found'; readonly bytes: Uint8Array; readonly stamp: string }
  /** 404 or 410. */
  | { readonly kind: 'absent' }
  /** 403: buckets that may not be listed say so of what is not there. */
  | { readonly kind: 'refused' }
  /** May be otherwise in a moment. */
  | { readonly kind: 'away'; readonly why: string; readonly retryMs?: number; readonly isSilent?: true };

const MAX_REDIRECTS = 5;
/** Of a server that knows no ranges, so much is read in vain. */
const MAX_UNRANGED_BYTES = 64 * 1024 * 1024;
/** What is left of an answer is read to its end if it is not longer, so that the connection can be used again. */
const MAX_REST_BYTES = 64 * 1024;
const MAX_RETRY_AFTER_MS = 5_000;
/** A server that says less in `timeoutMs` counts as silent, bytes: it would keep its place among the few requests at once for hours. */
const LEAST_BYTES = 64 * 1024;
const MOST_TIMEOUTS = 60;

/**
 * Sends a request and reads its answer.
 *
 * @throws BflyError UNSUPPORTED for answers that will not change: too long, a redirect to another host, a password asked for.
 * @throws Error where the file is shorter than the part that was asked for.
 */
export async function requestRemote(request: RemoteRequest): Promise<RemoteAnswer> {
  const clock = new SilenceClock(request.timeoutMs, request.signal);
  try {
    const response = await follow(request, clock);
    return await answerOf(response, request, clock);
  } catch (cause) {
    if (cause instanceof BflyError || cause instanceof ShortFile) throw cause;
    if (request.signal.aborted) return { kind: 'away', why: 'its volume was closed' };
    if (clock.hasStruck) return { kind: 'away', why: clock.whyStruck, isSilent: true };
    return { kind: 'away', why: reasonOf(cause) };
  } finally {
    clock.stop();
  }
}

/** A file that ends before the part that was asked for; the message says so. */
class ShortFile extends Error {}

/** Breaks a request off where its server says nothing, or next to nothing, for too long. */
class SilenceClock {
  readonly signal: AbortSignal;
  hasStruck = false;
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #whole: NodeJS.Timeout;
  /** Bytes since it was wound. */
  #bytes = 0;
  #heardAt = performance.now();

  constructor(timeoutMs: number, outer: AbortSignal) {
    const abort = new AbortController();
    const strike = (): void => {
      this.hasStruck = true;
      abort.abort();
    };
    this.signal = AbortSignal.any([abort.signal, outer]);
    this.#timeoutMs = timeoutMs;
    this.#timer = setTimeout(strike, timeoutMs);
    this.#whole = setTimeout(strike, MOST_TIMEOUTS * timeoutMs);
  }

  get whyStruck(): string {
    const seconds = this.#timeoutMs / 1_000;
    const isSilent = performance.now() - this.#heardAt > this.#timeoutMs / 2;
    return isSilent ? `it was silent for ${seconds} s` : `it sent ${this.#bytes} bytes in ${seconds} s`;
  }

  /** The server has begun to answer. */
  wind(): void {
    this.#bytes = 0;
    this.#timer.refresh();
  }

  /** So many bytes of the answer came. */
  hear(bytes: number): void {
    this.#bytes += bytes;
    this.#heardAt = performance.now();
    if (this.#bytes >= LEAST_BYTES) this.wind();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#whole);
  }
}

/** Follows redirects as far as they stay with the host that was named: no other may be reached through it. */
async function follow({ url, method, range }: RemoteRequest, clock: SilenceClock): Promise<Response> {
  let at = new URL(url);
  // Ranges count bytes of the file, not of what a packed answer holds.
  const headers = range === undefined ? {} : { range: rangeHeader(range), 'accept-encoding': 'identity' };
  for (let turn = 0; turn <= MAX_REDIRECTS; turn++) {
    const response = await fetch(at, { method, headers, redirect: 'manual', signal: clock.signal });
    clock.wind();
    const location = response.headers.get('location');
    if (location === null || response.status < 300 || response.status > 399) return response;
    await discard(response);
    const next = URL.canParse(location, at) ? new URL(location, at) : undefined;
    if (next === undefined || !isSameHost(at, next))
      throw new BflyError(
        'UNSUPPORTED',
        `the server redirects to another host, ${next?.host.slice(0, 253) ?? 'which has no name'}: its address itself would be right`,
      );
    at = next;
  }
  throw new BflyError('UNSUPPORTED', 'the server redirects in a circle');
}

function isSameHost(from: URL, to: URL): boolean {
  if (to.hostname !== from.hostname || to.username !== '' || to.password !== '') return false;
  const isSecured = from.protocol === 'http:' && to.protocol === 'https:' && to.port === '';
  return isSecured || (to.protocol === from.protocol && to.port === from.port);
}

function rangeHeader(range: FilePart): string {
  return 'suffixLength' in range
    ? `bytes=-${range.suffixLength}`
    : `bytes=${range.offset}-${range.offset + range.length - 1}`;
}

async function answerOf(response: Response, request: RemoteRequest, clock: SilenceClock): Promise<RemoteAnswer> {
  const { status, headers } = response;
  if (status === 200 || status === 206) {
    if (request.method === 'HEAD') return { kind: 'found', bytes: new Uint8Array(0), stamp: '' };
    const bytes = await readBody(response, request, clock);
    return { kind: 'found', bytes: partOf(bytes, response, request.range), stamp: stampOf(headers, bytes) };
  }
  await discard(response);
  if (status === 404 || status === 410 || status === 204) return { kind: 'absent' };
  if (status === 403) return { kind: 'refused' };
  if (status === 416) throw new ShortFile(`the shard is too short: it has ${totalOf(headers) ?? 'fewer'} bytes`);
  if (status === 429 || status === 408 || status >= 500) {
    const wait = Number(headers.get('retry-after')) * 1_000;
    const retryMs = wait > 0 ? { retryMs: Math.min(wait, MAX_RETRY_AFTER_MS) } : {};
    return { kind: 'away', why: `it answers ${status}`, ...retryMs };
  }
  const right = status === 401 ? 'asks for a password; files that everybody may read would be right' : 'is no answer';
  throw new BflyError('UNSUPPORTED', `the server answers ${status}, which ${right}`);
}

async function readBody(response: Response, request: RemoteRequest, clock: SilenceClock): Promise<Uint8Array> {
  const whole = request.range !== undefined && response.status === 200;
  const maxBytes = whole ? MAX_UNRANGED_BYTES : mostOf(request);
  const pieces: Uint8Array[] = [];
  let length = 0;
  if (response.body === null) return new Uint8Array(0);
  for await (const piece of response.body) {
    clock.hear(piece.length);
    length += piece.length;
    // Leaving the loop ends the connection.
    if (length > maxBytes) throw tooLong(whole, Number(response.headers.get('content-length') ?? length));
    pieces.push(piece);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function mostOf({ range, maxBytes }: RemoteRequest): number {
  if (range === undefined) return maxBytes;
  return 'suffixLength' in range ? range.suffixLength : range.length;
}

function tooLong(whole: boolean, length: number): BflyError {
  return new BflyError(
    'UNSUPPORTED',
    whole
      ? 'the server sends whole files where a part was asked for; shards need a server that knows Range'
      : `it has ${length} bytes, more than it can need`,
  );
}

/** The part that was asked for, where a server that knows no ranges has sent all. */
function partOf(bytes: Uint8Array, { status, headers }: Response, range: FilePart | undefined): Uint8Array {
  if (range === undefined) return bytes;
  const wanted = 'suffixLength' in range ? range.suffixLength : range.length;
  const sent = /^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1];
  const isShifted = 'offset' in range && status === 206 && sent !== undefined && Number(sent) !== range.offset;
  const start = 'suffixLength' in range ? bytes.length - wanted : range.offset;
  const part = status === 206 ? bytes : bytes.slice(Math.max(0, start), start + wanted);
  if (part.length === wanted && start >= 0 && !isShifted) return part;
  throw new ShortFile(`the shard has ${totalOf(headers) ?? bytes.length} bytes, too few for a part of ${wanted}`);
}

function totalOf(headers: Headers): string | undefined {
  return /^bytes .*\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1];
}

/** Of the shape of stamps of files, SIZE@TIME: the same length with another stamp is the same file written anew. */
function stampOf(headers: Headers, bytes: Uint8Array): string {
  const told = headers.get('etag')?.replace(/^W\//, '') ?? headers.get('last-modified');
  const hash = createHash('sha256').update(told ?? bytes);
  return `${bytes.length}@${hash.digest().readBigUInt64BE()}`;
}

async function discard({ headers, body }: Response): Promise<void> {
  if (body === null) return;
  const told = Number(headers.get('content-length') ?? Number.POSITIVE_INFINITY);
  if (!(told <= MAX_REST_BYTES)) return body.cancel().catch(() => {});
  try {
    // What is told is its length packed: it is counted as it unpacks. Leaving the loop ends the connection.
    let length = 0;
    for await (const piece of body) {
      length += piece.length;
      if (length > MAX_REST_BYTES) return;
    }
  } catch {
    // Nobody wants the rest.
  }
}

/** What the system says of a connection that failed: the address is left out. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error ? (cause.cause ?? cause) : cause;
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : 'the connection broke';
  return `it cannot be reached (${code})`;
}
