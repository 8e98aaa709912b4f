/** Who may open a WebSocket: the path, the subprotocol, the Origin, the counts. Rules [F1], [H8], [L1]. */
import { BflyError, type ErrorName } from '../../../protocol/errors.ts';
import { bearerOf } from '../auth/bearer.ts';
import { LEGACY_PREFIX, legacyPath } from '../legacy/legacy-sockets.ts';
import type { SessionHub } from '../session/session-hub.ts';
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

/** HTTP status of what keeps a client from following a channel over Butterfly's own socket; of everything else 404. */
const LEGACY_STATUS: Readonly<Partial<Record<ErrorName, number>>> = {
  INTERNAL: 500,
  UNAVAILABLE: 503,
  RATE_LIMITED: 429,
  UNAUTHENTICATED: 401,
};

const TOKEN_IN_QUERY = /(^|&)(access_)?token=/i;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/;

/** Decides over a handshake. */
export function decideUpgrade(
  request: UpgradeRequest,
  hub: SessionHub,
  origins: OriginPolicy,
): UpgradeVerdict | Promise<UpgradeVerdict> {
  const isLegacy = request.path.startsWith(LEGACY_PREFIX);
  if (!isLegacy && request.path !== SOCKET_PATH)
    return refuse(404, `there is no WebSocket at this path: ${SUBPROTOCOL} is at ${SOCKET_PATH}`);
  if (!isLegacy && !request.protocols.includes(SUBPROTOCOL)) return refuse(400, `offer the subprotocol ${SUBPROTOCOL}`);
  if (!isOriginAllowed(request.header('origin'), request.header('host'), origins))
    return refuse(403, 'this origin may not connect: the server lists those that may');
  if (TOKEN_IN_QUERY.test(request.query))
    return refuse(
      400,
      'a token does not belong into a URL, which is kept in logs: send it in HELLO or as Authorization: Bearer',
    );
  const bearer = bearerOf(request.header('authorization'));
  if (bearer !== undefined && bearer.length > hub.limits.token)
    return refuse(431, `a token may have ${hub.limits.token} bytes`);
  const refusal = hub.refusal(request.remoteAddress);
  if (refusal !== undefined) return refuse(hub.leaving ? 503 : 429, refusal, { 'retry-after': '5' });
  if (isLegacy) return decideLegacy(request, hub, bearer);
  return { accept: true, protocol: SUBPROTOCOL, open: (connection) => hub.open(connection, bearer) };
}

/** Butterfly's own socket: what it follows is known before it is open. Its clients offer no subprotocol. */
async function decideLegacy(
  request: UpgradeRequest,
  hub: SessionHub,
  bearer: string | undefined,
): Promise<UpgradeVerdict> {
  // Counted now: many may come while a channel is opened.
  const release = hub.reserveLegacy(request.remoteAddress);
  try {
    const entry = await hub.legacy.admit(legacyPath(request.path), bearer, request.remoteAddress);
    return {
      accept: true,
      protocol: undefined,
      open: (connection) => hub.legacy.open(connection, entry, release),
      aborted: release,
    };
  } catch (error) {
    release();
    if (!(error instanceof BflyError)) throw error;
    const challenge: Record<string, string> = error.code === 'UNAUTHENTICATED' ? { 'www-authenticate': 'Bearer' } : {};
    return refuse(LEGACY_STATUS[error.code] ?? 404, error.message, challenge);
  }
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
