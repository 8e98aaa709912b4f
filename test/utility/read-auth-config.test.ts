import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { type AuthConfig, userFault } from '../../src/utility/auth-config.ts';
import { readAuthConfig } from '../../src/utility/read-auth-config.ts';
import { writeTokenYaml } from '../../src/utility/write-auth-config.ts';

const SECRET = 'a-secret-of-sixteen-and-more';
const HEX = createHash('sha256').update(SECRET).digest('hex');

function read(text: string, files: Readonly<Record<string, string>> = {}): Promise<AuthConfig> {
  return readAuthConfig('/etc/bfly/auth.yaml', async (file) => {
    const known: Readonly<Record<string, string>> = { '/etc/bfly/auth.yaml': text, ...files };
    const found = known[file];
    if (found === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return Buffer.from(found);
  });
}

async function fault(text: string, files?: Readonly<Record<string, string>>): Promise<string> {
  const error: unknown = await read(text, files).catch((thrown: unknown) => thrown);
  if (!(error instanceof BflyError)) throw new Error('the file was taken');
  return error.message;
}

const entry = (more: string): string => `tokens:\n  - token: sha256:${HEX}\n    user: ada\n    ${more}\n`;

describe('the file of --auth', () => {
  it('reads tokens, by their hash or as they are', async () => {
    const { tokens, anonymous } = await read(`
tokens:
  - {token: "sha256:${HEX.toUpperCase()}", user: ada, grants: {exp/sample: edit, "*": [read, annotate]}}
  - {token: ${SECRET}2, user: "7", name: Bo, expires: 2030-01-02T03:04:05+01:00, grants: {"": admin}}
`);
    expect(anonymous).toBeUndefined();
    expect(tokens.map(({ sha256, ...rest }) => ({ ...rest, sha256: Buffer.from(sha256).toString('hex') }))).toEqual([
      {
        sha256: HEX,
        user: 'ada',
        name: 'ada',
        grants: [
          { path: 'exp/sample', rights: ['edit'] },
          { path: '', rights: ['read', 'annotate'] },
        ],
      },
      {
        sha256: createHash('sha256').update(`${SECRET}2`).digest('hex'),
        user: '7',
        name: 'Bo',
        expiresAt: Date.UTC(2030, 0, 2, 2, 4, 5),
        grants: [{ path: '', rights: ['admin'] }],
      },
    ]);
  });

  it('reads visitors, keys and what was taken back', async () => {
    const config = await read(
      `anonymous: {public: read}
jwt:
  - {secret-file: hs.key, issuer: lab, audience: bfly, prefix: lab/, grants: {public: annotate}, limit: {fly: edit-own}}
  - public-key: |
      -----BEGIN PUBLIC KEY-----
revoked:
  - user: eve
  - jti: "12"
  - sha256: sha256:${HEX}
`,
      { '/etc/bfly/hs.key': 'key' },
    );
    expect(config.anonymous).toEqual([{ path: 'public', rights: ['read'] }]);
    expect(config.jwt).toEqual([
      {
        kind: 'secret',
        material: Buffer.from('key'),
        issuer: 'lab',
        audience: 'bfly',
        prefix: 'lab/',
        grants: [{ path: 'public', rights: ['annotate'] }],
        limit: [{ path: 'fly', rights: ['edit-own'] }],
        where: 'auth.yaml line 3: jwt[0].secret-file',
      },
      expect.objectContaining({
        kind: 'public-key',
        prefix: '',
        grants: [],
        where: 'auth.yaml line 4: jwt[1].public-key',
      }),
    ]);
    expect([...config.revoked.users, ...config.revoked.ids, ...config.revoked.hashes]).toEqual(['eve', '12', HEX]);
  });

  it('reads keys of the top that are empty as absent, and paths in any Unicode form as one', async () => {
    const { tokens, anonymous } = await read('tokens:\nrevoked:\nanonymous: {"caf\u0065\u0301": read}');
    expect(tokens).toEqual([]);
    expect(anonymous).toEqual([{ path: 'caf\u00e9', rights: ['read'] }]);
  });

  it.each([
    ['', 'auth.yaml lets nobody in: it must have one of tokens, jwt, anonymous'],
    ['# nothing', 'auth.yaml lets nobody in: it must have one of tokens, jwt, anonymous'],
    ['just a text', 'auth.yaml: the file must be a map of keys and values'],
    ['tokens: [}', 'auth.yaml line 1 is not legal YAML (bad indent); check it and the line before'],
    ['tokens: {}', 'auth.yaml line 1: tokens must be a list'],
    ['tokens:\n  - usr: x', 'auth.yaml line 2: tokens[0] holds a key that is not known; legal are token, user'],
    ['tokens:\n  - user: x', 'auth.yaml line 2: tokens[0].token must be a text'],
    [
      'anonymus: {}',
      'auth.yaml line 1: the file holds a key that is not known; legal are anonymous, tokens, jwt, revoked',
    ],
    [
      entry('grants: {a: read}\n    expire: 2030-01-01'),
      'auth.yaml line 5: tokens[0] holds a key that is not known; legal are token, user, name, expires, grants',
    ],
    [
      entry('name: Ada'),
      'auth.yaml line 2: tokens[0].grants must be a map of paths to rights, such as {"fly/medulla": edit}',
    ],
    [
      entry('grants: read'),
      'auth.yaml line 4: tokens[0].grants must be a map of paths to rights, such as {"fly/medulla": edit}',
    ],
    [
      entry('grants:\n      a: read\n      b: write'),
      'auth.yaml line 6: tokens[0].grants.b must be one or a list of read, annotate, edit, edit-own, edit-others, admin',
    ],
    [entry('grants: {a: []}'), 'auth.yaml line 4: tokens[0].grants.a must be one or a list of'],
    [entry('grants: {a/*: read}'), 'tokens[0].grants.a/* covers what is below by itself: leave out the *'],
    [entry('grants: {/a: read}'), 'auth.yaml line 4: tokens[0].grants./a has an empty segment'],
    [
      entry('grants: {a/b/c/d/e: read}'),
      'has more than 4 segments; it is such as experiment/sample, or * for everything',
    ],
    [entry('grants: {}\n    expires: soon'), 'auth.yaml line 5: tokens[0].expires must be a date such as 2030-01-31'],
    [entry('grants: {}\n    expires: 2030-13-01'), 'auth.yaml line 5: tokens[0].expires must be a date'],
    ['tokens: [{token: short, user: a, grants: {}}]', 'tokens[0].token must be sha256: and a hash, or at least 16'],
    ['tokens: [{token: "sha256:12", user: a, grants: {}}]', 'tokens[0].token must have 64 hexadecimal digits'],
    [`tokens: [{token: ${SECRET}, user: "anonymous:1", grants: {}}]`, 'tokens[0].user must not begin with anonymous:'],
    [
      `${entry('grants: {}')}  - {token: ${SECRET}, user: b, grants: {}}`,
      'line 5: tokens[1].token is the token of tokens[0] too',
    ],
    [
      'jwt:\n  - issuer: a',
      'auth.yaml line 2: jwt[0] must name one of secret, secret-file, public-key, public-key-file, jwks-file',
    ],
    ['jwt: [{secret: a, jwks-file: b}]', 'auth.yaml line 1: jwt[0] must name one of'],
    ['jwt:\n  - issuer: a\n    jwks-file: keys.json', 'auth.yaml line 3: jwt[0].jwks-file does not exist'],
    ['anonymous: {a: read}\nrevoked: [eve]', 'auth.yaml line 2: revoked[0] must name one of user, jti, sha256'],
    [
      'anonymous: {a: read}\nrevoked:\n  - {user: a, jti: b}',
      'auth.yaml line 3: revoked[0] must name one of user, jti, sha256',
    ],
    ['anonymous: &a {a: read}\nanonymous: *b', 'not legal YAML'],
  ])('says of %j which line and key is wrong', async (text, message) => {
    expect(await fault(text)).toContain(message);
  });

  it('says that the file is not there, without its folder', async () => {
    const gone = readAuthConfig('/etc/bfly/gone.yaml', () =>
      Promise.reject(Object.assign(new Error(), { code: 'ENOENT' })),
    );
    await expect(gone).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'the file gone.yaml of --auth does not exist',
    });
  });

  it('never repeats what stands in the file but keys and paths', async () => {
    const broken = [
      `tokens: [${SECRET}`,
      `tokens: ${SECRET}`,
      `tokens: [${SECRET}]`,
      `${SECRET}: 1`,
      `tokens: [{token: "${SECRET} ", user: a, grants: {}}]`,
      `tokens: [{token: *${SECRET}}]`,
      `tokens: [{token: !!${SECRET} x}]\n${SECRET}`,
      `tokens:\n  - token: "${SECRET}\n user: x`,
      `tokens: [{${SECRET}: ada}]`,
      `jwt: [{secret: {${SECRET}: 1}}]`,
      `anonymous: {a: ${SECRET}}`,
      `revoked: [{sha256: ${SECRET}}]\nanonymous: {a: read}`,
      `"${SECRET}"`,
    ];
    for (const text of broken) expect(await fault(text)).not.toContain(SECRET);
  });

  it('writes a token as lines that read back, with its hash only', async () => {
    const rule = { user: 'off', name: 'Ada: L', expiresAt: Date.UTC(2030, 5, 1) } as const;
    const grants = [
      { path: '', rights: ['read'] },
      { path: 'yes/2', rights: ['annotate', 'edit-own'] },
    ] as const;
    const text = writeTokenYaml({ token: SECRET, ...rule, grants });
    expect(text).not.toContain(SECRET);
    const { tokens } = await read(text);
    expect(tokens).toEqual([{ ...rule, grants, sha256: Buffer.from(HEX, 'hex') }]);
  });

  it('takes users of any script, and none that could be two or hide', () => {
    for (const user of ['ada', 'Ž', '山田 太郎', 'a b@c/d:e']) expect(userFault(user)).toBeUndefined();
    for (const user of ['', 'a\n', 'a\u2028', '\ud800', 'e\u0301', 'x'.repeat(129), 'anonymous:0'])
      expect(userFault(user), JSON.stringify(user)).toBeTypeOf('string');
  });
});
