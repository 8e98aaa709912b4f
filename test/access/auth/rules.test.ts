import { createHash, createHmac, generateKeyPairSync, sign, timingSafeEqual } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { OPEN_AUTHORITY } from '../../../src/access/auth/anonymous.ts';
import { type Admission, type Identity, isAdmitted, type Refusal } from '../../../src/access/auth/authority.ts';
import { signJwt } from '../../../src/access/auth/jwt.ts';
import type { AuthRules } from '../../../src/access/auth/rules.ts';
import { ed25519, ed25519Pair, forgeJwt, hs256, rulesOf } from '../../support/auth.ts';

vi.mock('node:crypto', async (original) => {
  const real = await original<typeof import('node:crypto')>();
  return { ...real, timingSafeEqual: vi.fn(real.timingSafeEqual) };
});

const NOW = Date.UTC(2026, 0, 1);
const NOW_S = NOW / 1_000;
const TOKEN = 'the-token-of-ada-0123456789';
const HEX = createHash('sha256').update(TOKEN).digest('hex');
const SECRET = 'a secret that has 32 bytes or more';

async function admit(rules: AuthRules, token?: string, now = NOW, name?: string): Promise<Admission> {
  const verdict = await rules.identify(token, name, now);
  if (!isAdmitted(verdict)) throw new Error(`refused: ${verdict.message}`);
  return verdict;
}
async function refused(rules: AuthRules, token?: string, now = NOW): Promise<Refusal> {
  const verdict = await rules.identify(token, undefined, now);
  if (isAdmitted(verdict)) throw new Error('somebody was let in');
  return verdict;
}
const mayRead = ({ rights }: Identity, path: string): boolean => rights.allows('read', path);

describe('an open server', () => {
  it('[H9] makes each visitor a user of their own, and the same one by the secret of the session', async () => {
    const first = await OPEN_AUTHORITY.identify(undefined, 'Ada');
    const second = await OPEN_AUTHORITY.identify(undefined, 'Ada');
    if (!isAdmitted(first) || !isAdmitted(second)) throw new Error('refused');
    expect(first.session).toMatch(/^[0-9a-f]{32}$/);
    expect(second.identity.user.id).not.toBe(first.identity.user.id);
    const again = await OPEN_AUTHORITY.identify(first.session, 'Bo');
    expect(again).toMatchObject({
      session: first.session,
      identity: { user: { id: first.identity.user.id, name: 'Bo' } },
    });
  });

  it('[H9] does not show the secret in the id', async () => {
    const secret = 'ab'.repeat(16);
    const verdict = await OPEN_AUTHORITY.identify(secret);
    const hash = createHash('sha256').update(secret).digest('hex');
    expect(verdict).toMatchObject({ identity: { user: { id: `anonymous:${hash.slice(0, 16)}`, name: 'anonymous' } } });
  });

  it('takes tokens of other servers for nothing, and names without what garbles lines', async () => {
    const verdict = await OPEN_AUTHORITY.identify(TOKEN, '\u202eada\n\u0007 ');
    expect(verdict).toMatchObject({
      session: expect.stringMatching(/^[0-9a-f]{32}$/),
      identity: { user: { name: 'ada' } },
    });
  });
});

