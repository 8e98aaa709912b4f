import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAdmitted } from '../../src/access/auth/authority.ts';
import { signJwt } from '../../src/access/auth/jwt.ts';
import { planServer } from '../../src/commands/serve-plan.ts';
import { rulesOf } from '../support/auth.ts';
import { run } from './terminal.ts';

const DAY_MS = 86_400_000;
const GRANT = ['--grant', 'fly=edit'];

describe('bfly token', () => {
  it('prints a token, and lines for the file that let it in and do not hold it', async () => {
    const grants = ['--grant', 'fly/medulla=edit', '--grant', '*=read', '--grant', '/a=b/=annotate,edit-own'];
    const { code, out, err } = await run(['token', '--user', 'ada', '--name', 'Ada Lovelace', ...grants]);
    expect(code).toBe(0);
    const [token = '', empty, ...lines] = out.split('\n');
    expect(token).toMatch(/^bfly_[\w-]{43}$/);
    expect(empty).toBe('');
    expect(lines.join('\n')).toBe(`tokens:
  - token: sha256:${createHash('sha256').update(token).digest('hex')}
    user: ada
    name: Ada Lovelace
    grants:
      fly/medulla: edit
      "*": read
      a=b:
        - annotate
        - edit-own
`);
    expect(err).toBe('bfly: give the first line to ada alone, and put the others into the file of bfly serve --auth\n');
    const verdict = await (await rulesOf(lines.join('\n'))).identify(token, undefined, Date.now());
    if (!isAdmitted(verdict)) throw new Error(verdict.message);
    expect(verdict.identity.user).toEqual({ id: 'ada', name: 'Ada Lovelace' });
    expect(verdict.identity.rights.allows('edit-others', 'fly/medulla/x')).toBe(true);
    expect(verdict.identity.rights.allows('edit', 'fly')).toBe(false);
  });

  it('never prints the same token twice', async () => {
    const tokens = await Promise.all(Array.from({ length: 20 }, () => run(['token', '--user', 'a', ...GRANT])));
    expect(new Set(tokens.map(({ out }) => out.split('\n')[0])).size).toBe(20);
  });

  it('takes how long it holds as a time or a date', async () => {
    const end = async (expires: string): Promise<number> => {
      const { out } = await run(['token', '--user', 'a', ...GRANT, '--expires', expires]);
      return Date.parse(/expires: "?([^"\n]+)/.exec(out)?.[1] ?? '');
    };
    const now = Date.now();
    for (const [text, ms] of [
      ['90m', 5_400_000],
      ['12h', DAY_MS / 2],
      ['7d', 7 * DAY_MS],
      ['4w', 28 * DAY_MS],
    ] as const)
      expect(Math.abs((await end(text)) - now - ms)).toBeLessThan(60_000);
    expect(await end('2999-01-31')).toBe(Date.UTC(2999, 0, 31));
    expect(await end('2999-01-31T12:00:00+01:00')).toBe(Date.UTC(2999, 0, 31, 11));
  });

  it.each([
    [['--user', 'a'], "required option '--grant <path=right>' not specified"],
    [GRANT, "required option '--user <id>' not specified"],
    [['--user', 'anonymous:1', ...GRANT], 'It must not begin with anonymous:'],
    [['--user', 'a', '--grant', 'fly'], 'It is PATH=RIGHT, the right one or more of read, annotate, edit'],
    [['--user', 'a', '--grant', '=read'], 'It is PATH=RIGHT'],
    [['--user', 'a', '--grant', '/=read'], 'Its path is empty'],
    [['--user', 'a', '--grant', 'fly=write'], 'It is PATH=RIGHT'],
    [['--user', 'a', '--grant', 'fly=read,'], 'It is PATH=RIGHT'],
    [['--user', 'a', '--grant', 'fly/*=read'], 'Its path covers what is below by itself: leave out the *'],
    [['--user', 'a', '--grant', 'a/b/c/d/e=read'], 'Its path has more than 4 segments'],
    [['--user', 'a', ...GRANT, '--expires', 'soon'], 'It is a time to come, such as 90m, 12h, 7d, 4w or 2030-01-31'],
    [['--user', 'a', ...GRANT, '--expires', '2020-01-01'], 'It is a time to come'],
    [['--user', 'a', ...GRANT, '--expires', '0d'], 'It is a time to come'],
  ])('answers %j with one line and 2', async (args, message) => {
    const { code, out, err } = await run(['token', ...args]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect(err).toMatch(/^bfly: [^\n]+; see bfly token --help\n$/);
  });

  it('wants a key for what only signed tokens have', async () => {
    const { code, err } = await run(['token', '--user', 'a', ...GRANT, '--issuer', 'lab']);
    expect([code, err]).toEqual([1, 'bfly: --issuer and --audience belong to a signed token: add --sign FILE\n']);
  });
});

