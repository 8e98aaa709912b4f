/** Whole servers for tests of the line: the real store, the real workers, real sources found as `bfly serve` finds them. */
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll } from 'vitest';
import type { Limits } from '../../protocol/limits.ts';
import { loadUws } from '../../src/access/transport/uws-transport.ts';
import { connect, type Session } from '../../src/client/node.ts';
import { planServer } from '../../src/commands/serve-plan.ts';
import { findData } from '../../src/ingest/find-data.ts';
import { type RunningServer, startServer } from '../../src/server.ts';
import type { Catalogue } from '../../src/utility/config.ts';
import { keepingLog, type LogLine } from './keeping-log.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** What stands in for the configuration of whoever runs the tests. */
export const NO_CONFIG = { RH_CONFIG_FILENAME: '/nonexistent/rh-config.yaml' } as const;

/** The transports that run here; says loudly where uWebSockets.js does not. */
export function lineTransports(suite: string): readonly ('ws' | 'uws')[] {
  const { missing } = loadUws();
  if (missing === undefined) return ['ws', 'uws'];
  console.warn(`NOT RUN: ${suite} over uWebSockets.js: ${missing}`);
  return ['ws'];
}

/** Fails at once, and says what to do, where what the workers run has not been built. */
export function needsBuild(): void {
  beforeAll(async () => {
    await access(path.join(ROOT, 'dist/src/image/tile-worker.js')).catch(() => {
      throw new Error('dist is missing: run npm run build first, as npm test does');
    });
  });
}

export { keepingLog, type LogLine } from './keeping-log.ts';

/** What a server of the line is started with. */
export interface LineOptions {
  readonly transport: 'ws' | 'uws';
  /** Folder of the store. */
  readonly dataDir: string;
  /** Folders and files to serve, as on the command line; none with a `catalogue`. */
  readonly sources?: readonly string[];
  /** What an earlier server found. */
  readonly catalogue?: Catalogue;
  readonly cacheBytes?: number;
  readonly limits?: Partial<Limits>;
  readonly graceMs?: number;
}

/** A server, and what it said on its way. */
export interface LineServer {
  readonly server: RunningServer;
  readonly url: string;
  readonly port: number;
  readonly catalogue: Catalogue;
  /** What a person would have read on standard error: what was skipped. */
  readonly warnings: readonly string[];
  readonly log: readonly LogLine[];
  /** A session that ends with the server. */
  connect(): Promise<Session>;
  stop(): Promise<void>;
}

/** Starts a server the way `bfly serve` does, on a free port. */
export async function startLine(options: LineOptions): Promise<LineServer> {
  const { transport, dataDir, cacheBytes, limits, graceMs } = options;
  const asked = { host: '127.0.0.1', port: 0, data: dataDir, transport };
  const plan = await planServer(options.sources ?? [], asked, { findVolumes: findData, env: NO_CONFIG, home: dataDir });
  const catalogue = options.catalogue ?? plan.server.catalogue;
  const log: LogLine[] = [];
  const server = await startServer({
    ...plan.server,
    catalogue,
    log: keepingLog(log),
    cacheBytes: cacheBytes ?? 64 * 1024 * 1024,
    graceMs: graceMs ?? 200,
    ...(limits === undefined ? {} : { limits }),
  });
  const sessions: Session[] = [];
  return {
    server,
    url: server.url,
    port: server.port,
    catalogue,
    warnings: plan.warnings,
    log,
    async connect() {
      const session = await connect(server.url, { reconnect: false });
      sessions.push(session);
      return session;
    },
    async stop() {
      for (const session of sessions) await session.close();
      await server.stop();
    },
  };
}

/** A folder of its own for a test file; the caller removes it by `dispose`. */
export async function temporaryFolder(name: string): Promise<{ readonly path: string; dispose(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), `bfly-${name}-`));
  return { path: folder, dispose: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }) };
}
