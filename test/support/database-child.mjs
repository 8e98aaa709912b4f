/**
 * A process that opens a database on request. One JSON request a line on standard input, one JSON answer a line on standard output.
 * Uses the built package: `npm test` builds first.
 */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { open } from 'lmdb';
import { logRecordKey } from '../../dist/src/database/keys.js';
import { openLmdbDatabase } from '../../dist/src/database/lmdb-database.js';

let database;
let opened;

const frame = (seed, size) => Uint8Array.from({ length: size }, (_, i) => (i === 0 ? 0x9e : (seed * 31 + i * 7) & 255));
/** Bytes that LZ4 cannot shrink. */
function noise(seed, size) {
  const bytes = new Uint8Array(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
const tileAt = (x, y, seed, size, version = 0) => ({
  key: { channel: 1, mip: 0, x, y, z: 0, version },
  frame: frame(seed, size),
});
const noiseAt = (x, y, seed, size) => ({ ...tileAt(x, y, seed, 0), frame: noise(seed, size) });
/** An edit of the log: its seq follows from its bytes, its length from its seq. */
function editOf(seq) {
  return { store: 'log', key: logRecordKey(1, seq), value: noise(seq, 100 + ((seq * 37) % 400)) };
}
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const requests = {
  async open({ dir, options }) {
    database = await openLmdbDatabase(dir, options);
    opened = dir;
    return {};
  },
  async close() {
    await database.close();
    return {};
  },
  async commit({ tiles, records }) {
    await database.commit({
      tiles: tiles?.map(([x, y, seed, size, version]) => tileAt(x, y, seed, size, version)),
      records,
    });
    return {};
  },
  async read({ key, name }) {
    const found = key === undefined ? undefined : database.tile(key);
    const tile = found === undefined ? null : Buffer.from(found).toString('base64');
    return { tile, record: name === undefined ? null : (database.record(name) ?? null) };
  },
  /** Commits for ever: change n is record `n` and tiles 0..4 of row n, and tile 9 of row 0 each time; reports each when it is flushed. */
  async loop({ from }) {
    for (let n = from; ; n++) {
      const row = Array.from({ length: 5 }, (_, x) => noiseAt(x, n, n, 20_000));
      await database.commit({ tiles: [...row, noiseAt(9, 0, n, 20_000)], records: [['n', n]] });
      await database.flushed();
      answer({ flushed: n });
    }
  },
  /**
   * Commits edits for ever, up to three batches at once: entries `from`… of the log, for each batch a tile of its last seq, a row and the
   * record `head`; reports the last seq of each batch when it is promised.
   */
  async edits({ from, seed }) {
    const open = [];
    let state = seed;
    for (let seq = from; ; ) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const count = 1 + ((state >>> 16) % ((state >>> 8) % 4 === 0 ? 600 : 12));
      const head = seq + count - 1;
      const entries = Array.from({ length: count }, (_, i) => editOf(seq + i));
      entries.push({ store: 'rows', key: logRecordKey(1, head), value: Uint8Array.of(count >> 8, count & 255) });
      const tile = { ...noiseAt(3, 0, head, 5000), key: { channel: 1, mip: 0, x: 3, y: 0, z: 0, version: head } };
      open.push(database.commit({ entries, tiles: [tile], records: [['head', head]] }).then(() => answer({ head })));
      if (open.length === 3) await open.shift();
      seq = head + 1;
    }
  },
  /**
   * Fills the disk but for a little, then commits `count` changes at once of which some fit and some do not. Answers which resolved and
   * which are there.
   */
  async crowd({ count }) {
    const key = (n) => Uint8Array.of(9, n >> 8, n & 255);
    for (let n = 0, size = 400_000; size >= 20_000; n++) {
      try {
        await database.commit({ entries: [{ store: 'rows', key: key(n), value: noise(n, size) }] });
      } catch {
        size /= 2;
      }
    }
    const outcomes = await Promise.allSettled(
      Array.from({ length: count }, async (_, n) => {
        // Some come when others are being written.
        for (let turn = 0; turn < n % 5; turn++) await new Promise((resolve) => setImmediate(resolve));
        const value = noise(n, n % 3 === 0 ? 60_000 : 10);
        await database.commit({
          entries: [
            { store: 'log', key: key(2 * n), value },
            { store: 'log', key: key(2 * n + 1), value },
          ],
        });
      }),
    );
    const isThere = (n) => database.entry('log', key(n)) !== undefined;
    return {
      resolved: outcomes.map(({ status }) => status === 'fulfilled'),
      there: outcomes.map((_, n) => [isThere(2 * n), isThere(2 * n + 1)]),
    };
  },
  async putRow({ key, value }) {
    await database.commit({ entries: [{ store: 'rows', key: Uint8Array.from(key), value: Uint8Array.from(value) }] });
    return {};
  },
  /** Makes the open database one of before there were rows; nothing but `close` may follow. */
  async forgetRows() {
    const path = join(opened, 'butterfly.mdb');
    await database.close();
    const root = open({ path, noSubdir: true, keyEncoding: 'binary', encoding: 'string', maxDbs: 16 });
    root.openDB('rows', { keyEncoding: 'binary', encoding: 'binary' }).dropSync();
    await root.close();
    return {};
  },
  async backup({ to }) {
    await database.backup(to);
    return {};
  },
  /** Commits changes of many tiles, several of them in hand at a time; each counts the changes so far. */
  async burst({ changes, tiles }) {
    const open = [];
    for (let y = 0; y < changes; y++) {
      const row = Array.from({ length: tiles }, (_, x) => noiseAt(x, y, x, 700));
      open.push(database.commit({ tiles: row, records: [['changes', y + 1]] }));
      // The next change comes while the writer is at work on this one.
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (open.length > 4) await open.shift();
    }
    await Promise.all(open);
    return {};
  },
  /** Commits one tile after the other until that fails. */
  async fill() {
    for (let x = 0; x < 10_000; x++) {
      const tile = noiseAt(x, 0, x, 50_000);
      try {
        await database.commit({ tiles: [tile], records: [['count', x + 1]] });
      } catch ({ code, message }) {
        return { code, message, count: x };
      }
    }
    return { count: -1 };
  },
  async drop({ channel }) {
    await database.dropChannel(channel);
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  try {
    answer({ ok: true, ...(await requests[request.op](request)) });
  } catch (error) {
    answer({ ok: false, name: error.name, code: error.code, message: error.message });
  }
}
