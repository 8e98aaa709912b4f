/** The first page of a server: what it is. */
import type { Core } from '../../core/core.ts';
import type { Route } from './route.ts';

/** `/`: in a few words of plain text, how to go on. */
export function pagesRoute(core: Pick<Core, 'channelCount'>, server: string): Route {
  return {
    prefix: '/',
    isPublic: true,
    handle: ({ segments, origin }) => {
      if (segments.length > 0) return undefined;
      return { type: 'text/plain; charset=utf-8', body: welcome(core, server, origin), cache: 'no-store' };
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
