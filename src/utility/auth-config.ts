/** Who may what, as the file of `--auth` says it. Where it is read: `read-auth-config.ts`. */
import { createHash } from 'node:crypto';
import { pathFault } from '../../protocol/volume.ts';

/** What may stand in a grant. */
export const GRANTABLE = ['read', 'annotate', 'edit', 'edit-own', 'edit-others', 'admin'] as const;
export type Grantable = (typeof GRANTABLE)[number];

/** Rights to a path and everything below it. */
export interface Grant {
  /** '' = everything. */
  readonly path: string;
  readonly rights: readonly Grantable[];
}

/** A token that the file knows. */
export interface TokenRule {
  /** Of the token, 32 bytes. */
  readonly sha256: Uint8Array;
  readonly user: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly expiresAt?: number;
  readonly grants: readonly Grant[];
}

/** Tokens that somebody signs. */
export interface KeyRule {
  readonly kind: 'secret' | 'public-key' | 'jwks';
  /** The key as it was found. */
  readonly material: Uint8Array;
  readonly issuer?: string;
  readonly audience?: string;
  /** Before each `sub`. */
  readonly prefix: string;
  readonly grants: readonly Grant[];
  /** Absent = a token grants what it says. */
  readonly limit?: readonly Grant[];
  /** File, line and key, for messages. */
  readonly where: string;
}

/** Who may what. */
export interface AuthConfig {
  /** Absent = nobody without a token. */
  readonly anonymous?: readonly Grant[];
  readonly tokens: readonly TokenRule[];
  readonly jwt: readonly KeyRule[];
  readonly revoked: {
    readonly users: ReadonlySet<string>;
    readonly ids: ReadonlySet<string>;
    /** Of tokens, in hex. */
    readonly hashes: ReadonlySet<string>;
  };
}

const MAX_USER_BYTES = 128;

/** Why something cannot be the id of a user; undefined where it can. */
export function userFault(user: string): string | undefined {
  if (user === '' || Buffer.byteLength(user) > MAX_USER_BYTES) return `must have 1 to ${MAX_USER_BYTES} bytes`;
  if (/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(user)) return 'must not hold control characters';
  if (user.normalize('NFC') !== user) return 'must be in the Unicode form NFC';
  return user.startsWith('anonymous:') ? 'must not begin with anonymous:, as only users without a token do' : undefined;
}

/** Why something cannot be the path of a grant; undefined where it can. '' and '*' are everything. */
export function grantPathFault(text: string): string | undefined {
  if (text === '' || text === '*') return undefined;
  if (text.split('/').includes('*')) return 'covers what is below by itself: leave out the *';
  const fault = pathFault(text);
  return fault === undefined ? undefined : `has ${fault}; it is such as experiment/sample, or * for everything`;
}

/** The digest that stands for a token. */
export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
