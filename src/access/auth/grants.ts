/** Rights that are granted by path, for whole segments: `exp/sample` covers `exp/sample/x` and not `exp/sample2`. */
import type { Right, Rights } from '../../core/rights.ts';
import { GRANTABLE, type Grant, type Grantable, grantPathFault } from '../../utility/auth-config.ts';

const ANNOTATE: readonly Right[] = ['read', 'annotate'];
const EDIT_OWN: readonly Right[] = [...ANNOTATE, 'edit'];
const EDIT: readonly Right[] = [...EDIT_OWN, 'edit-others'];
/** What each word of a grant stands for: the greater holds the lesser. */
const HOLDS: Readonly<Record<Grantable, readonly Right[]>> = {
  read: ['read'],
  annotate: ANNOTATE,
  'edit-own': EDIT_OWN,
  edit: EDIT,
  'edit-others': EDIT,
  admin: [...EDIT, 'admin'],
};

/** Grants of a token that are more than these are a mistake, or an attack. */
const MAX_GRANTS = 1_000;

/** No rights at all. */
export const NO_RIGHTS: Rights = { allows: () => false };

/** The rights of a list of grants: a path has those of every grant that covers it. */
export function rightsOf(grants: readonly Grant[]): Rights {
  const byPath = new Map<string, Set<Right>>();
  for (const { path, rights } of grants) {
    const known = byPath.get(path) ?? new Set();
    byPath.set(path, known);
    for (const right of rights) for (const held of HOLDS[right]) known.add(held);
  }
  if (byPath.size === 0) return NO_RIGHTS;
  return {
    allows(right, path) {
      if (byPath.get('')?.has(right) === true) return true;
      // A path has few segments: one look for each, however many grants there are.
      for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1))
        if (byPath.get(path.slice(0, end))?.has(right) === true) return true;
      return byPath.get(path)?.has(right) === true;
    },
  };
}

/** What either allows. */
export function eitherRights(one: Rights, other: Rights): Rights {
  return { allows: (right, path) => one.allows(right, path) || other.allows(right, path) };
}

/** What both allow. */
export function bothRights(one: Rights, other: Rights): Rights {
  return { allows: (right, path) => one.allows(right, path) && other.allows(right, path) };
}

/**
 * Reads the claims `grants` (`[{path, rights: […]}]`) and `scope` (`"read:* edit:exp/sample openid"`) of a token.
 *
 * @returns undefined where `grants` is not legal. Words of a scope that are no rights belong to others and are passed over.
 */
export function grantsOfClaims(claims: Readonly<Record<string, unknown>>): Grant[] | undefined {
  const { grants = [], scope = '' } = claims;
  if (!Array.isArray(grants) || grants.length > MAX_GRANTS) return undefined;
  const read: Grant[] = [];
  for (const item of grants) {
    const grant = grantOf(item);
    if (grant === undefined) return undefined;
    read.push(grant);
  }
  if (typeof scope !== 'string') return read;
  for (const word of scope.split(' ').slice(0, MAX_GRANTS)) {
    const colon = word.indexOf(':');
    const [right, path] = [word.slice(0, colon), word.slice(colon + 1)];
    if (colon > 0 && isGrantable(right) && grantPathFault(path) === undefined && path !== '')
      read.push({ path: everything(path), rights: [right] });
  }
  return read;
}

function grantOf(item: unknown): Grant | undefined {
  if (typeof item !== 'object' || item === null || !('path' in item) || !('rights' in item)) return undefined;
  const { path, rights } = item;
  if (typeof path !== 'string' || grantPathFault(path) !== undefined || !Array.isArray(rights)) return undefined;
  return rights.every(isGrantable) ? { path: everything(path), rights } : undefined;
}

const everything = (path: string): string => (path === '*' ? '' : path);
const isGrantable = (value: unknown): value is Grantable => GRANTABLE.some((right) => right === value);
