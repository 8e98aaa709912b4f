/** Tokens that are signed: JSON Web Tokens, RFC 7519. The only file that imports jose. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { BflyError } from '../../../protocol/errors.ts';
import type { KeyRule } from '../../utility/auth-config.ts';

/** A key, and the only algorithms that it is good for: a token's own word about its algorithm counts for nothing. */
export interface JwtKey {
  readonly rule: KeyRule;
  readonly key: KeyObject;
  readonly algorithms: readonly string[];
  /** Tokens that name a key name this one. */
  readonly kid?: string;
  /** Equal for keys that accept the same tokens. */
  readonly id: string;
}

/** What became of a token. */
export type JwtVerdict =
  | { readonly kind: 'good'; readonly key: JwtKey; readonly claims: JWTPayload & { readonly exp: number } }
  | { readonly kind: 'expired' }
  /** `claim`: signed well, and not for us or not now. */
  | { readonly kind: 'bad'; readonly claim?: string };

/** How far the clock of whoever signs may go wrong, s. When a token ends, our own clock says. */
const CLOCK_TOLERANCE_S = 5;
/** HS256 is as strong as its secret: RFC 7518, 3.2. */
const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2_048;
/** Keys that one token is tried with. */
const MAX_TRIES = 16;
const BASE64URL_PARTS = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Whether a token could be a JWT with a signature. */
export function isJwt(token: string): boolean {
  return BASE64URL_PARTS.test(token);
}

/**
 * The keys of a rule.
 *
 * @throws BflyError BAD_REQUEST that begins with the rule's place and holds nothing of a key.
 */
export function keysOf(rule: KeyRule): JwtKey[] {
  const fail = (message: string): never => {
    throw new BflyError('BAD_REQUEST', `${rule.where} ${message}`);
  };
  const made = rule.kind === 'jwks' ? readJwks(rule, fail) : [readOne(rule, fail)];
  return made.map(({ key, kid }) => {
    const algorithms = algorithmsOf(key) ?? fail(`must be a key for ${LEGAL_KEYS}`);
    if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS)
      fail(`must be an RSA key of ${MIN_RSA_BITS} bits or more`);
    const id = fingerprint(rule, key, kid);
    return { rule, key, algorithms, ...(kid === undefined ? {} : { kid }), id };
  });
}

const LEGAL_KEYS = 'EdDSA (Ed25519), ES256, ES384, RS256 or PS256';

interface ReadKey {
  readonly key: KeyObject;
  readonly kid?: string;
}

function readOne(rule: KeyRule, fail: (message: string) => never): ReadKey {
  if (rule.kind === 'secret') {
    const secret = secretBytes(rule.material);
    if (secret.length < MIN_SECRET_BYTES)
      fail(`must have ${MIN_SECRET_BYTES} bytes or more: shorter ones can be guessed`);
    return { key: createSecretKey(secret) };
  }
  const text = Buffer.from(rule.material).toString('utf8');
  const jwk = parseJson(text);
  if (isJwkLike(jwk)) return { key: publicKey(jwk, fail), ...kidOf(jwk) };
  if (text.includes('PRIVATE KEY')) fail('is a private key: give the server the public one only');
  try {
    return { key: createPublicKey(text) };
  } catch {
    return fail('must be a public key as PEM or JWK');
  }
}

function readJwks(rule: KeyRule, fail: (message: string) => never): ReadKey[] {
  const set = parseJson(Buffer.from(rule.material).toString('utf8'));
  if (typeof set !== 'object' || set === null || !('keys' in set) || !Array.isArray(set.keys))
    return fail('must be a JSON object with the list "keys"');
  const keys: ReadKey[] = [];
  for (const jwk of set.keys) {
    // Sets of others hold keys for other purposes too.
    if (!isJwkLike(jwk) || (jwk['use'] !== undefined && jwk['use'] !== 'sig')) continue;
    if (jwk['kty'] === 'oct' || 'd' in jwk) fail('holds a secret or private key: give the server the public ones only');
    if (!isKnownType(jwk)) continue;
    keys.push({ key: publicKey(jwk, fail), ...kidOf(jwk) });
  }
  return keys.length > 0 ? keys : fail(`holds no key for ${LEGAL_KEYS}`);
}

type Jwk = JsonWebKey & Readonly<Record<string, unknown>>;

function isJwkLike(value: unknown): value is Jwk {
  return typeof value === 'object' && value !== null && 'kty' in value && typeof value.kty === 'string';
}

function isKnownType({ kty, crv }: Jwk): boolean {
  if (kty === 'RSA') return true;
  return (kty === 'OKP' && crv === 'Ed25519') || (kty === 'EC' && (crv === 'P-256' || crv === 'P-384'));
}

function kidOf(jwk: Jwk): { kid?: string } {
  const { kid } = jwk;
  return typeof kid === 'string' ? { kid } : {};
}

function publicKey(jwk: Jwk, fail: (message: string) => never): KeyObject {
  if ('d' in jwk || jwk['kty'] === 'oct') fail('is a private key: give the server the public one only');
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return fail('must be a public key as PEM or JWK');
  }
}

