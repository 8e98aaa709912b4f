/** `butterfly/client` for browsers. In Node the package gives `node.ts` instead, which brings a socket of its own. */
import { BflyError } from '../../protocol/index.ts';
import { systemClock } from './clock.ts';
import type { ConnectOptions } from './options.ts';
import { openSession, type Session } from './session.ts';
import type { WebSocketLike } from './socket.ts';

export * from './api.ts';

/**
 * Connects to a server.
 *
 * @param url `ws://host:port`, also wss, http and https; the path is `/v1` where it is empty.
 * @returns a session that the server has welcomed.
 * @throws BflyError BAD_REQUEST, UNAVAILABLE, UNAUTHENTICATED, FORBIDDEN, UNSUPPORTED; the signal's reason.
 */
export function connect(url: string, options: ConnectOptions = {}): Promise<Session> {
  return openSession(url, options, { openSocket: openBrowserSocket, clock: systemClock });
}

function openBrowserSocket(url: string, protocols: readonly string[]): WebSocketLike {
  if (typeof WebSocket !== 'function')
    throw new BflyError('UNSUPPORTED', 'there is no WebSocket here; give one as the option transport');
  return new WebSocket(url, [...protocols]);
}
