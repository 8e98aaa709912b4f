/** One state of the file of `--auth`, ready to judge tokens. Pure but for the time that it is given. */
import { timingSafeEqual } from 'node:crypto';
import type { Rights } from '../../core/rights.ts';
import { type AuthConfig, type TokenRule, tokenHash, userFault } from '../../utility/auth-config.ts';
import { admitAnonymous, cleanName, isSessionSecret } from './anonymous.ts';
import type { Admission, Identity, Refusal } from './authority.ts';
import { bothRights, eitherRights, grantsOfClaims, rightsOf } from './grants.ts';
import { isJwt, type JwtKey, keysOf, verifyJwt } from './jwt.ts';

/** What an identity rests on, so that other rules can judge it again. No part of it is a secret. */
type Ground =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'token'; readonly hash: Buffer }
  | { readonly kind: 'jwt'; readonly hash: Buffer; readonly keyId: string; readonly claims: GoodClaims };

interface GoodClaims {
  /** With the issuer's prefix. */
  readonly user: string;
  readonly name: string;
  readonly expiresAt: number;
  readonly jti?: string;
  /** What the token says. */
  readonly rights: Rights;
}

const grounds = new WeakMap<Identity, Ground>();

const NO_TOKEN: Refusal = { refused: 'UNAUTHENTICATED', message: 'this server lets in nobody without a token' };
const UNKNOWN: Refusal = { refused: 'UNAUTHENTICATED', message: 'the token is not known to this server' };
const EXPIRED: Refusal = { refused: 'TOKEN_EXPIRED', message: 'the token has ended' };
const REVOKED: Refusal = { refused: 'TOKEN_REVOKED', message: 'the token was taken back' };
/** What a claim that does not hold means; others are not told of. */
const WRONG_CLAIM: Readonly<Record<string, string>> = {
  aud: 'the token is for another audience',
  iss: 'the token is of another issuer',
  nbf: 'the token does not hold yet',
  exp: 'the token has no end: exp must be a number',
  sub: 'the token has no user: sub must be a text',
};
const MAX_NAME_BYTES = 128;

interface KnownToken {
  readonly rule: TokenRule;
  readonly rights: Rights;
}
interface KnownKey {
  readonly key: JwtKey;
  readonly granted: Rights;
  readonly limit: Rights | undefined;
}

/** The rules. */
export class AuthRules {
  readonly #config: AuthConfig;
  readonly #anonymous: Rights | undefined;
  readonly #tokens: readonly KnownToken[];
  readonly #keys: ReadonlyMap<string, KnownKey>;
  readonly #jwtKeys: readonly JwtKey[];

  /** @throws BflyError BAD_REQUEST naming file, line and key of what is no key for tokens. */
  constructor(config: AuthConfig) {
    this.#config = config;
    this.#anonymous = config.anonymous === undefined ? undefined : rightsOf(config.anonymous);
    this.#tokens = config.tokens.map((rule) => ({ rule, rights: rightsOf(rule.grants) }));
    const keys = new Map<string, KnownKey>();
    for (const rule of config.jwt) {
      const granted = rightsOf(rule.grants);
      const limit = rule.limit === undefined ? undefined : rightsOf(rule.limit);
      for (const key of keysOf(rule)) keys.set(key.id, { key, granted, limit });
    }
    this.#keys = keys;
    this.#jwtKeys = [...keys.values()].map(({ key }) => key);
  }

