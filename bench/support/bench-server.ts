/** Butterfly as it is measured: over a store, on a free port, without limits of rate. */
import { type ServerOptions, startServer } from '../../src/server.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';

type Server = Awaited<ReturnType<typeof startServer>>;

/**
 * Starts a server.
 *
 * @param words of the command line: the store's folder, the transport, the cache in bytes.
 * @param more options that differ.
 */
export function startBenchServer(
  [dataDir = '', transport = 'uws', cacheBytes = '0']: readonly string[],
  { limits, ...more }: Partial<ServerOptions> = {},
): Promise<Server> {
  return startServer({
    host: '127.0.0.1',
    port: 0,
    dataDir,
    transport: transport === 'ws' ? 'ws' : 'uws',
    cacheBytes: Number(cacheBytes),
    log: SILENT_LOG,
    catalogue: { experiments: [] },
    demo: false,
    allowedPaths: [],
    limits: {
      ...{ framesPerSecond: 1e9, framesBurst: 1e9, controlPerSecond: 1e9 },
      ...{ editsPerSecond: 1e9, editsBurst: 1e9, connectionsPerAddress: 100_000, unwelcomed: 100_000 },
      ...limits,
    },
    graceMs: 0,
    ...more,
  });
}
