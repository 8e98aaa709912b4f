/** A whole server, put together: the only file that knows every layer. Starts in one order, stops in the other. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BflyError } from '../protocol/errors.ts';
import { DEFAULT_LIMITS, type Limits, TRANSPORT_MAX_MESSAGE } from '../protocol/limits.ts';
import { OPEN_AUTHORITY } from './access/auth/anonymous.ts';
import type { Authority } from './access/auth/authority.ts';
import { openFileAuthority } from './access/auth/file-authority.ts';
import { ServerMetrics } from './access/http/metrics.ts';
import { openWeb } from './access/http/open-web.ts';
import type { SessionTimings } from './access/session/session-context.ts';
import { DEFAULT_TIMINGS, SessionHub } from './access/session/session-hub.ts';
import { finishRequests } from './access/transport/finish-requests.ts';
import { checkListening, isLoopback, resolveHost } from './access/transport/listen-address.ts';
import { openTransport, type TransportChoice } from './access/transport/open-transport.ts';
import type { Transport } from './access/transport/transport.ts';
import { decideUpgrade } from './access/transport/upgrade.ts';
import { assembleCore } from './core/assemble.ts';
import { type ChannelEntry, channelsAt, finishDrops, ingestedPaths } from './core/channel.ts';
import type { Core } from './core/core.ts';
import type { EditLogs } from './core/edits/edit-logs.ts';
import type { Database } from './database/database.ts';
import { openLmdbDatabase } from './database/lmdb-database.ts';
import { DatabaseLayer } from './database/tables.ts';
import { resolveSpec } from './image/open-source.ts';
import type { TileMaker, VolumeSpec } from './image/tile-maker.ts';
import { WorkerTileMaker } from './image/worker-tile-maker.ts';
import { ingestDemo } from './ingest/demo.ts';
import { editedPaths, type KeptEdits } from './ingest/edited-paths.ts';
import type { IngestProgress } from './ingest/ingest.ts';
import { AllowedPaths } from './utility/allowed-paths.ts';
import { type Catalogue, catalogueChannels } from './utility/catalogue.ts';
import { inTurn } from './utility/in-turn.ts';
import type { Logger } from './utility/log.ts';
import { meshFoldersOf } from './utility/mesh-folders.ts';
import { isRemoteUrl } from './utility/remote-url.ts';

/** What a server is started with. */
export interface ServerOptions {
  readonly host: string;
  /** 0 = a free one. */
  readonly port: number;
  /** Folder of the store. */
  readonly dataDir: string;
  readonly transport: TransportChoice;
  readonly cacheBytes: number;
  readonly log: Logger;
  readonly catalogue: Catalogue;
  /** Addresses of volumes whose machines are away: what the store has of them is served. */
  readonly away?: readonly string[];
  /** Serve the demonstration volume, made on first use. */
  readonly demo: boolean;
  /** Folders and files that sources may be read from. */
  readonly allowedPaths: readonly string[];
  /** Origins of pages that may connect and show the viewer in a frame, besides the server's own. */
  readonly allowedOrigins?: readonly string[];
  /** Folder of the built viewer; default: the one that came with the program. It need not be there. */
  readonly viewer?: string;
  /** File that says who may what; see `utility/read-auth-config.ts`. Without it everybody may everything. */
  readonly auth?: string;
  /** Everybody may everything though other machines can connect. Without it and `auth` a server listens on loopback only. */
  readonly open?: boolean;
  readonly limits?: Partial<Limits>;
  /** Blocks of HDF5 files by Butterfly's rule, of this many bytes. */
  readonly maxBlockBytes?: number;
  /** Hears how the demonstration volume comes along. */
  readonly onDemoProgress?: (progress: IngestProgress) => void;
  /** Breaks the start off. */
  readonly signal?: AbortSignal;
  readonly timings?: Partial<SessionTimings>;
  /** How long unfinished pulls may take when the server stops, ms. */
  readonly graceMs?: number;
}

