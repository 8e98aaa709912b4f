/** Butterfly's own socket at `/ws/<experiment::sample::dataset>/<channel>`: who may open one, and those that are open. Rule [E36]. */
import { BflyError, CLOSE_CODES } from '../../../protocol/errors.ts';
import { pathFault } from '../../../protocol/volume.ts';
import type { EditLog } from '../../core/edits/edit-log.ts';
import { type Identity, isAdmitted } from '../auth/authority.ts';
import type { SessionHome } from '../session/session-context.ts';
import type { Connection, ConnectionEvents } from '../transport/transport.ts';
import { LegacyRoom } from './legacy-room.ts';
import { LegacySocket } from './legacy-socket.ts';

/** Begins the path of every such socket. */
export const LEGACY_PREFIX = '/ws/';

/** Somebody who may follow a channel. */
export interface LegacyEntry {
  readonly log: EditLog;
  readonly identity: Identity;
}

/** The path on the wire of a request's path; undefined where it names none. Further parts are passed over. */
export function legacyPath(requestPath: string): string | undefined {
  if (!requestPath.startsWith(LEGACY_PREFIX)) return undefined;
  const [token, channel] = requestPath.slice(LEGACY_PREFIX.length).split('/').map(decoded);
  const names = token?.split('::') ?? [];
  if (names.length !== 3 || channel === undefined) return undefined;
  const path = [...names, channel].join('/');
  // A name with a slash in it would be another path.
  return pathFault(path) === undefined && path.split('/').length === 4 ? path : undefined;
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part).normalize('NFC');
  } catch {
    return undefined;
  }
}

/** All such sockets of a server. */
export class LegacySockets {
  readonly #home: SessionHome;
  readonly #rooms = new Map<EditLog, { readonly room: LegacyRoom; sockets: number }>();
  readonly #sockets = new Set<LegacySocket>();

  constructor(home: SessionHome) {
    this.#home = home;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** Bytes in the transport's buffers. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const socket of this.#sockets) bytes += socket.bufferedBytes;
    return bytes;
  }

  /**
   * Whether somebody may follow a channel.
   *
   * @param path undefined = none that could be there.
   * @param bearer token of the handshake's `Authorization`.
   * @throws BflyError UNAUTHENTICATED; RATE_LIMITED; NOT_FOUND for what is not there, cannot be opened, or may not be read.
   */
  async admit(path: string | undefined, bearer: string | undefined, address: string): Promise<LegacyEntry> {
    const { authority, tokenFailures } = this.#home;
    const retryMs = bearer === undefined || authority.isOpen ? 0 : tokenFailures.waitMs(address);
    if (retryMs > 0)
      throw new BflyError('RATE_LIMITED', 'too many tokens from this address were refused; wait a moment', { retryMs });
    const verdict = await authority.identify(bearer);
    if (!isAdmitted(verdict)) {
      if (bearer !== undefined) tokenFailures.count(address);
      throw new BflyError('UNAUTHENTICATED', verdict.message);
    }
    const { identity } = verdict;
    if (path === undefined || !identity.rights.allows('read', path)) throw notFound();
    const { log } = this.#home.peekLog(path) ?? (await this.#open(path));
    return { log, identity };
  }

  async #open(path: string): ReturnType<SessionHome['openLog']> {
    try {
      return await this.#home.openLog(path);
    } catch (error) {
      if (error instanceof BflyError && error.code === 'NOT_FOUND') throw notFound();
      throw error;
    }
  }

  /** Takes an open connection; `released` is called once when it is gone. */
  open(connection: Connection, { log, identity }: LegacyEntry, released: () => void): ConnectionEvents {
    const held = this.#rooms.get(log) ?? { room: this.#newRoom(log), sockets: 0 };
    this.#rooms.set(log, held);
    held.sockets++;
    // The data have changed: who connects again follows the log of what is there now.
    const forget = log.onClose(() => socket.close(CLOSE_CODES.SHUTTING_DOWN, 'the data of the channel have changed'));
    const socket: LegacySocket = new LegacySocket(this.#home, connection, held.room, identity, () => {
      if (!this.#sockets.delete(socket)) return;
      forget();
      if (--held.sockets === 0) {
        this.#rooms.delete(log);
        held.room.close();
      }
      released();
    });
    this.#sockets.add(socket);
    // The rules may have changed since the handshake.
    socket.rulesChanged();
    return socket;
  }

  #newRoom(log: EditLog): LegacyRoom {
    const { now } = this.#home;
    const onFault = (fault: unknown): void => {
      this.#home.log.error({ err: fault, path: log.path }, "the followers of Butterfly's own socket could not be told");
    };
    return new LegacyRoom(log, { now, onFault });
  }

  sweep(now: number): void {
    for (const socket of this.#sockets) socket.sweep(now);
  }

  rulesChanged(): void {
    for (const socket of this.#sockets) socket.rulesChanged();
  }

  /** Closes those that have nothing under way, or all. */
  leave(all: boolean): void {
    for (const socket of this.#sockets)
      if (all || socket.isIdle) socket.close(CLOSE_CODES.SHUTTING_DOWN, 'the server is shutting down');
  }
}

/** One and the same, whether the channel is not there or not for the one who asks. Rule [F18]. */
function notFound(): BflyError {
  return new BflyError('NOT_FOUND', 'there is no such channel: the path is /ws/experiment::sample::dataset/channel');
}
