/** A server of the volumes of the parity list over a real transport, and requests to it as Butterfly's clients made them. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DEFAULT_LIMITS, TRANSPORT_MAX_MESSAGE } from '../../protocol/limits.ts';
import { type DType, viewVoxels } from '../../protocol/volume.ts';
import type { Authority } from '../../src/access/auth/authority.ts';
import { openWeb } from '../../src/access/http/open-web.ts';
import type { HttpRouter } from '../../src/access/http/router.ts';
import { DEFAULT_TIMINGS, SessionHub } from '../../src/access/session/session-hub.ts';
import { openTransport } from '../../src/access/transport/open-transport.ts';
import { decideUpgrade } from '../../src/access/transport/upgrade.ts';
import { assembleCore } from '../../src/core/assemble.ts';
import type { Core } from '../../src/core/core.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { DatabaseLayer } from '../../src/database/tables.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import { openSource, resolveSpec } from '../../src/image/open-source.ts';
import { AllowedPaths } from '../../src/utility/allowed-paths.ts';
import { catalogueChannels, parseConfig } from '../../src/utility/config.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { meshFoldersOf } from '../../src/utility/mesh-folders.ts';
import { parityConfig, writeParityVolumes } from './parity-volumes.ts';
import { readTiff, type TiffPicture } from './read-pictures.ts';
import { type FetchedResponse, fetchRaw } from './transport-harness.ts';

/** Files of the volumes, written once for a test file. */
export class ParityFolder {
  readonly path: string;

  private constructor(folder: string) {
    this.path = folder;
  }

  static async make(): Promise<ParityFolder> {
    const folder = new ParityFolder(realpathSync(mkdtempSync(path.join(tmpdir(), 'bfly-parity-'))));
    await writeParityVolumes(folder.path);
    return folder;
  }

  at(name: string): string {
    return path.join(this.path, name);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface ParityOptions {
  /** Default: `parityConfig()`. */
  readonly config?: string;
  readonly authority?: Authority;
  /** Folder of a built viewer. */
  readonly viewer?: string;
}

/** The server. */
export class ParityServer {
  readonly port: number;
  readonly core: Core;
  readonly web: HttpRouter;
  readonly stop: () => Promise<void>;

  private constructor(port: number, core: Core, web: HttpRouter, stop: () => Promise<void>) {
    this.port = port;
    this.core = core;
    this.web = web;
    this.stop = stop;
  }

  /** Starts a server of the files in a folder. */
  static async start(kind: 'ws' | 'uws', folder: string, options: ParityOptions = {}): Promise<ParityServer> {
    const { config = parityConfig(), authority, viewer } = options;
    const { catalogue, settings } = parseConfig(config, { file: 'parity.yaml', folder });
    const allowed = new AllowedPaths(settings.allowedPaths ?? []);
    const maker = new InlineTileMaker(async (spec) => {
      if ('demo' in spec) throw new Error('the list has no such volume');
      const resolved = spec.dataset === undefined ? await resolveSpec(spec.path) : spec;
      const within = settings.allowedPaths ?? [];
      return openSource({ ...resolved, path: await allowed.resolve(resolved.path), within });
    });
    const database = new MemoryDatabase();
    const log = SILENT_LOG;
    const tables = new DatabaseLayer({ database, log });
    const limits = DEFAULT_LIMITS;
    const maxBlockBytes = (settings.maxBlockMiB ?? 1) * 2 ** 20;
    const channels = catalogueChannels(catalogue).map(({ path: channel, config: { path: file, offset, type } }) => ({
      path: channel,
      spec: { path: file },
      maxBlockBytes,
      ...(offset === undefined ? {} : { offset }),
      ...(type === undefined ? {} : { type }),
    }));
    const { core, logs } = assembleCore({ database, maker, limits, tables, cacheBytes: 2 ** 26, channels, log });
    const hub = new SessionHub({
      ...{ core, logs, limits, log, server: 'butterfly test', timings: DEFAULT_TIMINGS },
      now: () => performance.now(),
      ...(authority === undefined ? {} : { authority }),
    });
    const web = openWeb(hub, {
      meshes: meshFoldersOf(catalogue, allowed),
      ...(viewer === undefined ? {} : { viewer }),
    });
    const transport = await openTransport(kind, {
      log,
      maxMessageBytes: TRANSPORT_MAX_MESSAGE,
      handlers: {
        upgrade: (request) => decideUpgrade(request, hub, { allowed: [], loopback: true }),
        http: (request) => web.answer(request),
      },
    });
    const port = await transport.listen('127.0.0.1', 0);
    await tables.loadConfig(catalogue);
    return new ParityServer(port, core, web, async () => {
      await hub.leave(0);
      web.close();
      await transport.close();
      await tables.stop();
      await logs.close();
      await maker.close();
      await database.close();
    });
  }

  /** Any request. */
  get(target: string, options: Parameters<typeof fetchRaw>[2] = {}): Promise<FetchedResponse> {
    return fetchRaw(this.port, target, options);
  }

  /** The value of an answer in JSON. */
  async json(target: string): Promise<unknown> {
    const { status, body } = await this.get(target);
    if (status !== 200) throw new Error(`${target} was answered ${status}: ${body}`);
    return JSON.parse(body.toString());
  }

  /** Status and text of an answer. */
  async text(target: string): Promise<[status: number, text: string]> {
    const { status, body } = await this.get(target);
    return [status, body.toString()];
  }

  /** The bytes of a channel of the dataset `d`, as `/api/data` gives them. @throws what else it was answered. */
  async data(channel: string, query: string): Promise<Buffer> {
    const target = dataUrl(channel, query);
    const { status, body } = await this.get(target);
    if (status !== 200) throw new Error(`${target} was answered ${status}: ${body}`);
    return body;
  }

  /** Voxels, row by row, slices under each other: as the TIFF has them that pipelines download. */
  async rows(channel: string, query: string): Promise<(number | bigint)[][]> {
    return tiffRows(await this.data(channel, `${query}&format=tif`));
  }
}

/** The URL of voxels of a channel of `d`, or of `DATASET/CHANNEL`. */
export function dataUrl(channel: string, query: string, method = 'data'): string {
  const [dataset, name] = channel.includes('/') ? channel.split('/') : ['d', channel];
  return `/api/${method}?experiment=e&sample=s&dataset=${dataset}&channel=${name}&${query}`;
}

/** The URL of a list, metadata or features of a channel of `d`, or of `DATASET/CHANNEL`. */
export function channelUrl(method: string, channel: string, query = ''): string {
  return dataUrl(channel, query, method);
}

/** The voxels of a TIFF, row by row. */
export function tiffRows(file: Uint8Array): (number | bigint)[][] {
  const tif = readTiff(file);
  const values = [...viewVoxels(dtypeOf(tif), Uint8Array.from(tif.strip))];
  return Array.from({ length: tif.height }, (_, row) => values.slice(row * tif.width, (row + 1) * tif.width));
}

function dtypeOf({ bits, sampleFormat }: TiffPicture): DType {
  const letter = sampleFormat === 3 ? 'float' : sampleFormat === 2 ? 'int' : 'uint';
  // One of the names, or the view of it fails.
  return `${letter}${bits}` as DType;
}
