/** Who is on the other side of one session: hello, AUTH, the end of tokens, changed rules. Rules [H3], [H8]..[H10]. */
import { BflyError, CLOSE_CODES } from '../../../protocol/errors.ts';
import type { ClientMessage, ServerMessage } from '../../../protocol/messages.ts';
import { type Admission, type Identity, isAdmitted, type Refusal, refusalError } from '../auth/authority.ts';
import type { OpenRequest, SessionHome } from './session-context.ts';

type Auth = Extract<ClientMessage, { kind: 'AUTH' }>;

/** What a session lends to it. */
export interface AuthHost {
  readonly home: SessionHome;
  readonly remoteAddress: string;
  readonly requests: Map<number, OpenRequest>;
  send(message: ServerMessage): void;
  error(id: number, fault: BflyError): void;
  close(code: number, reason: string): void;
}

const CLOSE_OF: Readonly<Record<Refusal['refused'], number>> = {
  UNAUTHENTICATED: CLOSE_CODES.FORBIDDEN,
  TOKEN_EXPIRED: CLOSE_CODES.TOKEN_EXPIRED,
  TOKEN_REVOKED: CLOSE_CODES.TOKEN_REVOKED,
};
const REVOKED: Refusal = { refused: 'TOKEN_REVOKED', message: 'the token was taken back' };

/** The identity of a session. */
export class SessionAuth {
  readonly #host: AuthHost;
  readonly #listeners: (() => void)[] = [];
  #identity: Identity | undefined;
  /** The client knows AUTH. */
  #canRenew = false;
  /** When AUTHREQ is to be sent, ms since 1970. */
  #askAt = Number.POSITIVE_INFINITY;
  #renewing = false;

  constructor(host: AuthHost) {
    this.#host = host;
  }

