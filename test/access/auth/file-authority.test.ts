/** The file of `--auth` under everything that editors, deployments and clusters do to it. */
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Authority, type Identity, isAdmitted } from '../../../src/access/auth/authority.ts';
import { openFileAuthority } from '../../../src/access/auth/file-authority.ts';
import { keepingLog, type LogLine } from '../../support/keeping-log.ts';

const TOKEN = 'the-token-of-ada-0123456789';
const yaml = (...grants: string[]): string =>
  `tokens:\n  - token: ${TOKEN}\n    user: ada\n    grants: {${grants.map((path) => `${path}: read`).join(', ')}}\n`;

let folder = '';
let log: LogLine[] = [];
let authority: Authority | undefined;
const at = (name: string): string => path.join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'bfly-auth-'));
  log = [];
});
afterEach(async () => {
  await authority?.close();
  authority = undefined;
  await rm(folder, { recursive: true });
});

/** Opens the file. @param pollMs so long that only events count, unless a test is about polling. */
async function open(file = 'auth.yaml', pollMs = 3_600_000, settleMs = 20): Promise<Authority> {
  authority = await openFileAuthority(at(file), { log: keepingLog(log), timings: { pollMs, settleMs } });
  return authority;
}
/** Resolves at the next change of the rules. */
const changed = (from: Authority): Promise<void> =>
  new Promise((resolve) => {
    const forget = from.onChange(() => {
      forget();
      resolve();
    });
  });
async function identityOf(from: Authority, token = TOKEN): Promise<Identity> {
  const verdict = await from.identify(token);
  if (!isAdmitted(verdict)) throw new Error(verdict.message);
  return verdict.identity;
}
async function mayRead(from: Authority): Promise<string[]> {
  const { rights } = await identityOf(from);
  return ['a', 'b', 'c', 'd'].filter((name) => rights.allows('read', name));
}
/** Waits until the log has a line of a level, and takes it. */
async function logged(level: LogLine['level']): Promise<LogLine> {
  await expect.poll(() => log.some((line) => line.level === level)).toBe(true);
  const [line] = log.splice(
    log.findIndex((one) => one.level === level),
    1,
  );
  if (line === undefined) throw new Error('no line');
  return line;
}