/** A server that listens. */
export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly transport: 'ws' | 'uws';
  /** Whether the viewer is built, which `url` then shows to browsers. */
  readonly viewer: boolean;
  /** Channels that are configured. */
  readonly channels: number;
  /** Edits in the store whose paths are not served. */
  readonly keptEdits: readonly KeptEdits[];
  /** For tests and benches in the same process. */
  readonly core: Core;
  readonly logs: EditLogs;
  readonly hub: SessionHub;
  /** Says GOAWAY, lets work finish, closes everything. */
  stop(): Promise<void>;
}

const GRACE_MS = 3_000;

/**
 * Starts a server.
 *
 * @throws BflyError UNAVAILABLE (port or store in use), UNSUPPORTED (the store is not ours, or newer), FORBIDDEN (open to other
 * machines without `open`), NOT_FOUND and BAD_REQUEST (the file of `auth`).
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const authority = await openAuthority(options);
  try {
    return await startWith(authority, options);
  } catch (error) {
    await authority.close();
    throw error;
  }
}

async function openAuthority({ auth, open = false, host, port, log }: ServerOptions): Promise<Authority> {
  if (auth !== undefined && open)
    throw new BflyError(
      'BAD_REQUEST',
      '--auth says who may what and --open that everybody may everything: give one of them',
    );
  if (auth !== undefined) return openFileAuthority(auth, { log });
  if (!open && !isLoopback(await resolveHost(host, port)))
    throw new BflyError(
      'FORBIDDEN',
      `on ${host} everybody who reaches this machine could read and edit everything; say who may what with --auth FILE ` +
        '(bfly token makes tokens), allow it with --open, or listen with --host 127.0.0.1',
    );
  return OPEN_AUTHORITY;
}

async function startWith(authority: Authority, options: ServerOptions): Promise<RunningServer> {
  const { log } = options;
  const database = await openLmdbDatabase(options.dataDir, { log });
  const maker = new WorkerTileMaker({ admit: admitFrom(options.allowedPaths) });
  try {
    return await startOn(database, maker, authority, options);
  } catch (error) {
    // What is wrong is why it did not start, not what its end says.
    await inTurn(log, [() => maker.close(), () => database.close()]).catch(() => {});
    throw error;
  }
}

async function startOn(
  database: Database,
  maker: TileMaker,
  authority: Authority,
  options: ServerOptions,
): Promise<RunningServer> {
  const { log, host } = options;
  await finishDrops(database);
  // Making the demonstration takes a while: whoever has the port is found out before.
  if (options.demo) await checkListening(host, options.port);
  const demo = options.demo ? await makeDemo(database, maker, options) : [];
  const channels = channelEntries(options, [...ingestedPaths(database), ...demo], awayEntries(options, database));
  const server = `butterfly ${readVersion()}`;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { cacheBytes } = options;
  const allowed = new AllowedPaths(options.allowedPaths);
  const tables = new DatabaseLayer({ database, log, admit: (file) => allowed.resolve(file) });
  const metrics = new ServerMetrics();
  const { onCommit } = metrics;
  const { core, logs } = assembleCore({ onCommit, database, maker, cacheBytes, channels, log, limits, tables });
  const timings = { ...DEFAULT_TIMINGS, ...options.timings };
  const hub = new SessionHub({ core, logs, limits, log, server, timings, authority, now: () => performance.now() });
  const origins = {
    allowed: options.allowedOrigins ?? [],
    loopback: isLoopback(await resolveHost(host, options.port)),
  };
  let isLoaded = false;
  const viewer = options.viewer ?? viewerFolder();
  const web = openWeb(hub, {
    ...{ metrics, origins, viewer },
    ready: { tables: () => isLoaded, store: () => storeAnswers(database) },
    meshes: meshFoldersOf(options.catalogue, allowed),
  });
  const transport = await openTransport(options.transport, {
    log,
    maxMessageBytes: TRANSPORT_MAX_MESSAGE,
    handlers: {
      upgrade: (request) => decideUpgrade(request, hub, origins),
      http: (request) => web.answer(request),
    },
  });
  const port = await transport.listen(host, options.port);
  // In the same turn, so that nobody has asked yet; whoever asks for rows waits for them. It never fails.
  void tables.loadConfig(options.catalogue).then(() => {
    isLoaded = true;
  });
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    inTurn(log, [
      async () => transport.stopListening(),
      () => leave(hub, transport, options.graceMs ?? GRACE_MS),
      async () => web.close(),
      () => transport.close(),
      () => authority.close(),
      // Before the logs: one that is being opened waits for its tables.
      () => tables.stop(),
      () => logs.close(),
      () => maker.close(),
      () => database.close(),
    ]);
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    transport: transport.kind,
    viewer: existsSync(path.join(viewer, 'index.html')),
    channels: core.channelCount,
    keptEdits: unservedEdits(database, channels),
    core,
    logs,
    hub,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** Lets sessions and requests finish what they are at. */
