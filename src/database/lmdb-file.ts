/**
 * What can be told of a database file without LMDB, which makes a lock file where there is none, and which maps the file and so would
 * crash (SIGBUS) on a page that is not there.
 *
 * The first two pages are the metas; the newer one, by its transaction, counts. Integers are little-endian.
 *
 * | offset | size | meaning of a meta page                                  |
 * |--------|------|---------------------------------------------------------|
 * | 18     | 2    | flags of the page, 8 = meta                             |
 * | 24     | 4    | magic 0xBEEFC0DE                                        |
 * | 28     | 2    | data version, 2                                         |
 * | 48     | 4    | size of a page                                          |
 * | 88     | 8    | root page of the list of free pages, all 255s = none    |
 * | 136    | 8    | root page of the main database, the same                |
 * | 144    | 8    | last page in use                                        |
 * | 152    | 8    | transaction that wrote the meta                         |
 *
 * The main database holds a few small entries and so is one leaf page, its root.
 *
 * | offset | size | meaning of a leaf page                                  |
 * |--------|------|---------------------------------------------------------|
 * | 18     | 2    | flags of the page, 2 = leaf                             |
 * | 20     | 2    | bytes of offsets of entries that follow the header      |
 * | 24     | 2·n  | offsets of entries, from the end of the header (24)     |
 *
 * | offset | size | meaning of an entry                                     |
 * |--------|------|---------------------------------------------------------|
 * | 0      | 4    | bytes of value                                          |
 * | 4      | 2    | flags: 0 = the value follows, 2 = it is a sub-database  |
 * | 6      | 2    | bytes of key                                            |
 * | 8      |      | key, then value                                         |
 *
 * Source: `MDB_meta`, `MDB_page_header` and `MDB_node` of LMDB's mdb.c, data version 2.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';

const HEADER_BYTES = 24;
const META_BYTES = 160;
const META_FLAG = 8;
const LEAF_FLAG = 2;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const NO_PAGE = 2n ** 64n - 1n;
/** Readings of a file that is being written, before giving up; a reading takes microseconds, a commit at least as long. */
const READINGS = 1000;

/** A database file as it stood after one transaction. */
export interface FileState {
  /** `absent`: no file, or an empty one, which LMDB leaves when it is stopped at once. `foreign`: not LMDB's of this version. */
  readonly kind: 'absent' | 'foreign' | 'damaged' | 'lmdb';
  /** Pages that the database counts are not in the file. It may be whole nevertheless, see `padFile`. */
  readonly short: boolean;
  /** Texts of the main database by key. A sub-database has undefined. */
  readonly entries: ReadonlyMap<string, string | undefined>;
}

interface Meta {
  readonly bytes: Buffer;
  readonly pageSize: number;
  readonly freeRoot: bigint;
  readonly mainRoot: bigint;
  readonly lastPage: bigint;
  readonly transaction: bigint;
}

/** Looks at a file and changes nothing. Synchronous, so that a busy writer leaves room between two commits. */
export function inspectFile(path: string): FileState {
  const file = openIfThere(path);
  if (file === undefined) return stateOf('absent');
  try {
    for (let reading = 1; ; reading++) {
      const meta = newestMeta(file);
      const { size } = fstatSync(file);
      if (meta === undefined) {
        if (size === 0) return stateOf('absent');
        // Asked again, since a first start may have written the metas after they were read and before the size was.
        if (newestMeta(file) === undefined) return stateOf('foreign');
        continue;
      }
      const state = inspectPages(file, meta, BigInt(Math.floor(size / meta.pageSize)));
      // A page may be written anew once its transaction is not the last any more; and a meta may have been written while it was read.
      if (newestMeta(file)?.bytes.equals(meta.bytes) === true) return state;
      if (reading === READINGS) throw Object.assign(new Error('the file changes too fast'), { code: 'EAGAIN' });
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Makes a short file as long as the database counts. LMDB does not write a page that one transaction takes and gives back, so that
 * a file may rightly end before its last page. A clean close pads it: a closed file that is short was cut.
 *
 * @param slackPages how many more pages to add, for transactions that follow before the close
 */
export function padFile(path: string, slackPages: number): void {
  const file = openSync(path, 'r+');
  try {
    const meta = newestMeta(file);
    if (meta === undefined) return;
    const wanted = (Number(meta.lastPage) + 1 + slackPages) * meta.pageSize;
    if (fstatSync(file).size < wanted) ftruncateSync(file, wanted);
  } finally {
    closeSync(file);
  }
}

function stateOf(kind: FileState['kind'], short = false, entries: FileState['entries'] = new Map()): FileState {
  return { kind, short, entries };
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @param pages how many whole pages the file has */
function inspectPages(file: number, meta: Meta, pages: bigint): FileState {
  const isThere = (root: bigint): boolean => root === NO_PAGE || root < pages;
  if (pages < 2n || !isThere(meta.freeRoot) || !isThere(meta.mainRoot)) return stateOf('damaged');
  const short = meta.lastPage >= pages;
  if (meta.mainRoot === NO_PAGE) return stateOf('lmdb', short);
  const page = readBytes(file, meta.pageSize, Number(meta.mainRoot) * meta.pageSize);
  const entries = page === undefined ? undefined : readLeaf(page);
  // Not one leaf, or not even a page: whatever it is, it is no main database of Butterfly's.
  return entries === undefined ? stateOf('foreign') : stateOf('lmdb', short, entries);
}

function readLeaf(page: Buffer): Map<string, string | undefined> | undefined {
  if (page.readUInt16LE(18) !== LEAF_FLAG) return undefined;
  const entries = new Map<string, string | undefined>();
  const offsetBytes = page.readUInt16LE(20);
  for (let at = HEADER_BYTES; at < HEADER_BYTES + offsetBytes; at += 2) {
    if (at + 2 > page.length) return undefined;
    const entry = HEADER_BYTES + page.readUInt16LE(at);
    if (entry + 8 > page.length) return undefined;
    const key = entry + 8;
    const value = key + page.readUInt16LE(entry + 6);
    const isText = page.readUInt16LE(entry + 4) === 0;
    const end = isText ? value + page.readUInt32LE(entry) : value;
    if (end > page.length) return undefined;
    entries.set(page.toString('utf8', key, value), isText ? page.toString('utf8', value, end) : undefined);
  }
  return entries;
}

function newestMeta(file: number): Meta | undefined {
  const first = readMeta(file, 0);
  if (first === undefined) return undefined;
  const second = readMeta(file, first.pageSize);
  return second === undefined || second.transaction < first.transaction ? first : second;
}

function readMeta(file: number, position: number): Meta | undefined {
  const bytes = readBytes(file, META_BYTES, position);
  if (bytes === undefined || (bytes.readUInt16LE(18) & META_FLAG) === 0 || bytes.readUInt32LE(24) !== MAGIC)
    return undefined;
  const pageSize = bytes.readUInt32LE(48);
  if (bytes.readUInt16LE(28) !== DATA_VERSION || pageSize < 512 || pageSize > 65536) return undefined;
  return {
    bytes,
    pageSize,
    freeRoot: bytes.readBigUInt64LE(88),
    mainRoot: bytes.readBigUInt64LE(136),
    lastPage: bytes.readBigUInt64LE(144),
    transaction: bytes.readBigUInt64LE(152),
  };
}

function readBytes(file: number, size: number, position: number): Buffer | undefined {
  const bytes = Buffer.alloc(size);
  return readSync(file, bytes, 0, size, position) === size ? bytes : undefined;
}