describe('the file of --auth while the server runs', () => {
  it('must be right at the start', async () => {
    await expect(open()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await writeFile(at('auth.yaml'), 'tokens: [{user: ada}]');
    await expect(open()).rejects.toMatchObject({
      code: 'BAD_REQUEST',
      message: expect.stringContaining('auth.yaml line 1: tokens[0]'),
    });
  });

  it('is followed when it is written over, and when another file is renamed to it', async () => {
    await writeFile(at('auth.yaml'), yaml('a'));
    const auth = await open();
    const identity = await identityOf(auth);
    let change = changed(auth);
    await writeFile(at('auth.yaml'), yaml('b'));
    await change;
    expect(await mayRead(auth)).toEqual(['b']);
    expect(auth.renew(identity)?.rights.allows('read', 'b')).toBe(true);
    change = changed(auth);
    await writeFile(at('.auth.yaml.swp'), yaml('c'));
    await rename(at('.auth.yaml.swp'), at('auth.yaml'));
    await change;
    expect(await mayRead(auth)).toEqual(['c']);
    change = changed(auth);
    await unlink(at('auth.yaml'));
    await writeFile(at('auth.yaml'), yaml('d'));
    await change;
    expect(await mayRead(auth)).toEqual(['d']);
    expect(log.map(({ level, fields, message }) => ({ level, fields, message }))).toContainEqual({
      level: 'info',
      fields: { file: 'auth.yaml', tokens: 1, keys: 0 },
      message: 'the rules of who may what have changed',
    });
  });

  it('is followed through the links of a mounted secret, which are exchanged at once', async () => {
    const version = async (name: string, text: string): Promise<void> => {
      await mkdir(at(name));
      await writeFile(at(`${name}/auth.yaml`), text);
    };
    await version('..1', yaml('a'));
    await symlink('..1', at('..data'));
    await symlink('..data/auth.yaml', at('auth.yaml'));
    const auth = await open();
    for (const [name, grant] of [
      ['..2', 'b'],
      ['..3', 'c'],
    ] as const) {
      await version(name, yaml(grant));
      const change = changed(auth);
      await symlink(name, at('..data_tmp'));
      await rename(at('..data_tmp'), at('..data'));
      await change;
      expect(await mayRead(auth)).toEqual([grant]);
    }
  });

  it('is followed by reading it now and then where no event comes', async () => {
    await mkdir(at('elsewhere'));
    await writeFile(at('elsewhere/auth.yaml'), yaml('a'));
    await symlink('elsewhere/auth.yaml', at('link.yaml'));
    const auth = await open('link.yaml', 20);
    const change = changed(auth);
    await writeFile(at('elsewhere/auth.yaml'), yaml('b'));
    await change;
    expect(await mayRead(auth)).toEqual(['b']);
  });

  it('is followed with the files of keys that it names, those of later versions too', async () => {
    const secret = (letter: string): string => letter.repeat(32);
    await writeFile(at('one.key'), secret('1'));
    await writeFile(at('two.key'), secret('2'));
    await writeFile(at('auth.yaml'), `${yaml('a')}jwt: [{secret-file: one.key}]`);
    const auth = await open('auth.yaml', 20);
    let change = changed(auth);
    await writeFile(at('auth.yaml'), `${yaml('a')}jwt: [{secret-file: two.key}]`);
    await change;
    change = changed(auth);
    await writeFile(at('two.key'), secret('3'));
    await change;
    await writeFile(at('two.key'), 'short');
    expect((await logged('error')).fields['fault']).toBe(
      'auth.yaml line 5: jwt[0].secret-file must have 32 bytes or more: shorter ones can be guessed',
    );
    change = changed(auth);
    await writeFile(at('two.key'), secret('4'));
    await change;
    // Once for each change: the file, its new key, and the key after the broken one.
    expect(log.filter(({ level }) => level === 'info')).toHaveLength(3);
  });

  it('changes nothing while it is broken or gone, and says why once for each version', async () => {
    await writeFile(at('auth.yaml'), yaml('a'));
    const auth = await open('auth.yaml', 10);
    const identity = await identityOf(auth);
    const broken = [
      ['', 'auth.yaml lets nobody in: it must have one of tokens, jwt, anonymous'],
      [`${yaml('a')}    expire: 2030-01-01\n`, 'auth.yaml line 5: tokens[0] holds a key that is not known; legal are'],
      [`tokens: [${TOKEN}`, 'auth.yaml line 1 is not legal YAML'],
    ] as const;
    for (const [text, fault] of broken) {
      await writeFile(at('auth.yaml'), text);
      const line = await logged('error');
      expect(line.message).toBe('the new rules of who may what are broken; those before them go on');
      expect(line.fields).toEqual({ file: 'auth.yaml', fault: expect.stringContaining(fault) });
      expect(auth.renew(identity)?.user.id).toBe('ada');
      expect(await mayRead(auth)).toEqual(['a']);
    }
    await unlink(at('auth.yaml'));
    expect((await logged('error')).fields['fault']).toBe('the file auth.yaml of --auth does not exist');
    expect(await mayRead(auth)).toEqual(['a']);
    const change = changed(auth);
    await writeFile(at('auth.yaml'), yaml('b'));
    await change;
    expect(await mayRead(auth)).toEqual(['b']);
    expect(log.filter(({ level }) => level === 'error')).toEqual([]);
    expect(JSON.stringify(log)).not.toContain(TOKEN);
  });

  it('is not taken half written, however long somebody takes to write it', async () => {
    await writeFile(at('auth.yaml'), yaml('a'));
    const auth = await open('auth.yaml', 5, 600);
    const identity = await identityOf(auth);
    let changes = 0;
    const lost: string[] = [];
    auth.onChange(() => {
      changes++;
      if (auth.renew(identity) === undefined) lost.push('ada');
    });
    // Each of the parts is legal; without ada, she would be thrown out.
    const text = `anonymous: {a: read}\n${yaml('b')}`;
    const began = performance.now();
    for (let end = 10; performance.now() - began < 1_000; end = 10 + ((end + 9) % (text.length - 10))) {
      await writeFile(at('auth.yaml'), text.slice(0, end));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const change = changed(auth);
    await writeFile(at('auth.yaml'), text);
    await change;
    expect([changes, lost, await mayRead(auth)]).toEqual([1, [], ['b']]);
    expect(log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('may change a hundred times in a moment: the last one counts', async () => {
    await writeFile(at('auth.yaml'), yaml('a'));
    const auth = await open('auth.yaml', 5, 5);
    for (let n = 0; n < 100; n++) await writeFile(at('auth.yaml'), yaml(n % 2 === 0 ? 'b' : 'c'));
    await writeFile(at('auth.yaml'), yaml('d'));
    await expect.poll(() => mayRead(auth)).toEqual(['d']);
  });

  it('is let go when the server stops', async () => {
    await writeFile(at('auth.yaml'), yaml('a'));
    const auth = await open('auth.yaml', 5, 5);
    auth.onChange(() => expect.unreachable('the watch goes on'));
    await writeFile(at('auth.yaml'), yaml('b'));
    await auth.close();
    await writeFile(at('auth.yaml'), yaml('c'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await mayRead(auth)).toEqual(['a']);
  });
});
