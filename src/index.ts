/** Butterfly as a library: a server in your own process. Clients import `butterfly/client`, other implementations `butterfly/protocol`. */
export { BflyError } from '../protocol/errors.ts';
export { type RunningServer, type ServerOptions, startServer } from './server.ts';
export type { Catalogue, ChannelConfig } from './utility/catalogue.ts';
export { type Logger, openLog, SILENT_LOG } from './utility/log.ts';
