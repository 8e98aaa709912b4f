#!/usr/bin/env node
/** The `bfly` command: joins the commands with the parts they run, and with this process. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context, Parts, Terminal } from './commands/context.ts';
import { EXIT } from './commands/fault.ts';
import { runCommand } from './commands/program.ts';

/** npm passes a signal on that its child has got from the terminal too; the same one so soon after is no second wish. */
const SAME_SIGNAL_MS = 150;

// Each part is loaded when it is first used.
const parts: Parts = {
  startServer: async (options) => (await import('./server.ts')).startServer(options),
  findVolumes: async (file) => (await import('./ingest/find-data.ts')).findData(file),
  ingestVolume: async (options) => (await import('./ingest/ingest-volume.ts')).ingestVolume(options),
  connect: async (url, options) => (await import('./client/node.ts')).connect(url, options),
  connectEditor: async (url, options) => (await import('./client/node.ts')).connect(url, options),
  backupDatabase: async (dataDir, dir) => (await import('./ingest/backup.ts')).backupDatabase(dataDir, dir),
  restoreDatabase: async (fromDir, toDir) => (await import('./ingest/backup.ts')).restoreDatabase(fromDir, toDir),
  verifyStore: async (options) => (await import('./ingest/verify-store.ts')).verifyStore(options),
  signToken: async (key, claims) => (await import('./access/auth/jwt.ts')).signJwt(key, claims),
  openLog: async (level) => (await import('./utility/log.ts')).openLog(level),
};

const terminal: Terminal = {
  out: (text) =>
    new Promise((resolve) => {
      if (process.stdout.write(text)) resolve();
      else process.stdout.once('drain', resolve);
    }),
  err: process.stderr,
  env: process.env,
  onInterrupt,
};

function onInterrupt(stop: () => void): () => void {
  let first: { readonly signal: string; readonly atMs: number } | undefined;
  const listener = (signal: string): void => {
    const nowMs = performance.now();
    if (first === undefined) {
      first = { signal, atMs: nowMs };
      stop();
    } else if (signal !== first.signal || nowMs - first.atMs > SAME_SIGNAL_MS) {
      process.exit(EXIT.INTERRUPTED);
    }
  };
  process.on('SIGINT', listener).on('SIGTERM', listener);
  return () => void process.off('SIGINT', listener).off('SIGTERM', listener);
}

/** The version of the package that this file belongs to, from its source or from what is built. */
function readVersion(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const parent = path.dirname(folder);
    try {
      const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version?: unknown };
      return String(version);
    } catch (error) {
      if (parent === folder) throw error;
      folder = parent;
    }
  }
}

/** A reader that has seen enough, such as `head`, is no error. */
function exitQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT.DONE);
  throw error;
}

process.stdout.on('error', exitQuietly);
process.stderr.on('error', exitQuietly);
const context: Context = { terminal, parts, version: readVersion() };
const code = await runCommand(process.argv.slice(2), context);
// Standard output may be a pipe that still has something to take.
process.stdout.write('', () => process.exit(code));
