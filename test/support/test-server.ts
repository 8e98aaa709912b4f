/** A server for tests: in-memory volumes and store, a real transport on a free loopback port. */
import { DEFAULT_LIMITS, type Limits, TRANSPORT_MAX_MESSAGE } from '../../protocol/limits.ts';
import type { DType, Vec3, VolumeType } from '../../protocol/volume.ts';
import type { Authority } from '../../src/access/auth/authority.ts';
import { ServerMetrics } from '../../src/access/http/metrics.ts';
import { openWeb, type WebOptions } from '../../src/access/http/open-web.ts';
import type { SessionTimings } from '../../src/access/session/session-context.ts';
import { DEFAULT_TIMINGS, SessionHub } from '../../src/access/session/session-hub.ts';
import { finishRequests } from '../../src/access/transport/finish-requests.ts';
import { openTransport } from '../../src/access/transport/open-transport.ts';
import type { Transport } from '../../src/access/transport/transport.ts';
import { decideUpgrade } from '../../src/access/transport/upgrade.ts';
import { assembleCore } from '../../src/core/assemble.ts';
import type { Core } from '../../src/core/core.ts';
import type { EditLogs } from '../../src/core/edits/edit-logs.ts';
import type { Database } from '../../src/database/database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import type { DatabaseLayer } from '../../src/database/tables.ts';
import { openArraySource } from '../../src/image/array-source.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import type { Source } from '../../src/image/source.ts';
import { type Logger, SILENT_LOG } from '../../src/utility/log.ts';

/** A volume of a test server. */
export interface TestVolume {
  /** experiment/sample/dataset/channel */
  readonly path: string;
  readonly data: Uint8Array;
  readonly shape: Vec3;
  readonly dtype: DType;
  readonly type?: VolumeType;
  readonly chunk?: Vec3;
  /** Wraps the source, to slow it down or break it. */
  readonly wrap?: (source: Source) => Source;
}

export interface TestServerOptions {
  readonly kind: 'ws' | 'uws';
  readonly volumes: readonly TestVolume[];
  readonly limits?: Partial<Limits>;
  readonly timings?: Partial<SessionTimings>;
  readonly allowedOrigins?: readonly string[];
  readonly cacheBytes?: number;
  readonly now?: () => number;
  /** Milliseconds since 1970. */
  readonly time?: () => number;
  /** Closed with the server. */
  readonly authority?: Authority;
  readonly log?: Logger;
  /** Default: one in memory. Closed with the server. */
  readonly database?: Database;
  /** Settings of the HTTP side. */
  readonly web?: WebOptions;
  /** Rows from files, on the same `database`. */
  readonly tables?: DatabaseLayer;
}

export interface TestServer {
  readonly port: number;
  readonly url: string;
  readonly core: Core;
  readonly logs: EditLogs;
  readonly hub: SessionHub;
  readonly transport: Transport;
  stop(graceMs?: number): Promise<void>;
}

/** Starts a server over array sources. */
export async function startTestServer(options: TestServerOptions): Promise<TestServer> {
  const volumes = new Map(options.volumes.map((volume) => [volume.path, volume]));
  const maker = new InlineTileMaker(async (spec) => {
    const volume = 'path' in spec ? volumes.get(spec.path) : undefined;
    if (volume === undefined) throw new Error('no such volume');
    const { data, shape, dtype, type, wrap } = volume;
    const opened = await openArraySource({ data, shape, dtype, ...(type === undefined ? {} : { type }) });
    const source: Source = {
      // The same data at each opening.
      info: { ...opened.info, fingerprint: volume.path },
      read: (mip, box) => opened.read(mip, box),
      close: () => opened.close(),
    };
    return wrap === undefined ? source : wrap(source);
  });
  const database = options.database ?? new MemoryDatabase();
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const metrics = new ServerMetrics();
  const { core, logs } = assembleCore({
    onCommit: metrics.onCommit,
    database,
    maker,
    limits,
    ...(options.tables === undefined ? {} : { tables: options.tables }),
    cacheBytes: options.cacheBytes ?? 64 * 1024 * 1024,
    channels: options.volumes.map(({ path, chunk }) => ({
      path,
      spec: { path },
      ...(chunk === undefined ? {} : { chunk }),
    })),
    log: SILENT_LOG,
  });
  const hub = new SessionHub({
    core,
    logs,
    limits,
    log: options.log ?? SILENT_LOG,
    server: 'butterfly test',
    timings: { ...DEFAULT_TIMINGS, ...options.timings },
    now: options.now ?? (() => performance.now()),
    ...(options.time === undefined ? {} : { time: options.time }),
    ...(options.authority === undefined ? {} : { authority: options.authority }),
  });
  const web = openWeb(hub, { metrics, ...options.web });
  const transport = await openTransport(options.kind, {
    log: options.log ?? SILENT_LOG,
    maxMessageBytes: TRANSPORT_MAX_MESSAGE,
    handlers: {
      upgrade: (request) => decideUpgrade(request, hub, { allowed: options.allowedOrigins ?? [], loopback: true }),
      http: (request) => web.answer(request),
    },
  });
  const port = await transport.listen('127.0.0.1', 0);
  return {
    port,
    url: `ws://127.0.0.1:${port}/v1`,
    core,
    logs,
    hub,
    transport,
    async stop(graceMs = 200) {
      transport.stopListening();
      await Promise.all([hub.leave(graceMs), finishRequests(transport, graceMs)]);
      web.close();
      await transport.close();
      await options.authority?.close();
      await logs.close();
      await maker.close();
      await database.close();
    },
  };
}

/** Bytes that tell where they came from: voxel n of a uint8 volume is n · 31 + n/256 · 7, mod 256. */
export function patternBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let n = 0; n < length; n++) bytes[n] = n * 31 + (n >> 8) * 7;
  return bytes;
}
