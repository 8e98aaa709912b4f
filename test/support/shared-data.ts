/** Real volumes beside the repository, which are not part of it: tests that need them say so where they are missing. */
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { describe, it } from 'vitest';

/** The folder with real volumes; its README lists shapes and values. */
export const SHARED_DATA = path.resolve(import.meta.dirname, '../../../shared/data');

/** Whether the folder is there. */
export const HAS_SHARED_DATA = existsSync(path.join(SHARED_DATA, 'README.md'));

/** A suite over the real volumes; says loudly that it did not run where they are missing. */
export function describeWithShared(name: string, suite: () => void): void {
  if (HAS_SHARED_DATA) {
    describe(name, suite);
    return;
  }
  console.warn(`NOT RUN: ${name}: the folder ../shared/data with real volumes is missing beside the repository`);
  describe.skip(name, () => it('needs ../shared/data', () => {}));
}

/** Copies a file or folder of the real volumes to `target`, to be changed at will. */
export async function copyShared(source: string, target: string): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  await cp(path.join(SHARED_DATA, source), target, { recursive: true });
  await makeWritable(target);
}

/** Writes a gzipped file of the real volumes to `target`, inflated. */
export async function inflateShared(source: string, target: string): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, await promisify(gunzip)(await readFile(path.join(SHARED_DATA, source))));
}

/** The originals may be read-only, and a copy would be too. */
async function makeWritable(target: string): Promise<void> {
  const isFolder = (await stat(target)).isDirectory();
  await chmod(target, isFolder ? 0o755 : 0o644);
  if (!isFolder) return;
  for (const name of await readdir(target)) await makeWritable(path.join(target, name));
}
