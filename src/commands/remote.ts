/** Talking to a server. */
import { userInfo } from 'node:os';
import { BflyError } from '../../protocol/errors.ts';
import { type ChannelInfo, type MipInfo, pathFault } from '../../protocol/volume.ts';
import {
  type Context,
  type EditConnectOptions,
  type EditSession,
  type RemoteSession,
  say,
  type Terminal,
} from './context.ts';

/** Options that every command with a URL has. */
export interface RemoteOptions {
  readonly token?: string;
}

/**
 * Completes a server's address: `HOST:PORT` and `HOST` get `http://` in front.
 *
 * @throws BflyError BAD_REQUEST where it is no address of a server.
 */
export function serverUrl(text: string): string {
  const legal = 'the address of a server is such as http://127.0.0.1:2001, wss://host or host:2001';
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const isLegal = URL.canParse(full) && /^(https?|wss?):$/.test(new URL(full).protocol);
  if (!isLegal) throw new BflyError('BAD_REQUEST', `"${text}" is no address; ${legal}`);
  return full;
}

/** Opens a session for some work and closes it behind it, whatever happens. */
export async function withSession<T>(
  context: Context,
  url: string,
  options: RemoteOptions,
  work: (session: RemoteSession) => Promise<T>,
): Promise<T> {
  const address = serverUrl(url);
  const wishes = { reconnect: false, client: `bfly/${context.version}` } as const;
  const connectOptions = options.token === undefined ? wishes : { ...wishes, token: options.token };
  const session = await context.parts.connect(address, connectOptions).catch(noServer(address));
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

/** Options of `withEditing`. */
export interface EditingOptions extends RemoteOptions {
  /** Shown to others, where the server does not know who we are; default: the name at this machine. */
  readonly name?: string;
  /** How long a lost connection may stay lost before the work fails, ms; default: for ever. */
  readonly patienceMs?: number;
  readonly writers?: NonNullable<EditConnectOptions['writers']>;
}

/** Characters of a name: at most 64 bytes, whatever they are. */
const MAX_NAME = 16;

/** As `withSession`, for work that goes on when the connection is lost and comes back. */
export async function withEditing<T>(
  context: Context,
  url: string,
  options: EditingOptions,
  work: (session: EditSession) => Promise<T>,
): Promise<T> {
  const { terminal, parts, version } = context;
  const { token, writers, patienceMs } = options;
  const name = options.name ?? nameHere(terminal);
  const address = serverUrl(url);
  const session = await parts
    .connectEditor(address, {
      client: `bfly/${version}`,
      reconnect: { maxMs: 5_000 },
      ...(token === undefined ? {} : { token }),
      ...(name === undefined ? {} : { name }),
      ...(writers === undefined ? {} : { writers }),
    })
    .catch(noServer(address));
  let hasGivenUp = false;
  let timer: NodeJS.Timeout | undefined;
  session.on('state', (state) => {
    clearTimeout(timer);
    if (state !== 'offline') return;
    say(terminal, 'the connection is lost; trying again');
    if (patienceMs === undefined) return;
    timer = setTimeout(() => {
      hasGivenUp = true;
      void session.close();
    }, patienceMs);
  });
  try {
    return await work(session);
  } catch (cause) {
    if (!hasGivenUp) throw cause;
    const advice = 'whether an edit was applied shows bfly history';
    throw new BflyError('UNAVAILABLE', `the server at ${address} does not come back; ${advice}`, { cause });
  } finally {
    clearTimeout(timer);
    await session.close();
  }
}

/** Shown to others where the server does not know who we are. */
function nameHere({ env }: Terminal): string | undefined {
  try {
    return (env['USER'] ?? env['USERNAME'] ?? userInfo().username).slice(0, MAX_NAME);
  } catch {
    return undefined; // the system may not know this user
  }
}

function noServer(address: string): (cause: unknown) => never {
  return (cause) => {
    if (!(cause instanceof BflyError) || cause.code !== 'UNAVAILABLE') throw cause;
    const advice = 'check host and port, or start one with: bfly serve';
    throw new BflyError('UNAVAILABLE', `no server answers at ${address}; ${advice}`, { cause });
  };
}

/** Takes a path as people write it, with slashes around it. @throws BflyError BAD_REQUEST */
export function readPath(text: string): string {
  const path = text.replace(/^\/+|\/+$/g, '');
  const fault = path === '' ? undefined : pathFault(path);
  if (fault !== undefined) {
    throw new BflyError(
      'BAD_REQUEST',
      `the path has ${fault}; a path is experiment/sample/dataset/channel, see bfly ls`,
    );
  }
  return path;
}

/** The channel at a path. @throws BflyError BAD_REQUEST where there is a dataset; what the server throws. */
export async function channelAt(session: RemoteSession, path: string): Promise<ChannelInfo> {
  const info = await session.info(path);
  if (info.kind === 'channel') return info;
  const names = info.channels.map((channel) => channel.path.slice(path.length + 1));
  throw new BflyError(
    'BAD_REQUEST',
    `"${path}" is a dataset; add one of its channels: ${names.slice(0, 20).join(', ')}`,
  );
}

/** A level of a channel. @throws BflyError OUT_OF_BOUNDS naming the levels that there are. */
export function mipOf(channel: ChannelInfo, mip: number): MipInfo {
  const info = channel.mips[mip];
  if (info !== undefined) return info;
  const last = channel.mips.length - 1;
  const range = last === 0 ? 'only --mip 0' : `--mip 0 to ${last}`;
  throw new BflyError('OUT_OF_BOUNDS', `"${channel.path}" has ${range}`);
}