describe('bfly token --into', () => {
  let folder = '';
  const at = (name: string): string => path.join(folder, name);
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bfly-into-'));
  });
  afterEach(() => rm(folder, { recursive: true }));
  const into = (name: string, ...more: string[]) =>
    run(['token', '--user', 'ada', ...GRANT, '--into', at(name), ...more]);
  const admits = async (name: string, token: string): Promise<boolean> =>
    isAdmitted(await (await rulesOf(await readFile(at(name), 'utf8'))).identify(token, undefined, Date.now()));

  it('makes a file that its owner alone may read, lets the token in, and says how to use both', async () => {
    const { code, out, err } = await into('auth.yaml');
    expect(code).toBe(0);
    expect(out).toMatch(/^bfly_[\w-]{43}\n$/);
    expect(err).toContain(
      `ada may enter by ${at('auth.yaml')} now: a server of bfly serve --auth ${at('auth.yaml')} takes`,
    );
    expect(err).toContain('BFLY_TOKEN=bfly_… bfly ls HOST:PORT');
    expect((await stat(at('auth.yaml'))).mode & 0o777).toBe(0o600);
    expect(await readFile(at('auth.yaml'), 'utf8')).not.toContain(out.trim());
    expect(await admits('auth.yaml', out.trim())).toBe(true);
    expect(await readdir(folder)).toEqual(['auth.yaml']);
  });

  it('adds to a file and leaves all else as it is: comments, other users, permissions, a link to it', async () => {
    const text =
      '# who works here\nanonymous: {pub: read} # visitors\ntokens:\n  - token: abcdefghijklmnopq\n    user: off\n    grants: {"*": admin}\n\nrevoked: [{user: eve}]\n';
    await writeFile(at('real.yaml'), text, { mode: 0o640 });
    await chmod(at('real.yaml'), 0o640);
    await symlink('real.yaml', at('auth.yaml'));
    const first = await into('auth.yaml', '--name', '#1: "Ada"', '--expires', '2999-01-31');
    const second = await into('auth.yaml');
    expect(second.err).toContain(`ada has 2 tokens by ${at('auth.yaml')} now`);
    for (const token of [first.out.trim(), second.out.trim(), 'abcdefghijklmnopq'])
      expect(await admits('real.yaml', token)).toBe(true);
    const now = await readFile(at('real.yaml'), 'utf8');
    for (const line of text.split('\n').slice(0, 5)) expect(now).toContain(line);
    expect(now).toMatch(/name: ('#1: "Ada"'|"#1: \\"Ada\\"")/);
    expect((await stat(at('real.yaml'))).mode & 0o777).toBe(0o640);
    expect((await lstat(at('auth.yaml'))).isSymbolicLink()).toBe(true);
  });

  it.each([
    ['tokens: []\n', true],
    ['tokens:\n', true],
    ['# nobody yet\n', true],
    ['anonymous: {"*": read}\n', true],
    ['tokens: {a: b}\n', 'tokens must be a list'],
    ['- a\n', 'must be a map of keys and values'],
    ['tokens: [\n', 'auth.yaml line'],
    ['token: []\n', 'a key that is not known'],
  ])('takes up %j: %s', async (text, verdict) => {
    await writeFile(at('auth.yaml'), text);
    const { code, out, err } = await into('auth.yaml');
    if (verdict === true) {
      expect([code, await admits('auth.yaml', out.trim())]).toEqual([0, true]);
      return;
    }
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain(verdict);
    expect(await readFile(at('auth.yaml'), 'utf8')).toBe(text);
  });

  it('says that a user is revoked, and that signed tokens stand in no file', async () => {
    await writeFile(at('auth.yaml'), 'revoked: [{user: ada}]\n');
    expect((await into('auth.yaml')).err).toContain('also revokes ada: nobody enters by this token until that goes');
    expect(await into('auth.yaml', '--sign', 'key.pem')).toMatchObject({
      code: 1,
      err: 'bfly: a signed token stands in no file: leave out --into or --sign\n',
    });
  });
});

describe('bfly token --sign', () => {
  let folder = '';
  const { privateKey } = generateKeyPairSync('ed25519');
  const at = (name: string): string => path.join(folder, name);
  const parts = { parts: { signToken: signJwt } };
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bfly-token-'));
    await writeFile(at('private.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('prints a token that the public key lets in, and how to take it back', async () => {
    const args = ['--user', 'ada', ...GRANT, '--sign', at('private.pem'), '--issuer', 'lab', '--audience', 'bfly'];
    const { code, out, err } = await run(['token', ...args], parts);
    expect(code).toBe(0);
    const token = out.trimEnd();
    const pem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
    const yaml = 'jwt: [{public-key-file: k, issuer: lab, audience: bfly}]';
    const verdict = await (await rulesOf(yaml, { k: pem })).identify(token, undefined, Date.now());
    if (!isAdmitted(verdict)) throw new Error(verdict.message);
    expect(verdict.identity.user).toEqual({ id: 'ada', name: 'ada' });
    expect(verdict.identity.rights.allows('edit', 'fly/x')).toBe(true);
    expect(Math.abs((verdict.identity.expiresAt ?? 0) - Date.now() - 30 * DAY_MS)).toBeLessThan(60_000);
    const [, revoked = ''] =
      /^bfly: it holds until \S+; (revoked: \[\{jti: \w+\}\]) takes it back before\n$/.exec(err) ?? [];
    const taken = await (await rulesOf(`${yaml}\n${revoked}`, { k: pem })).identify(token, undefined, Date.now());
    expect(taken).toMatchObject({ refused: 'TOKEN_REVOKED' });
  });

  it('says what is wrong with a key, and nothing of it', async () => {
    await writeFile(at('weak'), 'weak-secret');
    const weak = await run(['token', '--user', 'a', ...GRANT, '--sign', at('weak')], parts);
    expect([weak.code, weak.out, weak.err]).toEqual([1, '', 'bfly: the secret of --sign must have 32 bytes or more\n']);
    const gone = await run(['token', '--user', 'a', ...GRANT, '--sign', at('gone')], parts);
    expect([gone.code, gone.err]).toEqual([1, `bfly: there is no ${at('gone')}\n`]);
  });
});

describe('bfly serve', () => {
  it('hands --auth and --open on', async () => {
    const plan = (options: object) =>
      planServer([], { demo: true, ...options }, { findVolumes: async () => undefined, env: {}, home: '/nonexistent' });
    expect((await plan({ auth: 'rules/auth.yaml' })).server.auth).toBe(path.resolve('rules/auth.yaml'));
    expect((await plan({ open: true })).server.open).toBe(true);
    expect(Object.keys((await plan({})).server)).not.toContain('open');
  });
});