describe('tokens of the file', () => {
  const yaml = (more = '') =>
    `tokens:\n  - {token: "sha256:${HEX}", user: ada, name: Ada, grants: {fly: edit}${more}}\n`;

  it('are known by their hash, which is no token', async () => {
    const rules = await rulesOf(yaml());
    const { identity, session } = await admit(rules, TOKEN);
    expect([identity.user, session]).toEqual([{ id: 'ada', name: 'Ada' }, '']);
    expect(identity.rights.allows('edit-others', 'fly/x')).toBe(true);
    expect(identity.rights.allows('admin', 'fly/x')).toBe(false);
    for (const other of [HEX, `sha256:${HEX}`, `${TOKEN} `, TOKEN.toUpperCase(), TOKEN.slice(1), `${TOKEN}\u0000`])
      expect((await refused(rules, other)).refused).toBe('UNAUTHENTICATED');
  });

  it('are compared in constant time, each with every one of the file', async () => {
    const others = Array.from(
      { length: 5 },
      (_, n) => `  - {token: other-token-${n}-0123456789, user: u${n}, grants: {}}`,
    );
    const rules = await rulesOf(yaml() + others.join('\n'));
    for (const token of [TOKEN, 'other-token-3-0123456789', 'x']) {
      vi.mocked(timingSafeEqual).mockClear();
      await rules.identify(token, undefined, NOW);
      const calls = vi.mocked(timingSafeEqual).mock.calls;
      expect(calls.map(([a, b]) => [a.byteLength, b.byteLength])).toEqual(Array(6).fill([32, 32]));
    }
  });

  it('[H3] end when they expire, to the millisecond', async () => {
    const rules = await rulesOf(yaml(', expires: 2026-01-02'));
    const end = Date.UTC(2026, 0, 2);
    expect((await admit(rules, TOKEN, end - 1)).identity.expiresAt).toBe(end);
    expect((await refused(rules, TOKEN, end)).refused).toBe('TOKEN_EXPIRED');
  });

  it.each([`{user: ada}`, `{sha256: ${HEX}}`])('[H3] are taken back by %s', async (revoked) => {
    const rules = await rulesOf(`${yaml()}revoked: [${revoked}]`);
    expect((await refused(rules, TOKEN)).refused).toBe('TOKEN_REVOKED');
  });

  it('let nobody in without one unless visitors are named, who may what the file says', async () => {
    expect((await refused(await rulesOf(yaml()))).refused).toBe('UNAUTHENTICATED');
    expect((await refused(await rulesOf(yaml()), 'ab'.repeat(16))).refused).toBe('UNAUTHENTICATED');
    const rules = await rulesOf(`${yaml()}anonymous: {fly/public: read}`);
    const { identity, session } = await admit(rules, undefined, NOW, 'Bo');
    expect([mayRead(identity, 'fly/public/x'), mayRead(identity, 'fly/x'), identity.user.name]).toEqual([
      true,
      false,
      'Bo',
    ]);
    expect((await admit(rules, session)).identity.user.id).toBe(identity.user.id);
    // Somebody with a token wants to be somebody: a wrong one makes no visitor of them.
    expect((await refused(rules, `${TOKEN}x`)).refused).toBe('UNAUTHENTICATED');
  });

  it('never stand in what is told of a refusal', async () => {
    const rules = await rulesOf(`${yaml()}jwt: [{secret: "${SECRET}"}]`);
    const jwt = forgeJwt({ alg: 'HS256' }, { sub: 'secret-sub', exp: NOW_S - 1 }, hs256(SECRET));
    const wrong = forgeJwt({ alg: 'HS256' }, { sub: 'secret-sub', exp: 'secret-exp' }, hs256(SECRET));
    for (const token of ['secret-token-that-is-wrong', jwt, wrong]) {
      const { message } = await refused(rules, token);
      expect(message).not.toMatch(/secret/);
      for (const part of token.split('.')) expect(message).not.toContain(part);
    }
  });
});

describe('new rules', () => {
  const one = (more: string) => rulesOf(`tokens:\n  - {token: ${TOKEN}, ${more}}\n`);

  it('give the same user other rights, name and end', async () => {
    const { identity } = await admit(await one('user: ada, grants: {a: edit}'), TOKEN);
    const next = (await one('user: ada, name: Ada, expires: 2027-01-01, grants: {b: read}')).renew(identity);
    expect(next).toMatchObject({ user: { id: 'ada', name: 'Ada' }, expiresAt: Date.UTC(2027, 0, 1) });
    expect([next?.rights.allows('read', 'a'), next?.rights.allows('read', 'b')]).toEqual([false, true]);
  });

  it('end who is there no more, who was taken back, and whose token is another user now', async () => {
    const { identity } = await admit(await one('user: ada, grants: {a: edit}'), TOKEN);
    const gone = await rulesOf('anonymous: {a: edit}');
    const taken = await rulesOf(`tokens: [{token: ${TOKEN}, user: ada, grants: {}}]\nrevoked: [{sha256: ${HEX}}]`);
    const other = await one('user: eve, grants: {a: edit}');
    for (const rules of [gone, taken, other]) expect(rules.renew(identity)).toBeUndefined();
  });

  it('end visitors where there are none any more', async () => {
    const { identity } = await admit(await rulesOf('anonymous: {a: edit}'));
    const fewer = (await rulesOf('anonymous: {a: read}')).renew(identity);
    expect(fewer?.user).toEqual(identity.user);
    expect(fewer?.rights.allows('edit', 'a')).toBe(false);
    expect((await one('user: ada, grants: {}')).renew(identity)).toBeUndefined();
  });

  it('end whoever did not come from here', async () => {
    const { identity } = await admit(await one('user: ada, grants: {a: edit}'), TOKEN);
    expect((await one('user: ada, grants: {a: edit}')).renew({ ...identity })).toBeUndefined();
  });
});

