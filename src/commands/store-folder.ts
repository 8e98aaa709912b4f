/** Folders of stores, as people name them. */
import { readdir } from 'node:fs/promises';
import { BflyError } from '../../protocol/errors.ts';

/**
 * Does some work on an existing store.
 *
 * @param folder as it was given.
 * @throws BflyError NOT_FOUND where no database is in the folder, before the work begins; what `work` throws.
 */
export async function inStore<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const names = await readdir(folder).catch(() => []);
  if (names.some((name) => name.endsWith('.mdb'))) return work();
  throw new BflyError(
    'NOT_FOUND',
    `there is no store in ${folder}; name the folder of bfly serve --data, or one that bfly backup wrote`,
  );
}
