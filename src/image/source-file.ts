/** Files beside the voxels of a volume, such as meshes: those below its folder, and no others. */
import { open, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import type { ByteRange, SourceFile } from './source.ts';
import { gunzipBytes } from './zlib-bytes.ts';

/** What may be held of a file at a time. */
const MAX_BYTES = 64 * 1024 * 1024;
const GZIP_MARK = [0x1f, 0x8b, 0x08] as const;

/**
 * Reads a file below a folder. A mirror may keep it as `KEY.gz`, or gzipped under its plain name: it is read as it was before.
 *
 * @param key names joined by `/`.
 * @param range half-open; cut to what there is. Default: all.
 * @returns undefined where there is no such plain file, or where it lies elsewhere in truth.
 * @throws BflyError TOO_LARGE where more than 64 MiB are asked for.
 */
export async function readSourceFile(folder: string, key: string, range?: ByteRange): Promise<SourceFile | undefined> {
  return (await readBelow(folder, key, range)) ?? (await readBelow(folder, `${key}.gz`, range));
}

async function readBelow(folder: string, key: string, range: ByteRange | undefined): Promise<SourceFile | undefined> {
  const real = await realFile(folder, key);
  const file = real === undefined ? undefined : await open(real).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const { size, mtimeNs } = await file.stat({ bigint: true });
    const stamp = `${size}@${mtimeNs}`;
    const read = async (from: number, to: number): Promise<Uint8Array> => {
      const { buffer, bytesRead } = await file.read(new Uint8Array(to - from), 0, to - from, from);
      return bytesRead === buffer.length ? buffer : buffer.slice(0, bytesRead);
    };
    const byteLength = Number(size);
    const plain =
      byteLength <= MAX_BYTES ? await inflated(await read(0, Math.min(3, byteLength)), read, byteLength) : undefined;
    if (plain !== undefined) return { bytes: cut(plain, range), byteLength: plain.length, stamp };
    const [from, to] = ends(range, byteLength);
    if (to - from > MAX_BYTES)
      throw new BflyError(
        'TOO_LARGE',
        `the file has ${byteLength} bytes: ask for ranges of it of at most ${MAX_BYTES}`,
      );
    return { bytes: await read(from, to), byteLength, stamp };
  } finally {
    await file.close();
  }
}

/** The place of a plain file without links, where that is inside the folder. */
async function realFile(folder: string, key: string): Promise<string | undefined> {
  try {
    const [root, real] = await Promise.all([realpath(folder), realpath(path.join(folder, key))]);
    if (!real.startsWith(`${root}${path.sep}`)) return undefined;
    // Pipes would be waited for.
    const found = await stat(real);
    return found.isFile() ? real : undefined;
  } catch {
    return undefined;
  }
}

/** The content of a gzipped file; undefined where it is none. */
async function inflated(
  head: Uint8Array,
  read: (from: number, to: number) => Promise<Uint8Array>,
  byteLength: number,
): Promise<Uint8Array | undefined> {
  if (!GZIP_MARK.every((byte, at) => head[at] === byte)) return undefined;
  // Numbers may begin like a gzip by chance.
  return gunzipBytes(await read(0, byteLength), MAX_BYTES).catch(() => undefined);
}

function ends(range: ByteRange | undefined, byteLength: number): readonly [number, number] {
  const from = Math.min(range?.from ?? 0, byteLength);
  return [from, Math.max(from, Math.min(range?.to ?? byteLength, byteLength))];
}

function cut(bytes: Uint8Array, range: ByteRange | undefined): Uint8Array {
  const [from, to] = ends(range, bytes.length);
  return bytes.slice(from, to);
}
