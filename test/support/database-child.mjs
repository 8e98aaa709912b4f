/**
 * A process that opens a database on request. One JSON request a line on standard input, one JSON answer a line on standard output.
 * Uses the built package: `npm test` builds first.
 */
import { createInterface } from 'node:readline';
import { openLmdbDatabase } from '../../dist/src/database/lmdb-database.js';

let database;

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
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const requests = {
  async open({ dir, options }) {
    database = await openLmdbDatabase(dir, options);
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
