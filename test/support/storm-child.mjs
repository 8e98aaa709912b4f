/**
 * A whole server in a process of its own, for storms: it can be killed and started again on the same store and port. One JSON object in
 * `argv[2]` says how; one line of JSON on standard output says where it listens; each line on standard input asks for its memory and processor time.
 * Uses the built package: `npm test` builds first.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openLmdbDatabase } from '../../dist/src/database/lmdb-database.js';
import { openArraySource } from '../../dist/src/image/array-source.js';
import { InlineTileMaker } from '../../dist/src/image/inline-tile-maker.js';
import { ingestChannel } from '../../dist/src/ingest/ingest.js';
import { startServer } from '../../dist/src/server.js';
import { openLog, SILENT_LOG } from '../../dist/src/utility/log.js';

const { dataDir, port, transport, limits, noise, logLevel } = JSON.parse(process.argv[2]);
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** Blocks of 8³ voxels, each an id of its own: 1, 2, 3, … along x, y, z. */
function segmentation([nx, ny, nz]) {
  const ids = new BigUint64Array(nx * ny * nz);
  let at = 0;
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++) ids[at++] = BigInt(1 + (x >> 3) + (nx >> 3) * ((y >> 3) + (ny >> 3) * (z >> 3)));
  return new Uint8Array(ids.buffer);
}

/** Bytes that no encoding shrinks. */
function noiseOf([nx, ny, nz]) {
  const bytes = new Uint8Array(nx * ny * nz);
  let state = 1;
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Memory that is no file's: the store's pages, which the kernel keeps or drops as it likes, apart. Linux alone tells. */
function anonymousBytes() {
  try {
    return 1024 * Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  } catch {
    return process.memoryUsage.rss();
  }
}

async function ingest(path, source) {
  const database = await openLmdbDatabase(dataDir, { log: SILENT_LOG });
  const maker = new InlineTileMaker(() => openArraySource(source));
  const signal = new AbortController().signal;
  await ingestChannel({ database, maker, entry: { path, spec: { path } }, log: SILENT_LOG, signal, onProgress() {} });
  await maker.close();
  await database.close();
}

if (!existsSync(dataDir)) {
  const small = [128, 32, 32];
  await ingest('storm/s/d/seg', { data: segmentation(small), shape: small, dtype: 'uint64', type: 'segmentation' });
  if (noise !== undefined) await ingest('storm/s/d/em', { data: noiseOf(noise), shape: noise, dtype: 'uint8' });
}

const server = await startServer({
  host: '127.0.0.1',
  port,
  dataDir,
  transport,
  cacheBytes: 16 * 1024 * 1024,
  log: openLog(logLevel ?? 'silent'),
  catalogue: { experiments: [] },
  demo: false,
  allowedPaths: [],
  limits,
  graceMs: 100,
});
answer({ port: server.port, transport: server.transport });

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'memory') {
    for (let i = 0; i < 4; i++) {
      globalThis.gc?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    answer({ ...process.memoryUsage(), anonymous: anonymousBytes(), cpu: process.cpuUsage() });
  }
}
await server.stop();
