/** Plain HTTP: finds the route of a request and who asks, lets the route answer, and sees to what every answer needs. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Author } from '../../core/rights.ts';
import type { Logger } from '../../utility/log.ts';
import { bearerOf } from '../auth/bearer.ts';
import { NO_RIGHTS } from '../auth/grants.ts';
import type { HttpRequest, HttpResponse } from '../transport/transport.ts';
import { after, CORS, type Delivery, deliver } from './deliver.ts';
import { GzipShelf } from './gzip-shelf.ts';
import { IncomingRequest, tokenOf } from './incoming.ts';
import { DEFAULT_BOUNDS, type HttpBounds, HttpLoad } from './load.ts';
import type { Route, WebAnswer } from './route.ts';
import { type RouteMatch, RouteTable } from './route-table.ts';
import { errorAnswer, NOTHING_HERE, textAnswer } from './web-errors.ts';
import { type IdentityHome, WebIdentities } from './web-identity.ts';
import { splitPath, type WebPath } from './web-path.ts';

/** What a router needs of its server. */
export interface RouterHome extends IdentityHome {
  readonly log: Logger;
  /** The present in ms. */
  readonly now: () => number;
  /** The server is on its way out. */
  readonly leaving: boolean;
  /** Whether a path holds something that an author may read. */
  holds(path: string, author: Author): boolean;
  /** Whether a page of this origin may do more than read; default: no page of another host may. */
  mayWrite?(origin: string, host: string | undefined): boolean;
  /** Hears of every answer. @param route prefix of the route; 'none' where there is none. */
  onAnswer?(route: string, status: number, ms: number, bytes: number): void;
  /** The router has come to its end. */
  onClose?(): void;
}

/** Settings of a router. */
export interface RouterOptions {
  readonly bounds?: Partial<HttpBounds>;
  /** Addresses whose bounds do not hold; default: loopback's. */
  readonly isTrusted?: (address: string) => boolean;
}

const NOBODY: Author = { user: { id: 'nobody', name: 'nobody' }, rights: NO_RIGHTS };
const GET_ONLY: readonly string[] = ['GET'];
/** Shorter answers fit into what connections hold anyway, bytes. */
const LONG_BYTES = 64 * 1024;
const PREFLIGHT = {
  'access-control-allow-headers': 'authorization, range, content-type, if-match, if-none-match',
  'access-control-max-age': '86400',
};

/** Answers plain HTTP requests. */
export class HttpRouter {
  readonly routes: readonly Route[];
  readonly #home: RouterHome;
  readonly #table: RouteTable;
  readonly #identities: WebIdentities;
  readonly #load: HttpLoad;
  readonly #delivery: Delivery;
  readonly #holds: (path: string, author: Author) => boolean;

  constructor(routes: readonly Route[], home: RouterHome, { bounds, isTrusted }: RouterOptions = {}) {
    this.routes = routes;
    this.#home = home;
    this.#table = new RouteTable(routes);
    this.#identities = new WebIdentities(home);
    this.#load = new HttpLoad({ ...DEFAULT_BOUNDS, ...bounds }, home.now, isTrusted);
    this.#delivery = { isOpen: home.authority.isOpen, shelf: new GzipShelf() };
    this.#holds = (path, author) => home.holds(path, author);
  }

  /** Requests that are being worked on. */
  get underWay(): number {
    return this.#load.underWay;
  }

  /** Bytes of long answers that clients have not taken yet. */
  get heldBytes(): number {
    return this.#load.heldBytes;
  }

  /** Forgets who was let in: the end. */
  close(): void {
    this.#identities.close();
    this.#home.onClose?.();
  }

