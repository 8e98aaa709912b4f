/** Files that appear whole or not at all. */
import { randomBytes } from 'node:crypto';
import { open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../protocol/errors.ts';

/** Who may do what with a file: a `Stats` will do. */
export interface FileOwner {
  /** Permissions, and bits that do not count. */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Writes a file under a temporary name beside it and renames it when everything is on disk; an old file of the name is replaced.
 *
 * @param chunks the bytes in order; each is borrowed until the next is asked for.
 * @param owner whose the file is to be, from its first byte on; default: as the system does it.
 * @returns bytes written.
 * @throws BflyError NOT_FOUND, FORBIDDEN where the folder cannot be written into; what `chunks` or the file system throws; then the temporary file is gone and the old file as it was.
 */
export async function writeFileWhole(
  file: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  owner?: FileOwner,
): Promise<number> {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(4).toString('hex')}.part`);
  const handle = await open(temporary, 'wx', owner === undefined ? 0o666 : 0o600).catch(
    (cause: NodeJS.ErrnoException) => {
      const name = JSON.stringify(path.basename(file));
      if (cause.code === 'ENOENT') throw new BflyError('NOT_FOUND', `the folder for ${name} does not exist`, { cause });
      if (cause.code === 'ENOTDIR') throw new BflyError('NOT_FOUND', `${name} is not in a folder`, { cause });
      if (cause.code !== 'EACCES' && cause.code !== 'EROFS') throw cause;
      throw new BflyError('FORBIDDEN', `no permission to write into the folder for ${name}`, { cause });
    },
  );
  try {
    if (owner !== undefined) await giveTo(handle, owner);
    let bytes = 0;
    for await (const chunk of chunks) {
      await writeAll(handle, chunk);
      bytes += chunk.length;
    }
    await handle.sync();
    await handle.close();
    await rename(temporary, file);
    return bytes;
  } catch (error) {
    await handle.close().catch(() => {});
    await unlink(temporary).catch(() => {});
    throw error;
  }
}

/** Whoever may not give files away keeps them. */
async function giveTo(handle: Awaited<ReturnType<typeof open>>, { mode, uid, gid }: FileOwner): Promise<void> {
  if (uid !== undefined && gid !== undefined) await handle.chown(uid, gid).catch(() => {});
  await handle.chmod(mode & 0o777);
}

async function writeAll(handle: Awaited<ReturnType<typeof open>>, chunk: Uint8Array): Promise<void> {
  for (let from = 0; from < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, from, chunk.length - from);
    from += bytesWritten;
  }
}