describe('signed tokens', () => {
  const pair = ed25519Pair();
  const indented = pair.pem.replace(/^/gm, '      ');
  const withKey = (more = '') => `jwt:\n  - public-key: |\n${indented}\n${more}`;
  const claims = { sub: 'ada', name: 'Ada', exp: NOW_S + 60, grants: [{ path: 'fly', rights: ['edit'] }] };
  const eddsa = (payload: unknown, header: object = {}) =>
    forgeJwt({ alg: 'EdDSA', ...header }, payload, ed25519(pair.privateKey));
  let rules: AuthRules;
  beforeEach(async () => {
    rules = await rulesOf(withKey());
  });

  it('say who somebody is, until when, and what they may', async () => {
    const { identity, session } = await admit(rules, eddsa(claims));
    expect(identity).toMatchObject({ user: { id: 'ada', name: 'Ada' }, expiresAt: NOW + 60_000 });
    expect([session, mayRead(identity, 'fly/x'), mayRead(identity, 'bee')]).toEqual(['', true, false]);
    expect((await admit(rules, forgeJwt({ alg: 'Ed25519' }, claims, ed25519(pair.privateKey)))).identity.user.id).toBe(
      'ada',
    );
  });

  it('are read with a shared secret too', async () => {
    const hs = await rulesOf(`jwt: [{secret: "${SECRET}"}]`);
    expect((await admit(hs, forgeJwt({ alg: 'HS256' }, claims, hs256(SECRET)))).identity.user.id).toBe('ada');
    expect((await refused(hs, forgeJwt({ alg: 'HS256' }, claims, hs256(`${SECRET}!`)))).refused).toBe(
      'UNAUTHENTICATED',
    );
  });

  it('are refused with another algorithm than the key is for, though the signature is good', async () => {
    const long = 'x'.repeat(64);
    const hs = await rulesOf(`jwt: [{secret: ${long}}]`);
    const hs512 = (input: Buffer) => createHmac('sha512', long).update(input).digest();
    expect((await refused(hs, forgeJwt({ alg: 'HS512' }, claims, hs512))).refused).toBe('UNAUTHENTICATED');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const rs = await rulesOf('jwt: [{public-key-file: k}]', { k: pem });
    const rs512 = (input: Buffer) => sign('sha512', input, rsa.privateKey);
    expect((await refused(rs, forgeJwt({ alg: 'RS512' }, claims, rs512))).refused).toBe('UNAUTHENTICATED');
  });

  it('are refused without a signature, whatever they call that', async () => {
    const both = await rulesOf(withKey(`  - secret: "${SECRET}"`));
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, undefined, 0, ['EdDSA'], { toString: 'HS256' }])
      for (const signature of [new Uint8Array(0), new Uint8Array(64), new Uint8Array(32)])
        expect(
          (
            await refused(
              both,
              forgeJwt({ alg }, claims, () => signature),
            )
          ).refused,
        ).toBe('UNAUTHENTICATED');
    const [head = '', body = ''] = eddsa(claims).split('.');
    for (const token of [
      `${head}.${body}`,
      `${head}.${body}.`,
      `${head}..`,
      `..`,
      `${head}.${body}.${body}.${body}.${body}`,
    ])
      expect((await refused(both, token)).refused).toBe('UNAUTHENTICATED');
  });

  it('are refused where the public key was used as a secret, whatever algorithm they name', async () => {
    const der = pair.publicKey.export({ type: 'spki', format: 'der' });
    const raw = Buffer.from(String(pair.publicKey.export({ format: 'jwk' }).x), 'base64url');
    for (const secret of [pair.pem, pair.pem.trim(), `${pair.pem.trim()}\n`, der, raw])
      for (const alg of ['HS256', 'EdDSA', 'Ed25519', 'HS512'])
        expect((await refused(rules, forgeJwt({ alg }, claims, hs256(secret)))).refused).toBe('UNAUTHENTICATED');
  });

  it('bring no keys of their own', async () => {
    const other = ed25519Pair();
    const jwk = other.publicKey.export({ format: 'jwk' });
    for (const header of [
      { jwk },
      { jku: 'http://127.0.0.1:1/keys' },
      { x5u: 'http://127.0.0.1:1/x' },
      { kid: '../../etc/passwd' },
    ]) {
      const token = forgeJwt({ alg: 'EdDSA', ...header }, claims, ed25519(other.privateKey));
      expect((await refused(rules, token)).refused).toBe('UNAUTHENTICATED');
    }
    for (const header of [
      { crit: ['x'], x: 1 },
      { crit: ['b64'], b64: false },
    ])
      expect((await refused(rules, eddsa(claims, header))).refused).toBe('UNAUTHENTICATED');
  });

  it('are refused where one bit is another', async () => {
    const token = eddsa(claims);
    for (let at = 0; at < token.length; at += 7) {
      const swapped = token[at] === 'A' ? 'B' : 'A';
      if (at === token.length - 1 || token[at] === '.') continue;
      const broken = token.slice(0, at) + swapped + token.slice(at + 1);
      expect((await refused(rules, broken)).refused, `at ${at}`).toBe('UNAUTHENTICATED');
    }
  });

  it('[H3] end by our clock, and begin 5 s before their time at the most', async () => {
    expect((await refused(rules, eddsa(claims), NOW + 60_000)).refused).toBe('TOKEN_EXPIRED');
    expect((await refused(rules, eddsa(claims), NOW + 600_000)).refused).toBe('TOKEN_EXPIRED');
    expect((await admit(rules, eddsa({ ...claims, nbf: NOW_S + 5 }))).identity.user.id).toBe('ada');
    expect(await refused(rules, eddsa({ ...claims, nbf: NOW_S + 6 }))).toEqual({
      refused: 'UNAUTHENTICATED',
      message: 'the token does not hold yet',
    });
  });

  it('do not tell that they have ended unless their signature is good', async () => {
    const forged = forgeJwt({ alg: 'EdDSA' }, { ...claims, exp: 1 }, ed25519(ed25519Pair().privateKey));
    expect((await refused(rules, forged)).refused).toBe('UNAUTHENTICATED');
  });

  it.each([
    ['without an end', { exp: undefined }, 'the token has no end: exp must be a number'],
    ['with an end that is a text', { exp: '9999999999' }, 'the token has no end: exp must be a number'],
    ['without a user', { sub: undefined }, 'the token has no user: sub must be a text'],
    ['whose user is a number', { sub: 7 }, 'the token has no legal user in sub'],
    ['whose user is empty', { sub: '' }, 'the token has no legal user in sub'],
    ['that would be a visitor', { sub: 'anonymous:0123456789abcdef' }, 'the token has no legal user in sub'],
    ['whose user hides characters', { sub: 'ada\u0000' }, 'the token has no legal user in sub'],
    ['whose user is spelt in two ways', { sub: 'e\u0301' }, 'the token has no legal user in sub'],
    ['with grants that are not legal', { grants: { fly: ['edit'] } }, 'the token has grants that are not legal'],
  ])('are refused %s', async (_what, change, message) => {
    const verdict = await refused(rules, eddsa({ ...claims, ...change }));
    expect(verdict).toEqual({ refused: 'UNAUTHENTICATED', message: expect.stringContaining(message) });
  });

  it('are refused where they are no claims at all', async () => {
    for (const payload of [null, [], 'text', 7, [claims]])
      expect((await refused(rules, eddsa(payload))).refused).toBe('UNAUTHENTICATED');
  });

  it('with an end beyond all dates hold until the largest number there is', async () => {
    const { identity } = await admit(rules, eddsa({ ...claims, exp: 1e300 }));
    expect(identity.expiresAt).toBe(Number.MAX_SAFE_INTEGER);
    expect((await admit(rules, eddsa({ ...claims, exp: NOW_S + 0.0015 }))).identity.expiresAt).toBe(NOW + 1);
  });

  it('must be for us where the file says who we are', async () => {
    const ours = await rulesOf(withKey('    issuer: lab\n    audience: bfly'));
    const good = { ...claims, iss: 'lab', aud: ['other', 'bfly'] };
    expect((await admit(ours, eddsa(good))).identity.user.id).toBe('ada');
    for (const aud of [undefined, 'bfl', 'BFLY', [], ['other'], { bfly: true }])
      expect((await refused(ours, eddsa({ ...good, aud }))).message).toBe('the token is for another audience');
    for (const iss of [undefined, 'Lab', 'lab ', ['lab']])
      expect((await refused(ours, eddsa({ ...good, iss }))).message).toBe('the token is of another issuer');
  });

  it('of an issuer with a prefix are users under it', async () => {
    const ours = await rulesOf(withKey('    prefix: lab/\nrevoked: [{user: lab/eve}]'));
    expect((await admit(ours, eddsa(claims))).identity.user.id).toBe('lab/ada');
    expect((await refused(ours, eddsa({ ...claims, sub: 'eve' }))).refused).toBe('TOKEN_REVOKED');
  });

  it('grant no more than the file lets them, and what it gives to all of them', async () => {
    const ours = await rulesOf(withKey('    grants: {public: annotate}\n    limit: {fly/brain: edit-own}'));
    const wide = { ...claims, grants: [{ path: '*', rights: ['admin'] }], scope: 'admin:fly' };
    const { rights } = (await admit(ours, eddsa(wide))).identity;
    expect(rights.allows('edit', 'fly/brain/x')).toBe(true);
    expect(rights.allows('edit-others', 'fly/brain/x')).toBe(false);
    expect(rights.allows('read', 'fly/wing')).toBe(false);
    expect(rights.allows('annotate', 'public/x')).toBe(true);
    expect(rights.allows('edit', 'public/x')).toBe(false);
  });

  it('[H3] are taken back by user, jti and hash, once their signature is known to be good', async () => {
    const token = eddsa({ ...claims, jti: '5d' });
    const hash = createHash('sha256').update(token).digest('hex');
    for (const revoked of ['{user: ada}', '{jti: 5d}', `{sha256: ${hash}}`]) {
      const ours = await rulesOf(withKey(`revoked: [${revoked}]`));
      expect((await refused(ours, token)).refused).toBe('TOKEN_REVOKED');
      expect(ours.renew((await admit(rules, token)).identity)).toBeUndefined();
    }
    const ours = await rulesOf(withKey('revoked: [{jti: 5d}]'));
    const forged = forgeJwt({ alg: 'EdDSA' }, { ...claims, jti: '5d' }, ed25519(ed25519Pair().privateKey));
    expect((await refused(ours, forged)).refused).toBe('UNAUTHENTICATED');
  });

  it('end with their key, and follow what the file says of it', async () => {
    const { identity } = await admit(rules, eddsa(claims));
    expect((await rulesOf(withKey('    limit: {fly: read}'))).renew(identity)?.rights.allows('edit', 'fly')).toBe(
      false,
    );
    expect((await rulesOf(withKey('    grants: {bee: read}'))).renew(identity)?.rights.allows('read', 'bee')).toBe(
      true,
    );
    const rotated = await rulesOf(`jwt:\n  - public-key: |\n${ed25519Pair().pem.replace(/^/gm, '      ')}`);
    expect(rotated.renew(identity)).toBeUndefined();
    expect((await rulesOf(withKey('    audience: other'))).renew(identity)).toBeUndefined();
  });

  it('name people as they are called, where that can be shown', async () => {
    const named = async (name: unknown) => (await admit(rules, eddsa({ ...claims, name }))).identity.user.name;
    expect(await named('Ada \u202eevoL')).toBe('Ada evoL');
    for (const name of [undefined, 7, '', '\u0000', 'x'.repeat(200)]) expect(await named(name)).toBe('ada');
  });
});

