/** Pages without sockets: handlers are asked as the router asks them, and their answers delivered as it delivers. */
import { deliver } from '../../src/access/http/deliver.ts';
import { GzipShelf } from '../../src/access/http/gzip-shelf.ts';
import type { Route, WebAnswer, WebRequest } from '../../src/access/http/route.ts';
import { splitPath } from '../../src/access/http/web-path.ts';
import { ALL_RIGHTS } from '../../src/core/rights.ts';

/** How a page is asked for. */
export interface AskOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly mayRead?: (path: string) => boolean;
}

/** What came back. */
export interface Page {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
  /** The page as text. */
  readonly text: string;
}

const USER = { id: 'ada', name: 'Ada' };

/** What the handler of a path answers; undefined where no route has it. */
export function handled(
  routes: readonly Route[],
  target: string,
  { headers = {}, mayRead = () => true }: AskOptions = {},
): ReturnType<Route['handle']> {
  const [path = '', query = ''] = target.split('?');
  const { segments, isFolder } = splitPath(path);
  const route = routes.find(({ prefix }) => path.startsWith(`${prefix}/`));
  const request: WebRequest = {
    method: 'GET',
    segments: segments.slice(1),
    isFolder,
    params: new URLSearchParams(query),
    origin: 'http://localhost',
    author: { user: USER, rights: ALL_RIGHTS },
    mayRead,
    header: (name) => headers[name],
    body: async () => new Uint8Array(0),
  };
  return route?.handle(request);
}

/** Asks for a page; what is not there is 404. Rejects with what the handler throws. */
export async function ask(routes: readonly Route[], target: string, options: AskOptions = {}): Promise<Page> {
  const answer: WebAnswer = (await handled(routes, target, options)) ?? { status: 404, type: 'text/plain', body: '' };
  const [path = '', query = ''] = target.split('?');
  const asked = { method: 'GET', path, query, header: (name: string) => options.headers?.[name] };
  const { status, headers, body = '' } = await deliver(asked, answer, { isOpen: true, shelf: new GzipShelf() });
  const bytes = typeof body === 'string' ? new Uint8Array(Buffer.from(body)) : Uint8Array.from(body);
  return { status, headers, bytes, text: Buffer.from(bytes).toString('utf8') };
}
