import { describe, expect, it } from 'vitest';
import { Access, secretStore } from '../../../src/viewer/page/access.ts';

function make(first: { token?: string; secret?: string } = {}) {
  const kept = { ...first };
  const access = new Access({
    token: () => kept.token,
    keepToken: (token) => {
      kept.token = token;
    },
    secret: () => kept.secret,
    keepSecret: (secret) => {
      if (secret === undefined) delete kept.secret;
      else kept.secret = secret;
    },
  });
  return { access, kept };
}

describe('access', () => {
  it('shows the token, else the secret, else nothing', () => {
    expect(make({ token: 't', secret: 's' }).access.token('connect')).toBe('t');
    expect(make({ secret: 's' }).access.token('connect')).toBe('s');
    expect(make().access.token('connect')).toBe('');
  });

  it.each(['ends', 'refused'] as const)('waits for people where the token %s, and asks once', async (wish) => {
    const { access, kept } = make({ token: 'old' });
    const heard: string[] = [];
    access.onToken((token) => heard.push(token));
    const answers = [access.token(wish), access.token('refused')];
    expect(access.wanted.value).toBe('refused');
    access.give('new');
    expect(await Promise.all(answers)).toEqual(['new', 'new']);
    expect(access.wanted.value).toBeUndefined();
    expect(access.token('connect')).toBe('new');
    expect({ ...kept, heard }).toEqual({ token: 'new', heard: ['new'] });
  });

  it('[H9] comes as somebody new where the secret of an anonymous user is refused, and then asks people', async () => {
    const { access, kept } = make({ secret: 's' });
    expect(access.token('refused')).toBe('');
    expect(kept.secret).toBeUndefined();
    expect(access.wanted.value).toBeUndefined();
    void access.token('refused');
    expect(access.wanted.value).toBe('refused');
  });

  it('[H9] keeps the secret of an anonymous user, and of nobody else', () => {
    const anonymous = make();
    anonymous.access.welcomed('s');
    expect(anonymous.kept.secret).toBe('s');
    anonymous.access.welcomed('');
    expect(anonymous.kept.secret).toBe('s');
    const known = make({ token: 't' });
    known.access.welcomed('s');
    expect(known.kept.secret).toBeUndefined();
  });

  it('keeps a secret for each folder of a server', () => {
    const values = new Map<string, string>();
    const storage = {
      getItem: (key: string) => values.get(key) ?? null,
      setItem: (key: string, value: string) => void values.set(key, value),
      removeItem: (key: string) => void values.delete(key),
    } as unknown as Storage; // what is used of it
    const [a, b] = ['http://h/a/', 'http://h/b/'].map((folder) => secretStore(folder, () => storage));
    a?.keepSecret('one');
    expect([a?.secret(), b?.secret()]).toEqual(['one', undefined]);
    a?.keepSecret(undefined);
    expect(a?.secret()).toBeUndefined();
  });
});
