/** Who somebody is and what they may: the contract of every way to find out. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Author } from '../../core/rights.ts';

/** Somebody who was let in. */
export interface Identity extends Author {
  /** When the token ends, ms since 1970; absent = never. */
  readonly expiresAt?: number;
}

/** Somebody is let in. */
export interface Admission {
  readonly identity: Identity;
  /** The secret that makes an anonymous user the same one again, rule [H9]; '' for users of tokens. */
  readonly session: string;
}

/** Why somebody is not let in. */
export type RefusalReason = 'UNAUTHENTICATED' | 'TOKEN_EXPIRED' | 'TOKEN_REVOKED';

/** Somebody is not let in. */
export interface Refusal {
  readonly refused: RefusalReason;
  /** One sentence without anything of the token. */
  readonly message: string;
}

/** Finds out who somebody is. */
export interface Authority {
  /** Everybody may everything: there are no tokens that could be renewed. */
  readonly isOpen: boolean;
  /**
   * Finds out whose a token is. An answer that needs no time comes at once.
   *
   * @param token as it came; undefined = none.
   * @param name what an anonymous user wants to be called.
   */
  identify(token: string | undefined, name?: string): Admission | Refusal | Promise<Admission | Refusal>;
  /** The same somebody under the rules of this moment; undefined where they are not let in any more. */
  renew(identity: Identity): Identity | undefined;
  /** Calls `listener` whenever the rules have changed. @returns a function that ends this. */
  onChange(listener: () => void): () => void;
  /** Ends whatever watches the rules. */
  close(): Promise<void>;
}

/** Whether somebody was let in. */
export function isAdmitted(verdict: Admission | Refusal): verdict is Admission {
  return 'identity' in verdict;
}

/** The ERROR that tells of a refusal. */
export function refusalError(refusal: Refusal): BflyError {
  return new BflyError('UNAUTHENTICATED', refusal.message);
}