  /** Answers a request: at once where its handler does. Never throws and never rejects. */
  answer(http: HttpRequest): HttpResponse | Promise<HttpResponse> {
    const { now, onAnswer } = this.#home;
    const began = onAnswer === undefined ? 0 : now();
    let prefix = 'none';
    const done = (made: HttpResponse): HttpResponse => {
      const response = this.#held(http, made);
      this.#home.onAnswer?.(prefix, response.status, now() - began, response.body?.length ?? 0);
      return response;
    };
    let answering: HttpResponse | Promise<HttpResponse>;
    try {
      const path = splitPath(http.path);
      const match = this.#table.find(path.segments);
      if (match !== undefined) prefix = match.route.prefix;
      answering = this.#answer(http, path, match);
    } catch (error) {
      answering = this.#failed(http, error);
    }
    if (!(answering instanceof Promise)) return done(answering);
    this.#load.begin(http.remoteAddress);
    return answering
      .catch((error: unknown) => this.#failed(http, error))
      .then((response) => {
        this.#load.end(http.remoteAddress);
        return done(response);
      });
  }

  #answer(http: HttpRequest, path: WebPath, match: RouteMatch | undefined): HttpResponse | Promise<HttpResponse> {
    if (http.method === 'OPTIONS') return preflight(match?.route);
    if (match === undefined) return this.#deliver(http, NOTHING_HERE);
    const { route } = match;
    const isPublic = typeof route.isPublic === 'function' ? route.isPublic(http) : route.isPublic === true;
    const refusal = isPublic ? undefined : this.#refusal(http);
    if (refusal !== undefined) throw refusal;
    if (!isAllowed(route, http.method)) return this.#deliver(http, wrongMethod(route));
    if (isPublic) return this.#handle(http, path, match, NOBODY);
    const token = bearerOf(http.header('authorization')) ?? tokenOf(http.query);
    if (token === undefined) this.#checkOrigin(http);
    return after(this.#identities.identify(token, http.remoteAddress), (author) => {
      if (route.right !== undefined && !author.rights.allows(route.right, ''))
        throw new BflyError('FORBIDDEN', `these pages need the right ${route.right} on everything`);
      return this.#handle(http, path, match, author);
    });
  }

  #handle(
    http: HttpRequest,
    path: WebPath,
    { route, depth }: RouteMatch,
    author: Author,
  ): HttpResponse | Promise<HttpResponse> {
    const request = new IncomingRequest(http, path, depth, author, this.#holds);
    return after(route.handle(request), (answer) => this.#deliver(http, answer ?? NOTHING_HERE));
  }

  #refusal({ remoteAddress }: HttpRequest): BflyError | undefined {
    if (this.#home.leaving) return new BflyError('UNAVAILABLE', 'the server is shutting down', { retryMs: 5_000 });
    return this.#load.refusal(remoteAddress);
  }

  /** A page of somewhere else may read what everybody may; without a token of its own it must not write in its reader's name. */
  #checkOrigin(http: HttpRequest): void {
    if (http.method === 'GET' || http.method === 'HEAD') return;
    const origin = http.header('origin');
    if (origin === undefined || this.#home.mayWrite?.(origin, http.header('host')) === true) return;
    throw new BflyError('FORBIDDEN', 'pages of this origin may only read: the server lists those that may write');
  }

  /** Long answers are counted until their clients have taken them; where too many wait already, the client is asked to come again. */
  #held(http: HttpRequest, response: HttpResponse): HttpResponse {
    const bytes = response.body?.length ?? 0;
    if (bytes < LONG_BYTES || http.method === 'HEAD') return response;
    const held = this.#load.hold(http.remoteAddress, bytes);
    return held instanceof BflyError ? refused(held) : { ...response, onOver: held };
  }

  #deliver(http: HttpRequest, answer: WebAnswer): HttpResponse | Promise<HttpResponse> {
    return deliver(http, answer, this.#delivery);
  }

  #failed(http: HttpRequest, error: unknown): HttpResponse | Promise<HttpResponse> {
    return this.#deliver(http, errorAnswer(error, this.#home.log));
  }
}

function refused({ message, retryMs = 1_000 }: BflyError): HttpResponse {
  const headers = { ...CORS, 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
  return {
    status: 503,
    headers: { ...headers, 'retry-after': String(Math.ceil(retryMs / 1_000)) },
    body: `${message}\n`,
  };
}

function isAllowed({ methods = GET_ONLY }: Route, method: string): boolean {
  return methods.includes(method) || (method === 'HEAD' && methods.includes('GET'));
}

function methodsOf({ methods = GET_ONLY }: { readonly methods?: readonly string[] }): string {
  const heads = methods.includes('GET') ? ['HEAD'] : [];
  return [...methods, ...heads, 'OPTIONS'].join(', ');
}

function wrongMethod(route: Route): WebAnswer {
  const allow = methodsOf(route);
  return textAnswer(405, `only ${allow} here`, { allow });
}

function preflight(route: Route | undefined): HttpResponse {
  const allow = methodsOf(route ?? {});
  return { status: 204, headers: { ...CORS, ...PREFLIGHT, allow, 'access-control-allow-methods': allow } };
}
