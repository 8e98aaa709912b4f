/** Butterfly over a store: arguments are the store's folder, the transport, and the cache in bytes. */
import { startBenchServer } from '../support/bench-server.ts';
import { reportPort } from '../support/child.ts';

const server = await startBenchServer(process.argv.slice(2));
reportPort(server.port, () => server.stop());
