/** Plain HTTP of the uws transport: one request and its answer, behind the traps of uWebSockets.js. */
import { BflyError } from '../../../protocol/errors.ts';
import { type PreparedResponse, prepareResponse } from './http-head.ts';
import { addressOfBytes } from './remote-address.ts';
import type { HttpResponse } from './transport.ts';
import type { UwsRequest, UwsResponse } from './uws-module.ts';

/** Bodies up to here are copied by uWebSockets.js, bytes; longer ones are written piece by piece as the client reads. */
const COPIED_BODY = 16 * 1024;
/** How much of a body that nobody wants is read before the answer, so that the client gets to read it: bytes and ms. */
const DISCARDED_BODY = 1024 * 1024;
const DISCARD_MS = 2_000;
/** Headers of which Node keeps the first; of others it joins the values. Here likewise. */
const SINGLE: ReadonlySet<string> = new Set([
  'age',
  'authorization',
  'content-length',
  'content-type',
  'etag',
  'expires',
  'from',
  'host',
  'if-modified-since',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'referer',
  'retry-after',
  'server',
  'user-agent',
]);

/** A request of uWebSockets.js, copied out of its short life, and its response. Make it before anything can throw. */
export class UwsExchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly remoteAddress: string;
  /** True where Content-Length came twice: whoever stands in front may have read another length. */
  readonly ambiguous: boolean;
  readonly #response: UwsResponse;
  readonly #headers: ReadonlyMap<string, string>;
  readonly #body: UwsBody | undefined;
  #onOver: (() => void) | undefined;
  #gone = false;
  #answered = false;

  /** @param onOver called once when the answer has been taken whole, or nobody will take it. */
  constructor(response: UwsResponse, request: UwsRequest, onOver?: () => void) {
    // First of all: without it uWebSockets.js ends the process where an answer comes later.
    response.onAborted(() => this.#abort());
    this.#response = response;
    this.#onOver = onOver;
    this.method = request.getCaseSensitiveMethod();
    this.path = request.getUrl();
    this.query = request.getQuery() ?? '';
    this.remoteAddress = addressOfBytes(new Uint8Array(response.getRemoteAddress()));
    const { headers, ambiguous } = readHeaders(request);
    this.#headers = headers;
    this.ambiguous = ambiguous;
    const length = headers.get('content-length');
    const hasBody = headers.has('transfer-encoding') || (length !== undefined && Number(length) !== 0);
    // Not without a body: the empty last chunk would switch off the time limit of an idle connection.
    this.#body = hasBody ? new UwsBody(response, Number(length ?? 0)) : undefined;
  }

  header(name: string): string | undefined {
    return this.#headers.get(name);
  }

  /** The whole body; see `HttpRequest.body`. */
  body(maxBytes: number): Promise<Uint8Array> {
    if (this.#body !== undefined) return this.#body.read(maxBytes);
    return Promise.resolve(new Uint8Array(0));
  }

  /**
   * Writes the answer, and ends the connection behind it where `close` says so. Where the client has gone, it is over at once. A request
   * without a body is answered before the call returns: inside its handler that leaves in one write.
   */
  answer(response: HttpResponse, close = false): void {
    if (this.#answered || this.#gone) response.onOver?.();
    else this.#follow(response.onOver);
    if (this.#answered) return;
    this.#answered = true;
    const prepared = prepareResponse(response);
    const discarding = this.#body?.discard();
    if (discarding === undefined) this.#finish(prepared, close);
    else void discarding.then(() => this.#finish(prepared, close));
  }

  #finish(prepared: PreparedResponse, close: boolean): void {
    if (this.#gone) return;
    // What is left of the body would be taken without any time limit.
    const unread = this.#body?.complete === false;
    // An answer without a body cannot tell uWebSockets.js to close behind it.
    if (unread && (prepared.bodyless || this.method === 'HEAD')) {
      this.#response.close();
      this.#over();
    } else this.#response.cork(() => this.#write(prepared, close || unread));
  }

  /** Hands the connection over; false where the client has gone. */
  upgrade(work: (response: UwsResponse) => void): boolean {
    if (this.#gone) return false;
    this.#answered = true;
    this.#response.cork(() => work(this.#response));
    this.#over();
    return true;
  }

  #write({ status, statusText, headers, body, length, bodyless }: PreparedResponse, close: boolean): void {
    const response = this.#response;
    response.writeStatus(`${status} ${statusText}`);
    for (const [name, value] of headers) response.writeHeader(name, value);
    if (bodyless || this.method === 'HEAD') {
      // Not by `endWithoutBody`'s own length: the response would never count as complete.
      if (!bodyless) response.writeHeader('Content-Length', String(length));
      response.endWithoutBody();
    } else if (body.length <= COPIED_BODY || close) response.end(body, close);
    else return this.#writeInPieces(body);
    this.#over();
  }

  #writeInPieces(body: Uint8Array): void {
    const response = this.#response;
    const write = (offset: number): boolean => {
      const [isWritten, isOver] = response.tryEnd(offset === 0 ? body : body.subarray(offset), body.length);
      if (isOver) this.#over();
      return isWritten;
    };
    if (write(0)) return;
    response.onWritable((offset) => this.#gone || write(offset));
  }

  #abort(): void {
    this.#gone = true;
    this.#body?.abort();
    this.#over();
  }

  #follow(onOver: (() => void) | undefined): void {
    const before = this.#onOver;
    if (onOver === undefined) return;
    this.#onOver = () => {
      before?.();
      onOver();
    };
  }

  #over(): void {
    this.#onOver?.();
    this.#onOver = undefined;
  }
}

