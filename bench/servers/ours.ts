/** Butterfly over a store: arguments are the store's folder, the transport, and the cache in bytes. */
import { startServer } from '../../src/server.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { reportPort } from '../support/child.ts';

const [dataDir = '', transport = 'uws', cacheBytes = '0'] = process.argv.slice(2);
const server = await startServer({
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
  },
  graceMs: 0,
});
reportPort(server.port, () => server.stop());
