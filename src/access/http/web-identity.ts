/** Who asks over HTTP: tokens by header or query, and those that were let in lately. */
import { BflyError } from '../../../protocol/errors.ts';
import { type Admission, type Identity, isAdmitted, type Refusal, refusalError } from '../auth/authority.ts';
import type { SessionHome } from '../session/session-context.ts';

/** Identities that are remembered. */
const MAX_KNOWN = 1_000;
/** Stands for whoever comes without a token: no token has a space. */
const NOBODY = ' ';

/** What it needs of the server. */
export type IdentityHome = Pick<SessionHome, 'authority' | 'limits' | 'time' | 'tokenFailures'>;

/**
 * Looks at tokens, once for as long as they and the rules hold.
 *
 * All who come without a token are the same anonymous user, while the server runs: HTTP has no sessions that could tell them apart.
 */
export class WebIdentities {
  readonly #home: IdentityHome;
  /** Least recently used first. */
  readonly #known = new Map<string, Identity>();
  readonly #underWay = new Map<string, Promise<Identity>>();
  readonly #forgetRules: () => void;

  constructor(home: IdentityHome) {
    this.#home = home;
    this.#forgetRules = home.authority.onChange(() => {
      this.#known.clear();
      this.#underWay.clear();
    });
  }

  /**
   * Whose a token is: at once where it is known.
   *
   * @param token undefined = none.
   * @throws BflyError UNAUTHENTICATED; RATE_LIMITED where too many tokens of this address were refused; BAD_REQUEST for one that is too long.
   */
  identify(token: string | undefined, address: string): Identity | Promise<Identity> {
    const key = token ?? NOBODY;
    const known = this.#recall(key);
    if (known !== undefined) return known;
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    this.#check(token, address);
    const verdict = this.#home.authority.identify(token);
    if (!(verdict instanceof Promise)) return this.#judge(key, verdict, token, address);
    const judging = verdict
      .then((late) => this.#judge(key, this.#present(late), token, address))
      .finally(() => {
        if (this.#underWay.get(key) === judging) this.#underWay.delete(key);
      });
    this.#underWay.set(key, judging);
    return judging;
  }

  /** Forgets everybody, and the authority. */
  close(): void {
    this.#forgetRules();
    this.#known.clear();
  }

  #recall(key: string): Identity | undefined {
    const known = this.#known.get(key);
    if (known === undefined) return undefined;
    if (known.expiresAt !== undefined && this.#home.time() >= known.expiresAt) {
      this.#known.delete(key);
      return undefined;
    }
    if (key !== NOBODY) {
      this.#known.delete(key);
      this.#known.set(key, known);
    }
    return known;
  }

  #check(token: string | undefined, address: string): void {
    const { authority, limits, tokenFailures } = this.#home;
    if (token === undefined) return;
    // Tokens are of ASCII here.
    if (token.length > limits.token) throw new BflyError('BAD_REQUEST', `a token may have ${limits.token} bytes`);
    if (authority.isOpen) return;
    const retryMs = tokenFailures.waitMs(address);
    if (retryMs === 0) return;
    throw new BflyError('RATE_LIMITED', 'too many tokens from this address were refused; wait a moment', { retryMs });
  }

  #judge(key: string, verdict: Admission | Refusal, token: string | undefined, address: string): Identity {
    if (!isAdmitted(verdict)) {
      if (token !== undefined) this.#home.tokenFailures.count(address);
      throw refusalError(verdict);
    }
    this.#known.set(key, verdict.identity);
    if (this.#known.size > MAX_KNOWN) for (const oldest of this.#known.keys()) if (this.#forget(oldest)) break;
    return verdict.identity;
  }

  #forget(key: string): boolean {
    return key !== NOBODY && this.#known.delete(key);
  }

  /** The rules may have changed while a token was looked at. */
  #present(verdict: Admission | Refusal): Admission | Refusal {
    if (!isAdmitted(verdict)) return verdict;
    const identity = this.#home.authority.renew(verdict.identity);
    if (identity === undefined) return { refused: 'TOKEN_REVOKED', message: 'the token was taken back' };
    return { ...verdict, identity };
  }
}