  /** @throws BflyError UNAUTHENTICATED before somebody was let in. */
  get identity(): Identity {
    if (this.#identity === undefined) throw new BflyError('UNAUTHENTICATED', 'nobody has said hello yet');
    return this.#identity;
  }

  /** Calls `listener` whenever the identity has become another one. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Lets the client in, or answers HELLO with an ERROR and closes.
   *
   * @param id HELLO's.
   * @param canRenew whether the client knows AUTH.
   * @param admitted called with the session's secret: at once where that is possible, and not after the end.
   */
  admit(
    id: number,
    asked: { readonly token: string | undefined; readonly name: string | undefined; readonly canRenew: boolean },
    admitted: (session: string) => void,
  ): void {
    const { home, error, close } = this.#host;
    this.#canRenew = asked.canRenew;
    const refuse = (code: number, fault: BflyError): void => {
      error(id, fault);
      close(code, fault.message);
    };
    const fault = this.#checkToken(asked.token);
    if (fault !== undefined) return refuse(fault.code === 'TOO_LARGE' ? CLOSE_CODES.ABUSE : CLOSE_CODES.RATE, fault);
    const judge = (verdict: Admission | Refusal): void => {
      if (!isAdmitted(verdict)) {
        if (asked.token !== undefined) home.tokenFailures.count(this.#host.remoteAddress);
        return refuse(CLOSE_OF[verdict.refused], refusalError(verdict));
      }
      this.#take(verdict.identity);
      admitted(verdict.session);
    };
    const verdict = home.authority.identify(asked.token, asked.name);
    if (verdict instanceof Promise)
      verdict.then((late) => judge(this.#present(late))).catch((fault: unknown) => this.#fault(fault));
    else judge(verdict);
  }

  /** AUTH: a new token of the same user. The one before goes on where the new one is refused. */
  renew(message: Auth): void {
    const { home, requests, error } = this.#host;
    const { id } = message;
    if (home.authority.isOpen)
      return error(id, new BflyError('UNSUPPORTED', 'AUTH is not supported: this server asks for no tokens'));
    if (this.#renewing) return error(id, new BflyError('LIMIT', 'the AUTH before this one has not been answered yet'));
    const fault = this.#checkToken(message.token);
    if (fault !== undefined) return error(id, fault);
    const request: OpenRequest = {
      cancel: () => {
        requests.delete(id);
        error(id, new BflyError('CANCELLED', 'cancelled'));
      },
      drop: () => {},
    };
    requests.set(id, request);
    this.#renewing = true;
    Promise.resolve(home.authority.identify(message.token))
      .then((verdict) => {
        this.#renewing = false;
        if (requests.get(id) !== request) return;
        requests.delete(id);
        this.#judgeRenewal(id, this.#present(verdict));
      })
      .catch((fault: unknown) => this.#fault(fault));
  }

  /** What a handler of the connection's events throws ends the connection; nobody else hears of this. */
  #fault(fault: unknown): void {
    this.#host.home.log.error({ err: fault }, 'a fault while a token was looked at');
    this.#host.close(CLOSE_CODES.INTERNAL, 'internal error');
  }

  #judgeRenewal(id: number, verdict: Admission | Refusal): void {
    const { home, remoteAddress, error, send } = this.#host;
    if (!isAdmitted(verdict)) {
      home.tokenFailures.count(remoteAddress);
      return error(id, refusalError(verdict));
    }
    const { identity } = verdict;
    if (identity.user.id !== this.identity.user.id)
      return error(id, new BflyError('FORBIDDEN', 'the token is of another user: connect anew to be somebody else'));
    this.#take(identity);
    send({ kind: 'AUTH_OK', id, exp: identity.expiresAt ?? null, user: identity.user });
    this.#tell();
  }

  /** Asks for a new token in time, and ends the session with the token. Rule [H10]. */
  sweep(): void {
    const expiresAt = this.#identity?.expiresAt;
    if (expiresAt === undefined) return;
    const now = this.#host.home.time();
    if (now >= expiresAt) return this.#host.close(CLOSE_CODES.TOKEN_EXPIRED, 'the token has ended');
    if (now < this.#askAt) return;
    this.#askAt = Number.POSITIVE_INFINITY;
    this.#host.send({ kind: 'AUTHREQ', id: 0, expiresInMs: Math.ceil(expiresAt - now) });
  }

  /** The rules have changed: ends the session where they let it in no more. */
  rulesChanged(): void {
    if (this.#identity === undefined) return;
    const identity = this.#host.home.authority.renew(this.#identity);
    if (identity === undefined) return this.#host.close(CLOSE_CODES.TOKEN_REVOKED, REVOKED.message);
    if (identity === this.#identity) return;
    this.#take(identity);
    this.#tell();
  }

  /** The rules may have changed while a token was looked at. */
  #present(verdict: Admission | Refusal): Admission | Refusal {
    if (!isAdmitted(verdict)) return verdict;
    const identity = this.#host.home.authority.renew(verdict.identity);
    return identity === undefined ? REVOKED : { ...verdict, identity };
  }

  #take(identity: Identity): void {
    this.#identity = identity;
    const { expiresAt } = identity;
    if (expiresAt === undefined || !this.#canRenew) {
      this.#askAt = Number.POSITIVE_INFINITY;
      return;
    }
    const leftMs = expiresAt - this.#host.home.time();
    // Half way through a short life: a client that is asked at once for each new token would do nothing else.
    this.#askAt = expiresAt - Math.min(this.#host.home.timings.authWarnMs, leftMs / 2);
  }

  #checkToken(token: string | undefined): BflyError | undefined {
    const { home, remoteAddress } = this.#host;
    if (token === undefined || home.authority.isOpen) return undefined;
    if (Buffer.byteLength(token) > home.limits.token)
      return new BflyError('TOO_LARGE', `a token may have ${home.limits.token} bytes`);
    const retryMs = home.tokenFailures.waitMs(remoteAddress);
    if (retryMs === 0) return undefined;
    return new BflyError('RATE_LIMITED', 'too many tokens from this address were refused; wait a moment', { retryMs });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