async function leave(hub: SessionHub, transport: Transport, graceMs: number): Promise<void> {
  await Promise.all([hub.leave(graceMs), finishRequests(transport, graceMs)]);
}

/** Reads any record; what is not there is as good an answer. @throws what the store says is wrong. */
function storeAnswers(database: Database): boolean {
  database.record('readyz');
  return true;
}

function unservedEdits(database: Database, channels: readonly ChannelEntry[]): KeptEdits[] {
  const served = new Set(channels.map(({ path }) => path));
  return editedPaths(database).filter(({ path }) => !served.has(path));
}

function makeDemo(database: Database, maker: TileMaker, options: ServerOptions): Promise<readonly string[]> {
  const { log, signal = new AbortController().signal, onDemoProgress: onProgress = () => {} } = options;
  return ingestDemo({ database, maker, log, signal, onProgress });
}

/** The configured channels, then what else the store holds whole. */
function channelEntries(
  options: ServerOptions,
  stored: readonly string[],
  away: readonly ChannelEntry[],
): ChannelEntry[] {
  const { maxBlockBytes } = options;
  const entries = catalogueChannels(options.catalogue).map(({ path, config }): ChannelEntry => {
    const { type, voxel, offset, chunk } = config;
    return {
      path,
      spec: { path: config.path, ...(config.dataset === undefined ? {} : { dataset: config.dataset }) },
      ...(type === undefined ? {} : { type }),
      ...(voxel === undefined ? {} : { voxel }),
      ...(offset === undefined ? {} : { offset }),
      ...(chunk === undefined ? {} : { chunk }),
      ...(maxBlockBytes === undefined ? {} : { maxBlockBytes }),
    };
  });
  const configured = new Set(entries.map((entry) => entry.path));
  const others = new Map([...stored.map((path) => ({ path })), ...away].map((entry) => [entry.path, entry]));
  return [...entries, ...[...others.values()].filter(({ path }) => !configured.has(path))];
}

function awayEntries({ away = [] }: ServerOptions, database: Database): ChannelEntry[] {
  return away.flatMap((url) => channelsAt(database, url));
}

/** Sources are opened by their real path, and only where that is allowed; so are the files that they name. */
function admitFrom(within: readonly string[]): (spec: VolumeSpec) => Promise<VolumeSpec> {
  const allowed = new AllowedPaths(within);
  return async (spec) => {
    // Addresses come from the configuration and the command line alone.
    if ('demo' in spec || isRemoteUrl(spec.path)) return spec;
    const { path, dataset } = spec.dataset === undefined ? await resolveSpec(spec.path) : spec;
    const real = await allowed.resolve(path);
    return dataset === undefined ? { path: real, within } : { path: real, dataset, within };
  };
}

/** Where `npm run build` puts the page: beside the compiled code. */
function viewerFolder(): string {
  const isCompiled = import.meta.url.endsWith('.js');
  return fileURLToPath(new URL(isCompiled ? '../viewer' : '../dist/viewer', import.meta.url));
}

function readVersion(): string {
  // src/server.ts and dist/src/server.js stand at different depths below package.json.
  for (const up of ['../package.json', '../../package.json'])
    try {
      const text = readFileSync(new URL(up, import.meta.url), 'utf8');
      return String((JSON.parse(text) as { version?: unknown }).version);
    } catch {}
  throw new BflyError('INTERNAL', 'package.json is missing');
}
