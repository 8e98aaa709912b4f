/** What a family of pages is, to the router: a prefix, and a handler that knows nothing of ranges, caches, compression or methods. */
import type { Author, Right } from '../../core/rights.ts';
import type { Coding } from './accept-encoding.ts';

/** Who sent a request, before anybody looks at tokens. */
export interface WebPeer {
  readonly remoteAddress: string;
  /** Value of a header by its lower-case name. */
  header(name: string): string | undefined;
}

/** A request, as far as a handler has to know it. */
export interface WebRequest {
  /** In upper case; HEAD comes as GET. */
  readonly method: string;
  /** Percent-decoded segments behind the route's prefix; none is empty, `.` or `..`, or holds a NUL or a slash. */
  readonly segments: readonly string[];
  /** The path ended with a slash. */
  readonly isFolder: boolean;
  /** The query, without tokens. */
  readonly params: URLSearchParams;
  /** Scheme and host as the client named them, such as `http://localhost:8080`. */
  readonly origin: string;
  readonly author: Author;
  /** Whether a channel, or something below a path, is there for the one who asks. */
  mayRead(path: string): boolean;
  /** Value of a header by its lower-case name. */
  header(name: string): string | undefined;
  /** The whole body; rejects with TOO_LARGE over `maxBytes`. */
  body(maxBytes: number): Promise<Uint8Array>;
}

/** Bytes of an answer, at once or later. Shared: not written again. */
export type WebBody = Uint8Array | string | (() => Uint8Array | string | Promise<Uint8Array | string>);

/**
 * An answer. The router adds CORS, ETag, Cache-Control, ranges, compression, HEAD, 304 and 412.
 */
export interface WebAnswer {
  /** Default 200. */
  readonly status?: number;
  /** Content-Type. */
  readonly type: string;
  /** Made only where it is wanted: not for 304 or 412. */
  readonly body: WebBody;
  /**
   * What the bytes depend on, without quotes: the same name, the same bytes, for ever. The router adds the content encoding. Default: a digest
   * of the body.
   */
  readonly etag?: string;
  /** immutable: the URL never means anything else; revalidate (default): ask again each time; no-store: never kept. */
  readonly cache?: 'immutable' | 'revalidate' | 'no-store';
  /** Whether gzip pays; default: by the type (text and JSON). Never together with a range. */
  readonly compressible?: boolean;
  /** The same bytes, encoded before: one of these forms is sent to those who take it, and the router compresses nothing. */
  readonly encoded?: Readonly<Partial<Record<Coding, WebBody>>>;
  /** Names of request headers, besides those that the router looks at, by which this URL gives one answer or another. */
  readonly vary?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where the bytes can be had in parts: a range, or a HEAD, then need not make all of `body`, which is the same. `etag` is given too. */
  readonly file?: WebFile;
}

/** Bytes of which any part can be read alone. */
export interface WebFile {
  readonly byteLength: number;
  /** Bytes [from, to), wholly inside. Shared. */
  read(from: number, to: number): Promise<Uint8Array>;
}

/** A family of pages. */
export interface Route {
  /** One or more whole segments, such as `/precomputed` or `/nd/sd`; the longest that fits is taken. */
  readonly prefix: string;
  /** Default: GET. */
  readonly methods?: readonly string[];
  /**
   * The pages tell nothing of data: no token is needed, and `author` has no rights. A function says so of some peers only. What is public
   * is answered also while the server is overloaded or on its way out.
   */
  readonly isPublic?: boolean | ((peer: WebPeer) => boolean);
  /** A right on everything that all others need who come to these pages. */
  readonly right?: Right;
  /**
   * Answers a request; undefined = there is nothing here. BflyErrors become answers of text (NOT_FOUND 404, BAD_REQUEST and OUT_OF_BOUNDS 400,
   * UNSUPPORTED 415, UNAUTHENTICATED 401, FORBIDDEN 403, TOO_LARGE 413, RATE_LIMITED 429, UNAVAILABLE 503 with Retry-After, others 500).
   */
  handle(request: WebRequest): WebAnswer | undefined | Promise<WebAnswer | undefined>;
}
