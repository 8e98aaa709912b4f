import { describe, expect, it } from 'vitest';
import { bothRights, eitherRights, grantsOfClaims, rightsOf } from '../../../src/access/auth/grants.ts';
import type { Right, Rights } from '../../../src/core/rights.ts';
import { GRANTABLE, type Grant, type Grantable } from '../../../src/utility/auth-config.ts';
import { seededRandom, testRuns, testSeed } from '../../support/seed.ts';

const RIGHTS: readonly Right[] = ['read', 'annotate', 'edit', 'edit-others', 'admin'];
const held = (rights: Rights, path: string): Right[] => RIGHTS.filter((right) => rights.allows(right, path));
const grant = (path: string, ...rights: Grantable[]): Grant => ({ path, rights });

describe('grants', () => {
  it.each([
    ['read', ['read']],
    ['annotate', ['read', 'annotate']],
    ['edit-own', ['read', 'annotate', 'edit']],
    ['edit', ['read', 'annotate', 'edit', 'edit-others']],
    ['edit-others', ['read', 'annotate', 'edit', 'edit-others']],
    ['admin', RIGHTS],
  ] as const)('%s holds %j', (word, rights) => {
    expect(held(rightsOf([grant('a/b', word)]), 'a/b')).toEqual(rights);
  });

  it('cover whole segments and everything below, nothing beside and nothing above', () => {
    const rights = rightsOf([grant('exp/sample', 'read')]);
    for (const path of ['exp/sample', 'exp/sample/d', 'exp/sample/d/c']) expect(rights.allows('read', path)).toBe(true);
    const others = [
      'exp',
      '',
      'exp/sample2',
      'exp/sample2/d',
      'exp/sampl',
      'exp/samples/d',
      'Exp/sample',
      'exp/Sample/d',
    ];
    const tricks = [
      'exp/sample\u0000/d',
      'exp//sample',
      '/exp/sample',
      'exp/sample ',
      'x/exp/sample',
      'exp\\sample',
      'exp/ѕample',
    ];
    for (const path of [...others, ...tricks]) expect(rights.allows('read', path), path).toBe(false);
  });

  it('of everything cover every path', () => {
    const rights = rightsOf([grant('', 'edit')]);
    for (const path of ['', 'a', 'a/b/c/d'])
      expect(held(rights, path)).toEqual(['read', 'annotate', 'edit', 'edit-others']);
  });

  it('add up', () => {
    const rights = rightsOf([
      grant('a', 'read'),
      grant('a/b', 'edit-own'),
      grant('a', 'annotate'),
      grant('a/b/c', 'read'),
    ]);
    expect(held(rights, 'a/x')).toEqual(['read', 'annotate']);
    expect(held(rights, 'a/b/c/d')).toEqual(['read', 'annotate', 'edit']);
  });

  it('equal a naive look through all of them', () => {
    const random = seededRandom(testSeed('grants'));
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    const path = (): string =>
      Array.from({ length: Math.floor(random() * 5) }, () => pick(['a', 'ab', 'b', 'a b'])).join('/');
    for (let run = 0; run < testRuns(300); run++) {
      const grants = Array.from({ length: Math.floor(random() * 6) }, () =>
        grant(path(), pick(GRANTABLE), pick(GRANTABLE)),
      );
      const rights = rightsOf(grants);
      for (let n = 0; n < 20; n++) {
        const [asked, right] = [path(), pick(RIGHTS)];
        const naive = grants.some(
          (one) =>
            (one.path === '' || `${asked}/`.startsWith(`${one.path}/`)) &&
            one.rights.some((word) => rightsOf([grant('', word)]).allows(right, 'x')),
        );
        expect(rights.allows(right, asked), JSON.stringify({ grants, asked, right })).toBe(naive);
      }
    }
  });

  it('can be joined and limited', () => {
    const one = rightsOf([grant('a', 'edit')]);
    const other = rightsOf([grant('a/b', 'read'), grant('c', 'read')]);
    expect(held(bothRights(one, other), 'a/b')).toEqual(['read']);
    expect(held(bothRights(one, other), 'a')).toEqual([]);
    expect(held(eitherRights(one, other), 'c')).toEqual(['read']);
  });
});

describe('grants of a signed token', () => {
  it('are read from grants and scope', () => {
    const claims = {
      grants: [
        { path: 'a/b', rights: ['edit'] },
        { path: '*', rights: ['read'] },
      ],
      scope: 'openid read:c/d admin:* write:x read: :a read:*/a edit:a/b/c/d/e',
    };
    expect(grantsOfClaims(claims)).toEqual([
      { path: 'a/b', rights: ['edit'] },
      { path: '', rights: ['read'] },
      { path: 'c/d', rights: ['read'] },
      { path: '', rights: ['admin'] },
    ]);
    expect(grantsOfClaims({})).toEqual([]);
    expect(grantsOfClaims({ scope: ['read:*'] })).toEqual([]);
  });

  it.each([
    { a: ['read'] },
    'read:*',
    [null],
    ['a'],
    [{ path: 'a' }],
    [{ path: 'a', rights: 'read' }],
    [{ path: 'a', rights: ['write'] }],
    [{ path: 'a', rights: [['read']] }],
    [{ path: 7, rights: [] }],
    [{ path: 'a//b', rights: ['read'] }],
    [{ path: 'a/*', rights: ['read'] }],
    [{ path: 'e\u0301', rights: ['read'] }],
    Array.from({ length: 1_001 }, () => ({ path: 'a', rights: ['read'] })),
  ])('are refused as a whole where they are not legal: %j', (grants) => {
    expect(grantsOfClaims({ grants })).toBeUndefined();
  });
});
