/** The first message of a connection. Rules [H1], [H2], [H5]. */
import type { ClientMessage, ResumeRequest } from '../../protocol/index.ts';
import type { ConnectOptions } from './options.ts';

const DEFAULT_CLIENT = 'butterfly-js/1';
/** Bytes of HELLO that are kept for all but the token and the subscriptions: client, name, color and the rest. */
const ROOM = 1_024;

/** What this client can use, rule [H5]. */
const FEATURES: readonly string[] = [
  'pull',
  'cutout',
  'unique',
  'feature',
  'edit',
  'subscribe',
  'presence',
  'auth',
  'history',
];

/** Bytes that HELLO has for subscriptions. @param limit of the whole message. */
export function helloRoom(limit: number, token: string | undefined): number {
  return Math.max(0, limit - (token?.length ?? 0) - ROOM);
}

/** HELLO without its id. */
export function makeHello(
  { client, name, color, window, frame }: ConnectOptions,
  token: string | undefined,
  resume: readonly ResumeRequest[],
): Omit<Extract<ClientMessage, { kind: 'HELLO' }>, 'id'> {
  return {
    kind: 'HELLO',
    v: [1],
    client: client ?? DEFAULT_CLIENT,
    feat: FEATURES,
    ...(token === undefined ? {} : { token }),
    ...(name === undefined ? {} : { name }),
    ...(color === undefined ? {} : { color }),
    ...(window === undefined ? {} : { win: window }),
    ...(frame === undefined ? {} : { frame }),
    ...(resume.length === 0 ? {} : { resume }),
  };
}
