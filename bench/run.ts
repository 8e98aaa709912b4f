/**
 * `npm run bench`: every workload for us and beside its rival or limit, in one run, in fresh processes, alternating.
 *
 *   npm run bench -- [--all | --table NAME] [--rounds 5] [--seconds 1.5] [--only TEXT] [--transport uws|ws] [--no-write]
 *
 * Without --table all tables are made. A table is written (bench/results, README) whole or not at all: with --only it is only shown.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { editRows } from './edits.ts';
import { httpRows } from './http.ts';
import { jobRows } from './jobs.ts';
import { formatRows, type Row, writeReport } from './report.ts';
import { serveRows } from './serve.ts';
import type { BenchOptions } from './support/options.ts';
import { makeStore } from './support/store.ts';
import { viewerRows } from './viewer.ts';

/** Every table, in the order in which they are made. */
const TABLES: Readonly<Record<string, (how: BenchOptions) => Promise<Row[]>>> = {
  serve: serveRows,
  edits: editRows,
  http: httpRows,
  jobs: jobRows,
  viewer: viewerRows,
};
/** Fewer rounds make no table that is shown. */
const LEAST_ROUNDS = 5;

const { values: options } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    table: { type: 'string', default: '' },
    rounds: { type: 'string', default: String(LEAST_ROUNDS) },
    seconds: { type: 'string', default: '1.5' },
    only: { type: 'string', default: '' },
    transport: { type: 'string', default: 'uws' },
    'no-write': { type: 'boolean', default: false },
  },
});
const wanted = options.all || options.table === '' ? Object.keys(TABLES) : [options.table];
const isWritten = !options['no-write'] && options.only === '';
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const dataDir = mkdtempSync(path.join(tmpdir(), 'bfly-bench-'));
try {
  process.stderr.write('making a store …\n');
  await makeStore(dataDir);
  const how: BenchOptions = {
    dataDir,
    transport: options.transport === 'ws' ? 'ws' : 'uws',
    rounds: Math.max(options.all ? LEAST_ROUNDS : 1, Number(options.rounds)),
    seconds: Number(options.seconds),
    only: options.only,
  };
  for (const name of wanted)
    try {
      await makeTable(name, how);
    } catch (error) {
      // The others are made all the same.
      process.exitCode = 1;
      process.stderr.write(`the table ${name} was not made: ${error instanceof Error ? error.stack : error}\n`);
    }
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}

/** Written as soon as it is there: a table that fails later takes none of those before it along. */
async function makeTable(name: string, how: BenchOptions): Promise<void> {
  const rowsOf = TABLES[name];
  if (rowsOf === undefined) throw new Error(`${name} is no table: ${Object.keys(TABLES).join(', ')} are`);
  const rows = await rowsOf(how);
  if (rows.length === 0) return;
  process.stdout.write(`${formatRows(rows)}\n`);
  if (isWritten) writeReport(root, how.transport === 'ws' ? `${name}-ws` : name, rows);
}
