/** Who asks over HTTP, and what is there for them. Rules [H8]..[H10], [F18], for requests instead of sessions. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../protocol/limits.ts';
import { OPEN_AUTHORITY } from '../../src/access/auth/anonymous.ts';
import type { Authority } from '../../src/access/auth/authority.ts';
import type { Route } from '../../src/access/http/route.ts';
import { ed25519, ed25519Pair, forgeJwt, rulesOf, type TestAuthority, testAuthority } from '../support/auth.ts';
import { deferred, type FetchedResponse, fetchRaw } from '../support/transport-harness.ts';
import { startWeb, type WebServer, type WebServerOptions } from '../support/web-server.ts';

const ADA = 'the-token-of-ada-0123456789';
const BO = 'the-token-of-bo-0123456789';
const GONE = 'the-token-of-old-0123456789';
const START = Date.UTC(2026, 0, 1);
const pair = ed25519Pair();
const JWT = `jwt:\n  - public-key: |\n${pair.pem.replace(/^/gm, '      ')}\n`;
const TOKENS = `tokens:
  - {token: ${ADA}, user: ada, grants: {lab/fly: edit}}
  - {token: ${BO}, user: bo, grants: {"*": admin}}
  - {token: ${GONE}, user: old, grants: {"*": read}, expires: 2025-12-31}
`;

const jwt = (user: string, ms: number): string =>
  forgeJwt({ alg: 'EdDSA' }, { sub: user, exp: (START + ms) / 1_000, grants: [], jti: user }, ed25519(pair.privateKey));

/** Tells who asks. */
const WHO: Route = {
  prefix: '/who',
  handle: ({ author, params }) => ({
    type: 'text/plain',
    body: `${author.user.id} ${params}`,
    cache: 'no-store',
  }),
};

