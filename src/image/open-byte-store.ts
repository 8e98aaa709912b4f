/** Opens the place where the files of a volume lie. */
import { stat } from 'node:fs/promises';
import { isRemoteUrl, plainRemoteUrl } from '../utility/remote-url.ts';
import type { ByteStore } from './byte-store.ts';
import { FolderStore } from './folder-store.ts';
import { RemoteStore } from './remote-store.ts';

/**
 * Opens the place of a volume.
 *
 * @param path of a folder, or an address.
 * @param within folders that every file must really lie in; undefined = anywhere.
 * @returns undefined where it is no folder.
 */
export async function openByteStore(path: string, within?: readonly string[]): Promise<ByteStore | undefined> {
  if (isRemoteUrl(path)) return new RemoteStore(plainRemoteUrl(path));
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true ? new FolderStore(path, within) : undefined;
}

/** As `openByteStore`, for work that ends with the store. @returns undefined where the path is no folder. */
export async function withByteStore<T>(
  path: string,
  work: (store: ByteStore) => Promise<T | undefined>,
): Promise<T | undefined> {
  const store = await openByteStore(path);
  if (store === undefined) return undefined;
  try {
    return await work(store);
  } finally {
    store.close();
  }
}
