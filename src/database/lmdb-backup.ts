/** Copies of an environment that is in use. */
import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { BflyError } from '../../protocol/errors.ts';
import { DATABASE_FILE, markClosed } from './lmdb-environment.ts';
import { isFull, reasonOf } from './lmdb-failure.ts';

/** The copy until it is whole: by this name nobody takes it for a database. */
const PART_FILE = `${DATABASE_FILE}.part`;

/**
 * Writes a copy of an environment as it is at this moment into a folder that is empty or missing. LMDB reads it in one transaction on a
 * thread of its own, so that reads and writes go on; what they change meanwhile takes new pages, by which the file may grow.
 *
 * The copy stands under its name only once it is on the disk, as a database that was closed. Where that fails the folder is left as it
 * was, but for a kill or a power cut, which may leave `butterfly.mdb.part`.
 *
 * @throws CONFLICT where the folder is not empty, UNAVAILABLE where the system refuses
 */
export async function copyEnvironment(root: RootDatabase<string, Uint8Array>, dir: string): Promise<void> {
  let made: string | undefined;
  try {
    made = await mkdir(dir, { recursive: true });
    if ((await readdir(dir)).length > 0)
      throw new BflyError('CONFLICT', 'the folder of a copy must be empty or missing: name another');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOTDIR')
      throw new BflyError('CONFLICT', 'there is a file where the folder of the copy should be: name another', {
        cause,
      });
    throw cause instanceof BflyError ? cause : copyFailure(cause);
  }
  const part = join(dir, PART_FILE);
  try {
    await root.backup(part, false);
    // Before it is opened: what the system still holds is then little, and LMDB's own flush short.
    await flush(part);
    await markClosed(part);
    await rm(`${part}-lock`, { force: true });
    await rename(part, join(dir, DATABASE_FILE));
    for (const folder of [dir, dirname(dir)]) await flush(folder);
  } catch (cause) {
    for (const file of [part, `${part}-lock`, join(dir, DATABASE_FILE)])
      await rm(file, { force: true }).catch(() => {});
    // Fails where there is anything in it, as it should.
    if (made !== undefined) await rmdir(dir).catch(() => {});
    throw copyFailure(cause);
  }
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function copyFailure(cause: unknown): BflyError {
  const reason = isFull(cause) ? 'no room on its disk' : reasonOf(cause);
  return new BflyError('UNAVAILABLE', `the copy of the database could not be written (${reason})`, { cause });
}
