/** From the command line and the configuration to what a server needs. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import { type Discovery, discover, type FindVolumes } from '../ingest/discover.ts';
import {
  type Catalogue,
  type Config,
  EMPTY_CATALOGUE,
  isConfigText,
  mergeCatalogues,
  readConfig,
  type Settings,
} from '../utility/config.ts';
import type { LogLevel } from '../utility/log.ts';
import { isRemoteUrl, plainRemoteUrl } from '../utility/remote-url.ts';
import type { ServerOptions } from './context.ts';
import { describeSkipped } from './discover.ts';

/** The options of `bfly serve`, as they were given. */
export interface ServeOptions {
  readonly host?: string;
  readonly port?: number;
  readonly data?: string;
  readonly transport?: 'auto' | 'uws' | 'ws';
  readonly cacheMb?: number;
  readonly logLevel?: LogLevel;
  readonly demo?: boolean;
  readonly exp?: string;
  readonly out?: string;
  readonly auth?: string;
  readonly open?: boolean;
  readonly origin?: readonly string[];
}

/** What to serve, and how. */
export interface ServePlan {
  readonly server: Omit<ServerOptions, 'log'>;
  readonly logLevel: LogLevel;
  /** Sentences for the person: what had no effect, what was skipped. */
  readonly warnings: readonly string[];
}

/** The world of a plan. */
export interface PlanContext {
  readonly findVolumes: FindVolumes;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Home folder; default: the user's. */
  readonly home?: string;
}

const MiB = 1024 * 1024;
const PORT = 2001;
const CACHE_MIB = 1024;

/**
 * Makes the plan of a server. The command line goes before the files named on it, and these before `$RH_CONFIG_FILENAME`
 * or `~/.rh-config.yaml`, whose experiments are served only where nothing else is asked for.
 *
 * @param sources folders, volumes, configurations; a number alone is the port, as `bfly 2017` always meant.
 * @throws BflyError NOT_FOUND, UNSUPPORTED, BAD_REQUEST naming the source.
 */
export async function planServer(
  sources: readonly string[],
  options: ServeOptions,
  context: PlanContext,
): Promise<ServePlan> {
  const { named, port } = await splitPort(sources);
  const lookup = { env: context.env, ...(context.home === undefined ? {} : { home: context.home }) };
  const usual = await readConfig(lookup);
  const catalogues: Catalogue[] = [];
  const configs: Config[] = [];
  const warnings: string[] = [];
  const away: string[] = [];
  const wanted = named.map((source) => ({ source, isConfig: false }));
  if (options.exp !== undefined) wanted.push({ source: options.exp, isConfig: true });
  for (const { source, isConfig } of wanted) {
    if (isConfig ? await isFile(source) : await isConfigFile(source)) {
      const config = await readConfig({ ...lookup, file: source });
      configs.push(config);
      catalogues.push(config.catalogue);
    } else {
      const found = await discoverSource(source, context.findVolumes).catch((error: unknown) => {
        if (!isRemoteUrl(source) || !(error instanceof BflyError) || error.code !== 'UNAVAILABLE') throw error;
        warnings.push(`${error.message}; what was read of it before is served`);
        away.push(plainRemoteUrl(source));
      });
      if (found === undefined) continue;
      warnings.push(...describeSkipped(found));
      if (found.experiments.length === 0) warnings.push(`no volume was found in ${source}`);
      catalogues.push(found);
    }
  }
  const isUsual = wanted.length === 0 && !options.demo;
  const settings = joinSettings([usual, ...configs]);
  warnings.unshift(...(isUsual ? [usual, ...configs] : configs).flatMap((config) => config.warnings));
  const catalogue = isUsual ? usual.catalogue : mergeCatalogues(catalogues);
  return {
    server: {
      ...serverOptions(catalogue, settings, { ...options, ...(port === undefined ? {} : { port }) }),
      ...(away.length === 0 ? {} : { away }),
    },
    logLevel: options.logLevel ?? settings.logLevel ?? 'info',
    warnings,
  };
}

function serverOptions(catalogue: Catalogue, settings: Settings, options: ServeOptions): Omit<ServerOptions, 'log'> {
  return {
    host: options.host ?? settings.host ?? '127.0.0.1',
    port: options.port ?? settings.port ?? PORT,
    dataDir: path.resolve(options.data ?? settings.data ?? '.bfly'),
    transport: options.transport ?? settings.transport ?? 'auto',
    cacheBytes: Math.floor((options.cacheMb ?? settings.maxCacheMiB ?? CACHE_MIB) * MiB),
    catalogue: catalogue.experiments.length === 0 ? EMPTY_CATALOGUE : { experiments: catalogue.experiments },
    demo: options.demo ?? false,
    ...(options.auth === undefined ? {} : { auth: path.resolve(options.auth) }),
    ...(options.open === undefined ? {} : { open: options.open }),
    ...(options.origin === undefined ? {} : { allowedOrigins: options.origin }),
    allowedPaths: settings.allowedPaths ?? [path.parse(process.cwd()).root],
    ...(settings.limits === undefined ? {} : { limits: settings.limits }),
    ...(settings.maxBlockMiB === undefined ? {} : { maxBlockBytes: Math.floor(settings.maxBlockMiB * MiB) }),
  };
}

function joinSettings(configs: readonly Config[]): Settings {
  return Object.assign({}, ...configs.map(({ settings }) => settings));
}

/** Takes `bfly 2017` apart: a number that is no file is the port. */
async function splitPort(sources: readonly string[]): Promise<{ named: string[]; port?: number }> {
  const named: string[] = [];
  let port: number | undefined;
  for (const source of sources) {
    if (!/^\d+$/.test(source) || (await exists(source))) {
      named.push(source);
      continue;
    }
    port = Number(source);
    if (port > 65_535) throw new BflyError('BAD_REQUEST', `${source} is no port and no file; a port is 0 to 65535`);
  }
  return port === undefined ? { named } : { named, port };
}

async function isConfigFile(source: string): Promise<boolean> {
  if (!(await exists(source))) return false;
  if (!(await isFile(source))) return false;
  if (/\.ya?ml$/i.test(source)) return true;
  // Other JSON files describe stacks of images.
  return /\.json$/i.test(source) && isConfigText(await readFile(source, 'utf8'));
}

/** As `discover`, saying what else a word on the command line might have been. */
async function discoverSource(source: string, findVolumes: FindVolumes): Promise<Discovery> {
  return discover(source, findVolumes).catch((error: unknown) => {
    if (!(error instanceof BflyError) || error.code !== 'NOT_FOUND' || path.dirname(source) !== '.') throw error;
    throw new BflyError('NOT_FOUND', `"${source}" is no command, file or folder; see bfly --help`, { cause: error });
  });
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

async function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => {
      throw new BflyError('NOT_FOUND', `there is no file or folder "${file}"`);
    },
  );
}
