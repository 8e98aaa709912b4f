import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { AllowedPaths } from '../../src/utility/allowed-paths.ts';

let top = '';
const at = (...names: string[]): string => path.join(top, ...names);

beforeAll(async () => {
  top = await realpath(await mkdtemp(path.join(tmpdir(), 'bfly-allowed-')));
  await mkdir(at('open', 'deep'), { recursive: true });
  await mkdir(at('open-not'));
  for (const file of ['open/a', 'open/deep/b', 'open-not/c']) await writeFile(at(file), '');
  await symlink(at('open-not'), at('open', 'escape'));
  await symlink(at('open'), at('alias'));
  await symlink(at('nowhere'), at('open', 'dangling'));
});
afterAll(() => rm(top, { recursive: true }));

describe('allowed paths', () => {
  it('let pass what lies under a root, and the root itself', async () => {
    const allowed = new AllowedPaths([at('open')]);
    expect(await allowed.resolve(at('open', 'deep', 'b'))).toBe(at('open', 'deep', 'b'));
    expect(await allowed.resolve(at('open'))).toBe(at('open'));
    expect(await allowed.resolve(at('open', 'deep', '..', 'a'))).toBe(at('open', 'a'));
  });

  it('resolve links in the root and in the path', async () => {
    expect(await new AllowedPaths([at('alias')]).resolve(at('open', 'a'))).toBe(at('open', 'a'));
    expect(await new AllowedPaths([at('open')]).resolve(at('alias', 'a'))).toBe(at('open', 'a'));
  });

  it.each([
    ['a neighbour whose name begins the same', 'open-not/c'],
    ['the folder above', '.'],
    ['dots that lead out', 'open/../open-not/c'],
    ['a link that leads out', 'open/escape/c'],
    ['something that does not exist outside', 'missing/x'],
    ['something that does not exist behind a link that leads out', 'open/escape/missing/x'],
  ])('refuse %s, without naming the path', async (_what, file) => {
    const error: unknown = await new AllowedPaths([at('open')]).check(at(file)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(BflyError);
    expect(error).toMatchObject({ code: 'FORBIDDEN' });
    expect(String(error)).not.toContain(top);
  });

  it('tell that something inside does not exist', async () => {
    for (const file of ['open/missing', 'open/deep/missing/x', 'open/dangling']) {
      await expect(new AllowedPaths([at('open')]).check(at(file))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  it('allow everything under / and nothing without roots', async () => {
    await new AllowedPaths(['/']).check(at('open-not', 'c'));
    await expect(new AllowedPaths([]).check(at('open', 'a'))).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});
