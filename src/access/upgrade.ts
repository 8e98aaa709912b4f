/** Who may open a WebSocket: the path, the subprotocol, the Origin, the counts. Rules [F1], [H8], [L1]. */
import type { SessionHub } from './session-hub.ts';
import type { HttpResponse, UpgradeRequest, UpgradeVerdict } from './transport.ts';

/** The subprotocol and path of this protocol. */
export const SUBPROTOCOL = 'bfly.v1';
export const SOCKET_PATH = '/v1';

/** Which pages may connect. */
export interface OriginPolicy {
  /** Origins that are welcome wherever they come from, such as `https://viewer.example.org`; `*` = all. */
  readonly allowed: readonly string[];
  /** The server is reached over loopback only. */
  readonly loopback: boolean;
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/;

/** Decides over a handshake. */
export function decideUpgrade(request: UpgradeRequest, hub: SessionHub, origins: OriginPolicy): UpgradeVerdict {
  if (request.path !== SOCKET_PATH)
    return refuse(404, `there is no WebSocket at this path: ${SUBPROTOCOL} is at ${SOCKET_PATH}`);
  if (!request.protocols.includes(SUBPROTOCOL)) return refuse(400, `offer the subprotocol ${SUBPROTOCOL}`);
  if (!isOriginAllowed(request.header('origin'), request.header('host'), origins))
    return refuse(403, 'this origin may not connect: the server lists those that may');
  const refusal = hub.refusal(request.remoteAddress);
  if (refusal !== undefined) return refuse(hub.leaving ? 503 : 429, refusal, { 'retry-after': '5' });
  return { accept: true, protocol: SUBPROTOCOL, open: (connection) => hub.open(connection) };
}

/**
 * Programs send no Origin and are welcome. A page must come from the host that it connects to, or be on the list.
 * On loopback that host must be loopback's by name too: another name that leads here is a page that lies about where it is.
 */
export function isOriginAllowed(origin: string | undefined, host: string | undefined, policy: OriginPolicy): boolean {
  if (origin === undefined) return true;
  if (policy.allowed.includes('*') || policy.allowed.includes(origin)) return true;
  if (!URL.canParse(origin) || host === undefined) return false;
  const from = new URL(origin).host;
  if (policy.loopback) return LOOPBACK.test(from) && LOOPBACK.test(host);
  return from === host;
}

function refuse(status: number, message: string, headers: Record<string, string> = {}): UpgradeVerdict {
  const response: HttpResponse = {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
    body: `${message}\n`,
  };
  return { accept: false, response };
}
