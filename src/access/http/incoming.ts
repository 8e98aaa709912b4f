/** A request as its handler sees it. Parts that few handlers look at are made when somebody does. */
import type { Author } from '../../core/rights.ts';
import type { HttpRequest } from '../transport/transport.ts';
import type { WebRequest } from './route.ts';
import type { WebPath } from './web-path.ts';

/** Parameters of a query that carry a token. */
const TOKEN_PARAM = 'token';
const HOST = /^[\w.~-]+(:\d{1,5})?$|^\[[\da-f:.]+\](:\d{1,5})?$/i;

/** The token that a query carries; undefined where it carries none. */
export function tokenOf(query: string): string | undefined {
  if (!query.includes(TOKEN_PARAM)) return undefined;
  const token = new URLSearchParams(query).get(TOKEN_PARAM);
  return token === null || token === '' ? undefined : token;
}

/** A request. */
export class IncomingRequest implements WebRequest {
  readonly method: string;
  readonly segments: readonly string[];
  readonly isFolder: boolean;
  readonly author: Author;
  readonly #http: HttpRequest;
  readonly #holds: (path: string, author: Author) => boolean;
  #params: URLSearchParams | undefined;

  /**
   * @param depth how many segments of the path are the route's prefix.
   * @param holds whether something that the author may read is below a path.
   */
  constructor(
    http: HttpRequest,
    path: WebPath,
    depth: number,
    author: Author,
    holds: (path: string, author: Author) => boolean,
  ) {
    this.method = http.method === 'HEAD' ? 'GET' : http.method;
    this.segments = depth === 0 ? path.segments : path.segments.slice(depth);
    this.isFolder = path.isFolder;
    this.author = author;
    this.#http = http;
    this.#holds = holds;
  }

  get params(): URLSearchParams {
    if (this.#params === undefined) {
      this.#params = new URLSearchParams(this.#http.query);
      this.#params.delete(TOKEN_PARAM);
    }
    return this.#params;
  }

  get origin(): string {
    const host = this.#http.header('host') ?? '';
    // What a proxy says counts only for how a client's own answer is worded.
    const scheme = this.#http.header('x-forwarded-proto')?.trim().toLowerCase() === 'https' ? 'https' : 'http';
    return `${scheme}://${HOST.test(host) ? host : 'localhost'}`;
  }

  mayRead(path: string): boolean {
    return this.author.rights.allows('read', path) || this.#holds(path, this.author);
  }

  header(name: string): string | undefined {
    return this.#http.header(name);
  }

  body(maxBytes: number): Promise<Uint8Array> {
    return this.#http.body(maxBytes);
  }
}
