import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFileWhole } from '../../src/utility/atomic-file.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'bfly-file-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a file that is written whole', () => {
  it('replaces the old one when all its bytes are there', async () => {
    const file = path.join(folder, 'a.raw');
    await writeFile(file, 'old');
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('ne');
      expect(await readFile(file, 'utf8')).toBe('old');
      yield Buffer.from('w!');
    }
    expect(await writeFileWhole(file, chunks())).toBe(4);
    expect(await readFile(file, 'utf8')).toBe('new!');
    expect(await readdir(folder)).toEqual(['a.raw']);
  });

  it('leaves nothing and the old one as it was when its bytes break off', async () => {
    const file = path.join(folder, 'a.raw');
    await writeFile(file, 'old');
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('ne');
      throw new Error('broken off');
    }
    await expect(writeFileWhole(file, chunks())).rejects.toThrow('broken off');
    expect(await readFile(file, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['a.raw']);
  });

  it('needs its folder', async () => {
    await expect(writeFileWhole(path.join(folder, 'no', 'a.raw'), [])).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'the folder for "a.raw" does not exist',
    });
  });
});
