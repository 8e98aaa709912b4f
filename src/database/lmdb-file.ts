/**
 * What can be told of a database file without LMDB, which would map it and crash (SIGBUS) on a page that is not there.
 *
 * Read from each of the first two pages, which hold the metas; integers are little-endian. Source: `MDB_page_header` and `MDB_meta` of
 * LMDB's mdb.c, data version 2.
 *
 * | offset | size | meaning                                        |
 * |--------|------|------------------------------------------------|
 * | 18     | 2    | flags of the page, 8 = meta                    |
 * | 24     | 4    | magic 0xBEEFC0DE                               |
 * | 28     | 4    | data version in the low 16 bits                |
 * | 48     | 4    | size of a page (first meta only: where the second begins) |
 * | 88     | 8    | root page of the list of free pages, all 255s = none |
 * | 136    | 8    | root page of the main database, the same       |
 * | 144    | 8    | last page in use                               |
 * | 152    | 8    | number of the transaction that wrote the meta  |
 */
import { type FileHandle, open } from 'node:fs/promises';

const META_BYTES = 160;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const NO_PAGE = 2n ** 64n - 1n;

/** What a file is. `short`: pages that the database counts are not in the file; it may still be whole, see `padFile`. */
export type FileState = 'absent' | 'foreign' | 'damaged' | 'short' | 'whole';

interface Meta {
  readonly pageSize: number;
  /** Root pages of the free list and of the main database, where they have one. */
  readonly roots: readonly bigint[];
  readonly lastPage: bigint;
  readonly transaction: bigint;
}

/** Looks at a file and changes nothing. An empty file is absent: LMDB was stopped before it wrote the first byte. */
export async function inspectFile(path: string): Promise<FileState> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'absent';
    throw error;
  }
  try {
    const { size } = await file.stat();
    if (size === 0) return 'absent';
    const meta = await newestMeta(file);
    if (meta === undefined) return 'foreign';
    const pages = BigInt(Math.floor(size / meta.pageSize));
    if (pages < 2n || meta.roots.some((root) => root >= pages)) return 'damaged';
    return meta.lastPage < pages ? 'whole' : 'short';
  } finally {
    await file.close();
  }
}

/**
 * Makes a short file as long as the database counts. LMDB does not write a page that one transaction takes and gives back, so that
 * a file may rightly end before its last page. A clean close pads it: a closed file that is short was cut.
 *
 * @param slackPages how many more pages to add, for transactions that follow before the close
 */
export async function padFile(path: string, slackPages: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const meta = await newestMeta(file);
    if (meta === undefined) return;
    const wanted = (Number(meta.lastPage) + 1 + slackPages) * meta.pageSize;
    if ((await file.stat()).size < wanted) await file.truncate(wanted);
  } finally {
    await file.close();
  }
}

async function newestMeta(file: FileHandle): Promise<Meta | undefined> {
  const first = await readMeta(file, 0);
  if (first === undefined) return undefined;
  const second = await readMeta(file, first.pageSize);
  return second === undefined || second.transaction < first.transaction ? first : second;
}

async function readMeta(file: FileHandle, position: number): Promise<Meta | undefined> {
  const bytes = Buffer.alloc(META_BYTES);
  const { bytesRead } = await file.read(bytes, 0, META_BYTES, position);
  if (bytesRead < META_BYTES || (bytes.readUInt16LE(18) & 8) === 0 || bytes.readUInt32LE(24) !== MAGIC)
    return undefined;
  if (bytes.readUInt16LE(28) !== DATA_VERSION) return undefined;
  const pageSize = bytes.readUInt32LE(48);
  if (pageSize < 512 || pageSize > 65536) return undefined;
  return {
    pageSize,
    roots: [bytes.readBigUInt64LE(88), bytes.readBigUInt64LE(136)].filter((root) => root !== NO_PAGE),
    lastPage: bytes.readBigUInt64LE(144),
    transaction: bytes.readBigUInt64LE(152),
  };
}
