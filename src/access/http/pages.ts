/** The first page of a server: the viewer for browsers, and what the server is, in plain text, for everybody else. */
import type { Core } from '../../core/core.ts';
import type { Route, WebAnswer, WebRequest } from './route.ts';
import type { ViewerFolder } from './viewer-folder.ts';
import { NOT_BUILT, pageAnswer, wantsPage } from './viewer-route.ts';

/** The viewer, as `/` needs it. */
export interface FirstPage {
  readonly folder: ViewerFolder;
  /** Origins, besides the server's own, whose pages may show it in a frame. */
  readonly framers: readonly string[];
}

/** `/`, and `/index.html`, which is always the viewer. @param viewer unset: `/` is text for all. */
export function pagesRoute(core: Pick<Core, 'channelCount'>, server: string, viewer?: FirstPage): Route {
  const text = ({ origin }: WebRequest, more = ''): WebAnswer => {
    const body = welcome(core, server, origin) + more;
    return { type: 'text/plain; charset=utf-8', body, cache: 'no-store', vary: 'accept' };
  };
  const page = async (request: WebRequest): Promise<WebAnswer> => {
    const built = await viewer?.folder.current();
    if (viewer === undefined || built === undefined) return text(request, viewer === undefined ? '' : NOT_BUILT);
    return { ...pageAnswer(built, viewer.framers), vary: 'accept' };
  };
  return {
    prefix: '/',
    isPublic: true,
    handle: (request) => {
      const { segments, isFolder } = request;
      if (segments.length === 0) return wantsPage(request.header('accept')) ? page(request) : text(request);
      return viewer !== undefined && segments.length === 1 && segments[0] === 'index.html' && !isFolder
        ? page(request)
        : undefined;
    },
  };
}

function welcome(core: Pick<Core, 'channelCount'>, server: string, origin: string): string {
  const host = origin.slice(origin.indexOf('//') + 2);
  return `${server}, serving ${core.channelCount} channels over bfly.v1 at ${origin.replace('http', 'ws')}/v1

  npx bfly ls ${host}                 what there is
  npx bfly info ${host} PATH          shape, dtype, levels
  npx bfly pull ${host} PATH -o x.npy voxels

The HTTP side is described at ${origin}/openapi.json
`;
}
