/** `butterfly/client` for Node: the same as `index.ts`, with the sockets of `ws`. */
import { WebSocket } from 'ws';
import { TRANSPORT_MAX_MESSAGE } from '../../protocol/index.ts';
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
  return openSession(url, options, { openSocket: openNodeSocket, clock: systemClock });
}

function openNodeSocket(url: string, protocols: readonly string[]): WebSocketLike {
  return new WebSocket(url, [...protocols], { perMessageDeflate: false, maxPayload: TRANSPORT_MAX_MESSAGE });
}