/** The body of a request: held back until somebody asks for it, then collected up to a limit. */
class UwsBody {
  complete = false;
  readonly #response: UwsResponse;
  readonly #announced: number;
  #chunks: Uint8Array[] = [];
  #length = 0;
  #maxBytes: number | undefined;
  #paused = false;
  #gone = false;
  #result: Promise<Uint8Array> | undefined;
  #settle: ((error?: BflyError) => void) | undefined;
  #discarded: (() => void) | undefined;

  constructor(response: UwsResponse, announced: number) {
    this.#response = response;
    this.#announced = announced;
    response.onData((chunk, isLast) => this.#take(chunk, isLast));
  }

  read(maxBytes: number): Promise<Uint8Array> {
    this.#result ??= new Promise((resolve, reject) => {
      this.#settle = (error) => {
        this.#settle = undefined;
        if (error === undefined) resolve(this.#joined());
        else reject(error);
        this.#chunks = [];
      };
      this.#maxBytes = maxBytes;
      this.#check();
      this.#resume();
    });
    // A handler that answers without waiting for it shall not end the process when the client goes away.
    this.#result.catch(() => {});
    return this.#result;
  }

  /** Drops the rest as it comes, but not for ever; undefined where there is none. */
  discard(): Promise<void> | undefined {
    if (this.complete || this.#gone) return undefined;
    this.#chunks = [];
    this.#length = 0;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, DISCARD_MS);
      this.#discarded = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#resume();
    });
  }

  abort(): void {
    this.#gone = true;
    this.#settle?.(new BflyError('CANCELLED', 'the client went away before its request was complete'));
    this.#discarded?.();
  }

  #take(chunk: ArrayBuffer, isLast: boolean): void {
    this.complete = isLast;
    this.#length += chunk.byteLength;
    if (this.#discarded !== undefined) {
      if (isLast || this.#length > DISCARDED_BODY) this.#discarded();
      return;
    }
    const wanted = this.#maxBytes === undefined || this.#settle !== undefined;
    if (wanted) this.#chunks.push(new Uint8Array(chunk.slice(0)));
    this.#check();
    if (!isLast && this.#maxBytes === undefined) this.#pause();
  }

  #check(): void {
    const limit = this.#maxBytes;
    if (limit === undefined) return;
    if (this.#gone) this.abort();
    else if (Math.max(this.#length, this.#announced) > limit) {
      this.#settle?.(new BflyError('TOO_LARGE', `the request body must be at most ${limit} bytes`));
    } else if (this.complete) this.#settle?.();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#response.pause();
  }

  #resume(): void {
    if (!this.#paused || this.#gone) return;
    this.#paused = false;
    this.#response.resume();
  }

  #joined(): Uint8Array {
    const whole = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }
}

function readHeaders(request: UwsRequest): { headers: ReadonlyMap<string, string>; ambiguous: boolean } {
  const headers = new Map<string, string>();
  let ambiguous = false;
  request.forEach((name, value) => {
    const before = headers.get(name);
    if (before === undefined) headers.set(name, value);
    else if (!SINGLE.has(name)) headers.set(name, `${before}${name === 'cookie' ? '; ' : ', '}${value}`);
    else ambiguous ||= name === 'content-length' || name === 'host';
  });
  return { headers, ambiguous };
}