  /** See `Authority.identify`. */
  identify(
    token: string | undefined,
    name: string | undefined,
    nowMs: number,
  ): Admission | Refusal | Promise<Admission | Refusal> {
    if (token === undefined) return this.#anonymous === undefined ? NO_TOKEN : this.#admitAnonymous(undefined, name);
    const hash = tokenHash(token);
    const known = this.#find(hash);
    if (known !== undefined) return this.#admitToken(known, hash, nowMs);
    if (this.#jwtKeys.length > 0 && isJwt(token)) return this.#admitJwt(token, hash, nowMs);
    return this.#anonymous !== undefined && isSessionSecret(token) ? this.#admitAnonymous(token, name) : UNKNOWN;
  }

  /** See `Authority.renew`. */
  renew(identity: Identity): Identity | undefined {
    const ground = grounds.get(identity);
    switch (ground?.kind) {
      case 'anonymous':
        return this.#anonymous === undefined ? undefined : groundedOn(ground, { ...identity, rights: this.#anonymous });
      case 'token': {
        const known = this.#find(ground.hash);
        const same = known?.rule.user === identity.user.id && !this.#isRevoked(known.rule.user, ground.hash);
        return known !== undefined && same ? this.#tokenIdentity(known, ground.hash) : undefined;
      }
      case 'jwt': {
        const known = this.#keys.get(ground.keyId);
        const { user, jti } = ground.claims;
        return known !== undefined && !this.#isRevoked(user, ground.hash, jti) ? jwtIdentity(known, ground) : undefined;
      }
      default:
        return undefined;
    }
  }

  #admitAnonymous(secret: string | undefined, name: string | undefined): Admission {
    const admission = admitAnonymous(secret, name, this.#anonymous ?? rightsOf([]));
    return { ...admission, identity: groundedOn({ kind: 'anonymous' }, admission.identity) };
  }

  /** Looks at every token, each as long as the other: how long it takes tells nothing. */
  #find(hash: Buffer): KnownToken | undefined {
    let found: KnownToken | undefined;
    for (const known of this.#tokens) if (timingSafeEqual(known.rule.sha256, hash)) found = known;
    return found;
  }

  #admitToken(known: KnownToken, hash: Buffer, nowMs: number): Admission | Refusal {
    const { rule } = known;
    if (this.#isRevoked(rule.user, hash)) return REVOKED;
    if (rule.expiresAt !== undefined && rule.expiresAt <= nowMs) return EXPIRED;
    return { identity: this.#tokenIdentity(known, hash), session: '' };
  }

  #tokenIdentity({ rule, rights }: KnownToken, hash: Buffer): Identity {
    const { user, name, expiresAt } = rule;
    return groundedOn(
      { kind: 'token', hash },
      { user: { id: user, name }, rights, ...(expiresAt === undefined ? {} : { expiresAt }) },
    );
  }

  async #admitJwt(token: string, hash: Buffer, nowMs: number): Promise<Admission | Refusal> {
    const verdict = await verifyJwt(token, this.#jwtKeys, nowMs);
    if (verdict.kind === 'expired') return EXPIRED;
    if (verdict.kind === 'bad') {
      const message = verdict.claim === undefined ? undefined : WRONG_CLAIM[verdict.claim];
      return message === undefined ? UNKNOWN : { ...UNKNOWN, message };
    }
    const { prefix } = verdict.key.rule;
    const claims = readClaims(verdict.claims, prefix);
    if (typeof claims === 'string') return { ...UNKNOWN, message: claims };
    const known = this.#keys.get(verdict.key.id);
    if (known === undefined || this.#isRevoked(claims.user, hash, claims.jti)) return REVOKED;
    return { identity: jwtIdentity(known, { kind: 'jwt', hash, keyId: known.key.id, claims }), session: '' };
  }

  #isRevoked(user: string, hash: Buffer, jti?: string): boolean {
    const { users, ids, hashes } = this.#config.revoked;
    return users.has(user) || hashes.has(hash.toString('hex')) || (jti !== undefined && ids.has(jti));
  }
}

function groundedOn(ground: Ground, identity: Identity): Identity {
  grounds.set(identity, ground);
  return identity;
}

function jwtIdentity({ granted, limit }: KnownKey, ground: Extract<Ground, { kind: 'jwt' }>): Identity {
  const { user, name, expiresAt, rights } = ground.claims;
  const claimed = limit === undefined ? rights : bothRights(rights, limit);
  return groundedOn(ground, { user: { id: user, name }, rights: eitherRights(granted, claimed), expiresAt });
}

/** What counts of a token whose signature is good; a sentence where it cannot be used. */
function readClaims(
  payload: Readonly<Record<string, unknown>> & { readonly exp: number },
  prefix: string,
): GoodClaims | string {
  const { sub, name, jti, exp } = payload;
  const user = typeof sub === 'string' && sub !== '' ? prefix + sub : '';
  if (userFault(user) !== undefined) return 'the token has no legal user in sub';
  const grants = grantsOfClaims(payload);
  if (grants === undefined) return 'the token has grants that are not legal: [{path, rights: […]}, …]';
  const called = cleanName(typeof name === 'string' ? name : undefined);
  return {
    user,
    name: called !== '' && Buffer.byteLength(called) <= MAX_NAME_BYTES ? called : user,
    expiresAt: Math.min(Math.floor(exp * 1_000), Number.MAX_SAFE_INTEGER),
    ...(typeof jti === 'string' ? { jti } : {}),
    rights: rightsOf(grants),
  };
}
