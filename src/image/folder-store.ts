/** The files of a volume in a folder of this machine. */
import { access, open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import type { ByteStore, FilePart, StampedFile } from './byte-store.ts';
import { fileStamp } from './file-stamp.ts';
import { admitFile } from './json-file.ts';
import { quotedName } from './volume-name.ts';
import { plainArray } from './zlib-bytes.ts';

/** Whether an error of the system says that there is no such file. */
export function isMissing(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
}

/** A folder of this machine. */
export class FolderStore implements ByteStore {
  readonly name: string;
  readonly isRemote = false;
  readonly refused = false;
  readonly #folder: string;
  readonly #within: readonly string[] | undefined;

  /** @param within folders that every file must really lie in, wherever links and names with `..` lead; undefined = anywhere. */
  constructor(folder: string, within?: readonly string[]) {
    this.#folder = folder;
    this.#within = within;
    this.name = quotedName(folder);
  }

  async get(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const path = await this.#placeOf(name);
    if (path === undefined) return undefined;
    try {
      // A pipe would be waited for, a device read without end.
      const found = await stat(path);
      if (!found.isFile()) throw new BflyError('UNSUPPORTED', 'it is not a plain file');
      if (found.size > maxBytes)
        throw new BflyError('UNSUPPORTED', `it has ${found.size} bytes, more than it can need`);
      return plainArray(await readFile(path));
    } catch (cause) {
      if (isMissing(cause)) return undefined;
      throw cause;
    }
  }

  async getStamped(name: string, maxBytes: number): Promise<StampedFile | undefined> {
    // Before the bytes: a file that changes in between is found to have changed, not missed.
    const stamp = await fileStamp(join(this.#folder, name));
    const bytes = await this.get(name, maxBytes);
    return bytes === undefined ? undefined : { bytes, stamp };
  }

  async getRange(name: string, range: FilePart): Promise<Uint8Array | undefined> {
    const path = await this.#placeOf(name);
    if (path === undefined) return undefined;
    const handle = await open(path, 'r').catch((cause: unknown) => {
      if (!isMissing(cause)) throw cause;
    });
    if (handle === undefined) return undefined;
    try {
      const { size } = await handle.stat();
      const { start, length } = placeOf(range, size);
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(bytes, done, length - done, start + done);
        if (bytesRead === 0) throw new Error('the shard ends within a part of it');
        done += bytesRead;
      }
      return bytes;
    } finally {
      await handle.close();
    }
  }

  async has(name: string): Promise<boolean> {
    const path = await this.#placeOf(name);
    if (path === undefined) return false;
    return access(path).then(
      () => true,
      () => false,
    );
  }

  stampOf(name: string): Promise<string> {
    return fileStamp(join(this.#folder, name));
  }

  async folders(name: string): Promise<readonly string[]> {
    const entries = await readdir(join(this.#folder, name), { withFileTypes: true }).catch(() => []);
    return entries
      .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .sort();
  }

  close(): void {}

  /** Where a file really is; undefined where it is known to be missing. @throws BflyError FORBIDDEN where it lies elsewhere. */
  async #placeOf(name: string): Promise<string | undefined> {
    const path = join(this.#folder, name);
    return this.#within === undefined ? path : admitFile(path, this.#within);
  }
}

/** Where a part of a file of so many bytes is. @throws Error where it is not wholly inside. */
function placeOf(range: FilePart, size: number): { readonly start: number; readonly length: number } {
  if ('suffixLength' in range) {
    const length = range.suffixLength;
    if (length > size) throw new Error(`the shard has ${size} bytes, fewer than the ${length} that should end it`);
    return { start: size - length, length };
  }
  const end = range.offset + range.length;
  if (end > size) throw new Error(`the shard has ${size} bytes, but a part of it should end at ${end}`);
  return { start: range.offset, length: range.length };
}
