/** Copies of a whole store, and stores made of them. */
import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import { newEpochs } from '../core/channel.ts';
import { openLmdbDatabase } from '../database/lmdb-database.ts';
import { DATABASE_FILE } from '../database/lmdb-environment.ts';
import type { Logger } from '../utility/log.ts';

/** Folder in the data folder in which a restore is at work; left behind by one that was killed. */
const WORK_FOLDER = 'restoring';

/**
 * Writes a copy of a server's store into another folder, also while the server runs; see `Database.backup`. It opens as a data folder.
 *
 * @param dataDir the server's data folder.
 * @param dir empty or missing.
 * @throws BflyError NOT_FOUND, UNSUPPORTED, UNAVAILABLE as of opening the store; CONFLICT where `dir` is not empty.
 */
export async function backupDatabase(dataDir: string, dir: string, log?: Logger): Promise<void> {
  const database = await openLmdbDatabase(dataDir, { readOnly: true, ...(log === undefined ? {} : { log }) });
  try {
    await database.backup(dir);
  } finally {
    await database.close();
  }
}

/**
 * Makes a data folder of a copy, or of another data folder. Its paths get new epochs, since edits made after the copy may be known to
 * clients; rule [S1]. The store is there whole or not at all.
 *
 * @param fromDir where the copy is; only read.
 * @param toDir empty or missing.
 * @throws BflyError as `backupDatabase`.
 */
export async function restoreDatabase(fromDir: string, toDir: string, log?: Logger): Promise<void> {
  const made = await makeEmpty(toDir);
  const work = path.join(toDir, WORK_FOLDER);
  try {
    await backupDatabase(fromDir, work, log);
    const database = await openLmdbDatabase(work, log === undefined ? {} : { log });
    try {
      await newEpochs(database);
    } finally {
      await database.close();
    }
    await rename(path.join(work, DATABASE_FILE), path.join(toDir, DATABASE_FILE));
    await rm(work, { recursive: true });
    await flushFolder(toDir);
  } catch (error) {
    await rm(work, { recursive: true, force: true }).catch(() => {});
    // Fails where there is anything in it, as it should.
    if (made) await rmdir(toDir).catch(() => {});
    throw error;
  }
}

/** @returns whether the folder was made. */
async function makeEmpty(dir: string): Promise<boolean> {
  let made: string | undefined;
  let names: readonly string[];
  try {
    made = await mkdir(dir, { recursive: true });
    names = await readdir(dir);
  } catch (cause) {
    throw new BflyError('UNAVAILABLE', 'the data folder cannot be used: choose another --data', { cause });
  }
  if (names.length === 0) return made !== undefined;
  const found = names.includes(WORK_FOLDER) ? `${WORK_FOLDER}, which a restore left that was stopped` : 'something';
  throw new BflyError('CONFLICT', `the data folder holds ${found}: empty it or choose another --data`);
}

async function flushFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
