/** Who the server takes us for: a token that was given, or the secret by which an anonymous user is the same one after a reload. */
import { type Signal, signal } from '@preact/signals';
import type { TokenWish } from '../../client/index.ts';

/** Where tokens and secrets are kept. */
export interface AccessStore {
  /** The token of this tab. */
  readonly token: () => string | undefined;
  readonly keepToken: (token: string) => void;
  /** The secret of this browser's anonymous user. */
  readonly secret: () => string | undefined;
  /** @param secret undefined: it holds no more. */
  readonly keepSecret: (secret: string | undefined) => void;
}

/** Why a token is asked for: the one that holds `ends`, it holds no more (`refused`), or the one that was given is `wrong`. */
export type TokenWanted = 'ends' | 'refused' | 'wrong';

/** Gives the session its tokens, and asks people for another where one is needed. */
export class Access {
  /** Set while somebody is to be asked for a token. */
  readonly wanted: Signal<TokenWanted | undefined> = signal(undefined);
  readonly #store: AccessStore;
  readonly #listeners = new Set<(token: string) => void>();
  /** Whether the server has not taken the token yet that was given last. */
  #isNew = false;
  #answer: { readonly promise: Promise<string>; readonly resolve: (token: string) => void } | undefined;

  constructor(store: AccessStore) {
    this.#store = store;
  }

  /** What the session shows to the server; waits for people where a new one is needed. '' is none. */
  token(wish: TokenWish): string | Promise<string> {
    const token = this.#store.token();
    if (wish === 'connect') return token ?? this.#store.secret() ?? '';
    if (token === undefined && this.forgetSecret()) return '';
    this.wanted.value = wish === 'refused' && this.#isNew ? 'wrong' : wish;
    this.#answer ??= makeAnswer();
    return this.#answer.promise;
  }

  /** Somebody has given a token. */
  give(token: string): void {
    this.#store.keepToken(token);
    this.#isNew = true;
    this.wanted.value = undefined;
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.resolve(token);
    for (const listener of this.#listeners) listener(token);
  }

  /** Hears of each new token. @returns a function that ends it. */
  onToken(listener: (token: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Whether people are known by a token: it names them. */
  get hasToken(): boolean {
    return this.#store.token() !== undefined;
  }

  /** The server has let us in, or has taken another token. @param secret '' where it gave none. */
  welcomed(secret: string): void {
    this.#isNew = false;
    if (!this.hasToken && secret !== '') this.#store.keepSecret(secret);
  }

  /** The secret was not taken. @returns whether there was one. */
  forgetSecret(): boolean {
    const had = this.#store.secret() !== undefined;
    this.#store.keepSecret(undefined);
    return had;
  }
}

function makeAnswer(): { promise: Promise<string>; resolve: (token: string) => void } {
  let resolve: (token: string) => void = () => {};
  const promise = new Promise<string>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Secrets of anonymous users, one for each folder of a server. @param folder the page's. */
export function secretStore(
  folder: string,
  storage: () => Storage = () => localStorage,
): Omit<AccessStore, 'token' | 'keepToken'> {
  const key = `bfly.secret ${new URL(folder).pathname}`;
  return {
    secret: () => {
      try {
        return storage().getItem(key) ?? undefined;
      } catch {
        return undefined;
      }
    },
    keepSecret: (secret) => {
      try {
        if (secret === undefined) storage().removeItem(key);
        else storage().setItem(key, secret);
      } catch {
        // A browser that keeps nothing: somebody new after each reload.
      }
    },
  };
}
