/** Users without a token: each is the secret of a session. Rule [H9]. */
import { createHash, randomBytes } from 'node:crypto';
import { ALL_RIGHTS, type Rights } from '../../core/rights.ts';
import type { Admission, Authority } from './authority.ts';

/** Begins the id of every user without a token, and of no other. */
export const ANONYMOUS_PREFIX = 'anonymous:';
const SESSION_SECRET = /^[0-9a-f]{32}$/;

/** Whether a token may be the secret of an anonymous user's session. */
export function isSessionSecret(token: string): boolean {
  return SESSION_SECRET.test(token);
}

/**
 * Lets an anonymous user in.
 *
 * @param secret of an earlier session; undefined = a new user.
 * @param name what they want to be called.
 */
export function admitAnonymous(secret: string | undefined, name: string | undefined, rights: Rights): Admission {
  const session = secret ?? randomBytes(16).toString('hex');
  // The id is shown to everybody and must not tell the secret.
  const id = ANONYMOUS_PREFIX + createHash('sha256').update(session).digest('hex').slice(0, 16);
  return { identity: { user: { id, name: cleanName(name) || 'anonymous' }, rights }, session };
}

/** A name without what could garble the lines of others: control characters and changes of direction. */
export function cleanName(name: string | undefined): string {
  return (name ?? '').replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, '').trim();
}

/** Everybody may come and do everything. Tokens that are no session's secret say nothing here. */
export const OPEN_AUTHORITY: Authority = {
  isOpen: true,
  identify: (token, name) =>
    admitAnonymous(token !== undefined && isSessionSecret(token) ? token : undefined, name, ALL_RIGHTS),
  renew: (identity) => identity,
  onChange: () => () => {},
  close: async () => {},
};
