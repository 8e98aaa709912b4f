/** Opens the place where the files of a volume lie. */
import { stat } from 'node:fs/promises';
import { BflyError } from '../../protocol/errors.ts';

import { isRemoteUrl, plainRemoteUrl } from '../utility/remote-url.ts';
import type { ByteStore } from './byte-store.ts';
import { FolderStore } from './folder-store.ts';
import { RemoteStore } from './remote-store.ts';
import { quotedName } from './volume-name.ts';

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

/**
 * As `openByteStore`, for a source that keeps the store.
 *
 * @param open takes the store over; it is closed where that fails.
 * @throws BflyError UNSUPPORTED where the path is no folder; what `open` throws.
 */
export async function overByteStore<T>(
  { path, within }: { readonly path: string; readonly within?: readonly string[] },
  open: (store: ByteStore) => Promise<T>,
): Promise<T> {
  const store = await openByteStore(path, within);
  if (store === undefined) throw new BflyError('UNSUPPORTED', `${quotedName(path)} is not a folder`);
  try {
    return await open(store);
  } catch (error) {
    store.close();
    throw error;
  }
}