/** A secret: a JWK of type oct, else the text or file as it is but for the end of its line. */
function secretBytes(material: Uint8Array): Buffer {
  const text = Buffer.from(material);
  const jwk = parseJson(text.toString('utf8'));
  if (isJwkLike(jwk) && jwk['kty'] === 'oct') return Buffer.from(String(jwk['k'] ?? ''), 'base64url');
  let end = text.length;
  while (end > 0 && (text[end - 1] === 0x0a || text[end - 1] === 0x0d)) end--;
  return text.subarray(0, end);
}

function algorithmsOf(key: KeyObject): string[] | undefined {
  if (key.type === 'secret') return ['HS256'];
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return ['EdDSA', 'Ed25519'];
    case 'rsa':
      return ['RS256', 'PS256'];
    case 'ec':
      if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return ['ES256'];
      return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? ['ES384'] : undefined;
    default:
      return undefined;
  }
}

function fingerprint({ issuer, audience, prefix }: KeyRule, key: KeyObject, kid: string | undefined): string {
  const bytes = key.type === 'secret' ? key.export() : key.export({ type: 'spki', format: 'der' });
  const digest = createHash('sha256').update(bytes).digest('hex');
  return JSON.stringify([digest, kid ?? null, issuer ?? null, audience ?? null, prefix]);
}

/**
 * Looks at a token: signature, algorithm, issuer, audience, times. A token without an end is bad.
 *
 * @param nowMs milliseconds since 1970.
 */
export async function verifyJwt(token: string, keys: readonly JwtKey[], nowMs: number): Promise<JwtVerdict> {
  let claim: string | undefined;
  for (const key of candidates(token, keys)) {
    const { issuer, audience } = key.rule;
    try {
      const { payload } = await jwtVerify(token, key.key, {
        algorithms: [...key.algorithms],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: new Date(nowMs),
        requiredClaims: ['sub', 'exp'],
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience === undefined ? {} : { audience }),
      });
      const { exp = 0 } = payload;
      return exp * 1_000 > nowMs ? { kind: 'good', key, claims: { ...payload, exp } } : { kind: 'expired' };
    } catch (error) {
      // These two come only where the signature is good.
      if (error instanceof errors.JWTExpired) return { kind: 'expired' };
      if (error instanceof errors.JWTClaimValidationFailed) claim ??= error.claim;
      else if (!(error instanceof errors.JOSEError)) throw error;
    }
  }
  return { kind: 'bad', ...(claim === undefined ? {} : { claim }) };
}

/** Keys that a token may have been signed with by its header; which, only the signature says. */
function candidates(token: string, keys: readonly JwtKey[]): JwtKey[] {
  let header: ReturnType<typeof decodeProtectedHeader>;
  try {
    header = decodeProtectedHeader(token);
  } catch {
    return [];
  }
  const { alg, kid } = header;
  const fits = (key: JwtKey): boolean =>
    key.algorithms.some((name) => name === alg) && (kid === undefined || key.kid === undefined || key.kid === kid);
  return keys.filter(fits).slice(0, MAX_TRIES);
}

/** What a token shall say. Times are seconds since 1970. */
export interface JwtClaims {
  readonly sub: string;
  readonly name: string;
  readonly exp: number;
  readonly iat: number;
  readonly jti: string;
  readonly iss?: string;
  readonly aud?: string;
  readonly grants: readonly { readonly path: string; readonly rights: readonly string[] }[];
}

/**
 * Signs a token.
 *
 * @param material a private key as PEM or JWK (EdDSA, ES256, ES384, RS256), a JWK of type oct, or a secret of 32 bytes or more (HS256).
 * @throws BflyError BAD_REQUEST naming what is legal, and nothing of the key.
 */
export async function signJwt(material: Uint8Array, claims: JwtClaims): Promise<string> {
  const { key, kid } = signingKey(material);
  const [alg] = algorithmsOf(key) ?? [];
  if (alg === undefined)
    throw new BflyError('BAD_REQUEST', `the key of --sign must be one for ${LEGAL_KEYS}, or a secret`);
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg, typ: 'JWT', ...(kid === undefined ? {} : { kid }) })
    .sign(key);
}

function signingKey(material: Uint8Array): ReadKey {
  const text = Buffer.from(material).toString('utf8');
  const jwk = parseJson(text);
  try {
    if (isJwkLike(jwk) && jwk['kty'] !== 'oct')
      return { key: createPrivateKey({ key: jwk, format: 'jwk' }), ...kidOf(jwk) };
    if (text.includes('-----BEGIN')) return { key: createPrivateKey(text) };
  } catch {
    throw new BflyError('BAD_REQUEST', 'the key of --sign must be a private key as PEM or JWK without a passphrase');
  }
  const secret = secretBytes(material);
  if (secret.length < MIN_SECRET_BYTES)
    throw new BflyError('BAD_REQUEST', `the secret of --sign must have ${MIN_SECRET_BYTES} bytes or more`);
  return { key: createSecretKey(secret), ...(isJwkLike(jwk) ? kidOf(jwk) : {}) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
