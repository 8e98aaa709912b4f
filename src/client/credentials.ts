/** Who we say we are: a token, or the secret of an anonymous user. Rules [H9], [H10], [C3]. */
import { BflyError } from '../../protocol/index.ts';
import type { Verdict } from './back-off.ts';
import type { ConnectOptions, TokenWish } from './options.ts';

/** What a session shows to the server. */
export class Credentials {
  readonly #option: ConnectOptions['token'];
  /** An anonymous user is the secret of its first WELCOME. */
  #secret: string | undefined;
  /** Losses in a row because of the token. */
  #renewals = 0;
  /** Whether the last token was not taken. */
  #isRefused = false;

  constructor(option: ConnectOptions['token']) {
    this.#option = option;
  }

  /** Whether there is somebody to ask for another token. */
  get canRenew(): boolean {
    return typeof this.#option === 'function';
  }

  /**
   * For HELLO and AUTH: a fresh one, where a function gives it.
   *
   * @param isEnding whether the one that holds ends soon. @throws BflyError UNAUTHENTICATED where that fails.
   */
  async token(isEnding = false): Promise<string | undefined> {
    if (this.#option === undefined) return this.#secret;
    const wish: TokenWish = isEnding ? 'ends' : this.#isRefused ? 'refused' : 'connect';
    try {
      return typeof this.#option === 'function' ? await this.#option(wish) : this.#option;
    } catch (cause) {
      throw new BflyError('UNAUTHENTICATED', 'the token function failed', { cause });
    }
  }

  /** Keeps the secret of WELCOME; '' is none. */
  welcomed(secret: string): void {
    this.#isRefused = false;
    if (this.#option === undefined && secret !== '') this.#secret = secret;
  }

  /** A connection has lived. */
  stable(): void {
    this.#renewals = 0;
  }

  /** A new token can only be had from a function; an anonymous user whose secret holds no more is a new one. */
  judge(verdict: Verdict): Verdict {
    this.#isRefused ||= verdict === 'renew';
    if (verdict !== 'renew' || this.canRenew) return verdict;
    const wasAnonymous = this.#secret !== undefined;
    this.#secret = undefined;
    return wasAnonymous ? 'renew' : 'stop';
  }

  /** The token was refused. @returns whether another may be tried at once: the first time. */
  refused(): boolean {
    return this.#renewals++ === 0;
  }
}
