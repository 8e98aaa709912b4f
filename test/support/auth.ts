/** Rules of who may what for tests: from the text of a file, in memory or on disk. */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Authority } from '../../src/access/auth/authority.ts';
import { AuthRules } from '../../src/access/auth/rules.ts';
import { readAuthConfig } from '../../src/utility/read-auth-config.ts';

/** The rules of a text; relative names of files are looked up in `files`. */
export async function rulesOf(text: string, files: Readonly<Record<string, string>> = {}): Promise<AuthRules> {
  const config = await readAuthConfig('/auth.yaml', async (file) => {
    const found = file === '/auth.yaml' ? text : files[file.slice(1)];
    if (found === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return Buffer.from(found);
  });
  return new AuthRules(config);
}

/** An authority whose rules a test replaces. */
export interface TestAuthority extends Authority {
  /** Puts other rules in place and tells of them, all at once. */
  replace(rules: AuthRules): void;
  /** Makes identifying wait for this promise; undefined = as it is. */
  delay: Promise<void> | undefined;
  /** How often a token was looked at. */
  looks: number;
}

/** Makes one. @param time milliseconds since 1970. */
export function testAuthority(first: AuthRules, time: () => number = Date.now): TestAuthority {
  let rules = first;
  const listeners = new Set<() => void>();
  const authority: TestAuthority = {
    isOpen: false,
    delay: undefined,
    looks: 0,
    identify(token, name) {
      authority.looks++;
      const verdict = rules.identify(token, name, time());
      return authority.delay === undefined ? verdict : authority.delay.then(() => verdict);
    },
    renew: (identity) => rules.renew(identity),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {},
    replace(next) {
      rules = next;
      for (const listener of listeners) listener();
    },
  };
  return authority;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JWT with any header and any claims, signed by hand: what no library would sign. */
export function forgeJwt(
  header: Readonly<Record<string, unknown>>,
  claims: unknown,
  signature: (input: Buffer) => Uint8Array,
): string {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${Buffer.from(signature(Buffer.from(input))).toString('base64url')}`;
}

/** Signs with HS256. */
export const hs256 = (secret: string | Uint8Array) => (input: Buffer) =>
  createHmac('sha256', secret).update(input).digest();
/** Signs with Ed25519. */
export const ed25519 = (key: KeyObject) => (input: Buffer) => sign(null, input, key);

/** A pair of keys, the public one as PEM too. */
export function ed25519Pair(): { readonly privateKey: KeyObject; readonly publicKey: KeyObject; readonly pem: string } {
  const pair = generateKeyPairSync('ed25519');
  return { ...pair, pem: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString() };
}
