/** The first pages of a server: what it is, and whether it is alive. Later HTTP handlers each get a file of their own beside this one. */
import type { Core } from '../../core/core.ts';
import type { HttpRequest, HttpResponse } from '../transport.ts';

const TEXT = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };

/** Answers a plain HTTP request. */
export function answerHttp(request: HttpRequest, core: Core, server: string): HttpResponse {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, headers: { ...TEXT, allow: 'GET, HEAD' }, body: 'only GET and HEAD\n' };
  switch (request.path) {
    case '/healthz':
      return { status: 200, headers: TEXT, body: 'ok\n' };
    case '/':
      return { status: 200, headers: TEXT, body: welcome(core, server, request.header('host') ?? 'HOST:PORT') };
    default:
      return { status: 404, headers: TEXT, body: 'there is nothing at this path\n' };
  }
}

function welcome(core: Core, server: string, host: string): string {
  return `${server}, serving ${core.channelCount} channels over bfly.v1 at ws://${host}/v1

  npx bfly ls ${host}                 what there is
  npx bfly info ${host} PATH          shape, dtype, levels
  npx bfly pull ${host} PATH -o x.npy voxels
`;
}