/** Defines the suite for one transport. */
export function webIdentityContract(kind: 'ws' | 'uws'): void {
  describe(`tokens over HTTP and ${kind}`, () => {
    let web: WebServer | undefined;
    let authority: TestAuthority;
    let now = START;
    beforeEach(async () => {
      now = START;
      authority = testAuthority(await rulesOf(TOKENS + JWT), () => now);
    });
    afterEach(async () => {
      await web?.stop();
      web = undefined;
    });

    const start = async (routes: readonly Route[] = [WHO], options: WebServerOptions = {}): Promise<void> => {
      web = await startWeb(kind, routes, { authority, now: () => now, time: () => now, ...options });
    };
    const ask = (path: string, headers: Record<string, string> = {}): Promise<FetchedResponse> =>
      fetchRaw(web?.port ?? 0, path, { headers });
    const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
    const who = async (path: string, headers: Record<string, string> = {}): Promise<unknown> => {
      const { status, body } = await ask(path, headers);
      return status === 200 ? body.toString() : status;
    };

    it('takes a token from the header or the query, the header first, and shows it to no route', async () => {
      await start();
      expect(await who('/who?x=1', bearer(ADA))).toBe('ada x=1');
      expect(await who(`/who?token=${ADA}&x=1`)).toBe('ada x=1');
      expect(await who(`/who?x=1&token=${encodeURIComponent(jwt('eve', 1_000))}`)).toBe('eve x=1');
      expect(await who(`/who?token=${BO}`, { authorization: `bearer   ${ADA} ` })).toBe('ada ');
      expect(await who(`/who?token=${BO}`, { authorization: 'Basic YTpi' })).toBe('bo ');
    });

    it.each([
      ['none', '/who', {}],
      ['an unknown one', '/who', bearer('nobody-knows-this-token')],
      ['one that has ended', `/who?token=${GONE}`, {}],
      ['an ended JWT', '/who', bearer(jwt('eve', -1_000))],
      ['an empty one', '/who?token=', {}],
    ])('answers 401 to %s, says what is wanted, and nothing of the token', async (_, path, headers) => {
      await start();
      const answer = await ask(path, headers);
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer realm="butterfly"']);
      expect(answer.headers['access-control-allow-origin']).toBe('*');
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(answer.body.toString()).not.toMatch(/nobody-knows|the-token|eyJ/);
    });

    it('needs no token for public pages, where a token gives no rights either', async () => {
      const rights: boolean[] = [];
      await start([
        {
          prefix: '/open',
          isPublic: true,
          handle: ({ author }) => {
            rights.push(author.rights.allows('read', 'lab/fly'));
            return { type: 'text/plain', body: author.user.id };
          },
        },
      ]);
      expect(await who('/open')).toBe('nobody');
      expect(await who('/open', bearer(BO))).toBe('nobody');
      expect(await who('/open', bearer('wrong-token-wrong'))).toBe('nobody');
      expect(rights).toEqual([false, false, false]);
      expect(authority.looks).toBe(0);
    });

    it('lets some in by where they come from, and others by a right on everything', async () => {
      await start([
        {
          ...WHO,
          isPublic: ({ remoteAddress, header }) =>
            remoteAddress === '127.0.0.1' && header('x-forwarded-for') === undefined,
          right: 'admin',
        },
      ]);
      const proxied = { 'x-forwarded-for': '192.0.2.1' };
      expect(await who('/who')).toBe('nobody ');
      expect(await who('/who', proxied)).toBe(401);
      expect(await who('/who', { ...proxied, ...bearer(ADA) })).toBe(403);
      expect(await who('/who', { ...proxied, ...bearer(BO) })).toBe('bo ');
    });

    it('looks at a token once, until the rules change', async () => {
      await start();
      for (let i = 0; i < 3; i++) expect(await who('/who', bearer(ADA))).toBe('ada ');
      expect(authority.looks).toBe(1);
      authority.replace(await rulesOf(TOKENS.replace(/.*user: ada.*\n/, '') + JWT));
      expect(await who('/who', bearer(ADA))).toBe(401);
      authority.replace(await rulesOf(TOKENS + JWT));
      expect(await who('/who', bearer(ADA))).toBe('ada ');
      expect(authority.looks).toBe(3);
    });

    it('lets a token in until its end and no longer, though it was let in before', async () => {
      await start();
      const token = jwt('eve', 10_000);
      expect(await who('/who', bearer(token))).toBe('eve ');
      now += 9_999;
      expect(await who('/who', bearer(token))).toBe('eve ');
      expect(authority.looks).toBe(1);
      now += 1;
      expect(await who('/who', bearer(token))).toBe(401);
    });

    it('looks once at a token that many requests bring at the same time', async () => {
      const gate = deferred<void>();
      authority.delay = gate.promise;
      await start();
      const token = jwt('eve', 10_000);
      const asked = Array.from({ length: 5 }, () => who('/who', bearer(token)));
      while (web?.router.underWay !== 5) await new Promise((resolve) => setImmediate(resolve));
      gate.resolve();
      expect(await Promise.all(asked)).toEqual(['eve ', 'eve ', 'eve ', 'eve ', 'eve ']);
      expect(authority.looks).toBe(1);
    });

    it('lets nobody in by rules that were replaced while their token was looked at', async () => {
      const gate = deferred<void>();
      authority.delay = gate.promise;
      await start();
      const asked = who('/who', bearer(ADA));
      while (web?.router.underWay !== 1) await new Promise((resolve) => setImmediate(resolve));
      authority.replace(await rulesOf(TOKENS.replace(/.*user: ada.*\n/, '') + JWT));
      gate.resolve();
      expect(await asked).toBe(401);
      authority.delay = undefined;
      expect(await who('/who', bearer(ADA))).toBe(401);
    });

    it('makes whoever tries many wrong tokens wait, and nobody whose token was let in', async () => {
      await start();
      expect(await who('/who', bearer(ADA))).toBe('ada ');
      for (let i = 0; i < 20; i++) expect(await who('/who', bearer(`wrong-token-${i}-0123456789`))).toBe(401);
      const refused = await ask('/who', bearer('wrong-token-20-0123456789'));
      expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1']);
      expect(await who('/who', bearer(BO))).toBe(429);
      expect(await who('/who', bearer(ADA))).toBe('ada ');
      expect(await who('/who')).toBe(401);
      now += 1_000;
      expect(await who('/who', bearer(BO))).toBe('bo ');
    });

    it('refuses a token that is too long before anybody looks at it', async () => {
      await start();
      expect(await who('/who', bearer('x'.repeat(DEFAULT_LIMITS.token + 1)))).toBe(400);
      expect(authority.looks).toBe(0);
    });

    it('remembers a thousand tokens, and forgets the one that was not used for the longest time', async () => {
      await start();
      const token = (n: number): string => `token-number-${n}-0123456789`;
      const lines = Array.from({ length: 1_001 }, (_, n) => `  - {token: ${token(n)}, user: u${n}, grants: {}}\n`);
      authority.replace(await rulesOf(`tokens:\n${lines.join('')}`));
      const use = async (n: number): Promise<number> => {
        const before = authority.looks;
        await who('/who', bearer(token(n)));
        return authority.looks - before;
      };
      for (let n = 0; n < 1_000; n++) expect(await use(n)).toBe(1);
      expect(await use(0)).toBe(0);
      expect(await use(1_000)).toBe(1);
      expect([await use(0), await use(2), await use(1_000)]).toEqual([0, 0, 0]);
      expect(await use(1)).toBe(1);
    });

    it('takes all who come without a token for the same anonymous user', async () => {
      await start([WHO], { authority: OPEN_AUTHORITY as Authority });
      const first = await who('/who');
      expect(first).toMatch(/^anonymous:[0-9a-f]{16} $/);
      expect(await who('/who')).toBe(first);
      expect(await who('/who', bearer('0123456789abcdef0123456789abcdef'))).toMatch(/^anonymous:/);
      expect(await who('/who', bearer('0123456789abcdef0123456789abcdef'))).not.toBe(first);
    });

    it('answers what may not be read exactly as what is not there [F18]', async () => {
      const channels = ['lab/fly/cube/em', 'lab/wasp/cube/em'];
      await start(
        [
          {
            prefix: '/data',
            handle: (request) => {
              const path = request.segments.join('/');
              if (!request.mayRead(path) || !channels.some((name) => `${name}/`.startsWith(`${path}/`)))
                return undefined;
              return { type: 'text/plain', body: 'here' };
            },
          },
        ],
        {
          home: {
            holds: (path, { rights }) =>
              channels.some((name) => name.startsWith(`${path}/`) && rights.allows('read', name)),
          },
        },
      );
      expect(await who('/data/lab/fly/cube/em', bearer(ADA))).toBe('here');
      expect(await who('/data/lab', bearer(ADA))).toBe('here');
      const { date: _, ...none } = (await ask('/data/lab/none', bearer(ADA))).headers;
      for (const path of ['/data/lab/wasp', '/data/lab/wasp/cube/em', '/data/lab/wasp/none', '/nothing']) {
        const answer = await ask(path, bearer(ADA));
        const { date: _, ...headers } = answer.headers;
        expect([answer.status, answer.body.toString(), headers]).toEqual([
          404,
          'there is nothing at this path\n',
          none,
        ]);
      }
      expect(await who('/data/lab/wasp/cube/em', bearer(BO))).toBe('here');
    });
  });
}