describe('keys', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = ed25519Pair();
  const claims = { sub: 'ada', exp: NOW_S + 60 };
  const jwks = (...keys: unknown[]) =>
    rulesOf('jwt: [{jwks-file: keys.json}]', { 'keys.json': JSON.stringify({ keys }) });

  it('of a set are chosen by kid and algorithm', async () => {
    const rules = await jwks(
      { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'r' },
      { ...ec.publicKey.export({ format: 'jwk' }), kid: 'e', use: 'sig' },
      { ...ed.publicKey.export({ format: 'jwk' }), kid: 'd' },
      { kty: 'OKP', crv: 'X25519', x: 'AAAA' },
      { ...ec.publicKey.export({ format: 'jwk' }), use: 'enc' },
    );
    const rs = (kid?: string) =>
      forgeJwt({ alg: 'RS256', kid }, claims, (input) => sign('sha256', input, rsa.privateKey));
    const es = (kid?: string) =>
      forgeJwt({ alg: 'ES256', kid }, claims, (input) =>
        sign('sha256', input, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
      );
    for (const token of [
      rs('r'),
      rs(),
      es('e'),
      es(),
      forgeJwt({ alg: 'EdDSA', kid: 'd' }, claims, ed25519(ed.privateKey)),
    ])
      expect((await admit(rules, token)).identity.user.id).toBe('ada');
    for (const token of [rs('e'), es('r'), forgeJwt({ alg: 'EdDSA', kid: 'r' }, claims, ed25519(ed.privateKey))])
      expect((await refused(rules, token)).refused).toBe('UNAUTHENTICATED');
  });

  it('say what is wrong with them and nothing of what they are', async () => {
    const fault = (text: string, files = {}) =>
      rulesOf(text, files).then(
        () => 'none',
        (error: Error) => error.message,
      );
    const pem = (key: typeof rsa.privateKey) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' });
    const x = generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'pem' });
    const file = (content: unknown) => ({ 'k.pem': typeof content === 'string' ? content : JSON.stringify(content) });
    const one = 'jwt:\n  - {issuer: a, public-key-file: k.pem}';
    const set = 'jwt:\n  - {jwks-file: k.pem}';
    expect(await fault('jwt:\n  - secret: short-secret')).toBe(
      'auth.yaml line 2: jwt[0].secret must have 32 bytes or more: shorter ones can be guessed',
    );
    const at = 'auth.yaml line 2: jwt[0].public-key-file';
    expect(await fault(one, file(pem(rsa.privateKey)))).toBe(
      `${at} is a private key: give the server the public one only`,
    );
    expect(await fault(one, file(ed.privateKey.export({ format: 'jwk' })))).toContain('is a private key');
    expect(await fault(one, file('nonsense'))).toBe(`${at} must be a public key as PEM or JWK`);
    expect(await fault(one, file({ kty: 'EC', crv: 'P-256', x: 'a', y: 'b' }))).toContain('must be a public key');
    expect(await fault(one, file(String(weak)))).toBe(`${at} must be an RSA key of 2048 bits or more`);
    expect(await fault(one, file(String(x)))).toContain('must be a key for EdDSA (Ed25519), ES256');
    expect(await fault(set, file([]))).toContain('must be a JSON object with the list "keys"');
    expect(await fault(set, file({ keys: [] }))).toContain('holds no key for');
    expect(await fault(set, file({ keys: [{ kty: 'oct', k: 'AAAA' }] }))).toContain('holds a secret or private key');
    expect(await fault(set, file({ keys: [ec.privateKey.export({ format: 'jwk' })] }))).toContain(
      'holds a secret or private key',
    );
  });

  it('sign what they verify', async () => {
    const full = {
      ...claims,
      name: 'Ada',
      iat: NOW_S,
      jti: '1',
      iss: 'lab',
      aud: 'bfly',
      grants: [{ path: 'a', rights: ['read'] }],
    };
    const pem = (key: typeof rsa.privateKey) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
    const check = async (material: string, text: string, files: Record<string, string> = {}) => {
      const rules = await rulesOf(text, files);
      const { identity } = await admit(rules, await signJwt(Buffer.from(material), full));
      expect([identity.user, mayRead(identity, 'a/b'), identity.expiresAt]).toEqual([
        { id: 'ada', name: 'Ada' },
        true,
        NOW + 60_000,
      ]);
    };
    const file = 'jwt: [{public-key-file: k, issuer: lab, audience: bfly}]';
    for (const { privateKey, publicKey } of [rsa, ec, ed]) {
      await check(pem(privateKey), file, { k: publicKey.export({ type: 'spki', format: 'pem' }).toString() });
      await check(JSON.stringify(privateKey.export({ format: 'jwk' })), file, {
        k: JSON.stringify(publicKey.export({ format: 'jwk' })),
      });
    }
    await check(`${SECRET}\n`, 'jwt: [{secret-file: k}]', { k: SECRET });
    const oct = JSON.stringify({ kty: 'oct', k: Buffer.from(SECRET).toString('base64url') });
    await check(oct, 'jwt: [{secret-file: k}]', { k: oct });
    for (const bad of [
      'short',
      '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----',
      '{"kty":"OKP"}',
      ed.pem,
    ])
      await expect(signJwt(Buffer.from(bad), full)).rejects.toMatchObject({
        code: 'BAD_REQUEST',
        message: expect.stringContaining('--sign'),
      });
  });
});
