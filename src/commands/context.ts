/** What commands work with: the terminal, and the parts of Butterfly that are loaded when a command needs them. */
import type { Limits } from '../../protocol/limits.ts';
import type { EntryKind } from '../../protocol/messages.ts';
import type { Box, ChannelInfo, DatasetInfo } from '../../protocol/volume.ts';
import type { ConnectOptions as ClientOptions } from '../client/options.ts';
import type { Session } from '../client/session.ts';
import type { FindVolumes } from '../ingest/discover.ts';
import type { KeptEdits } from '../ingest/edited-paths.ts';
import type { IngestProgress } from '../ingest/ingest.ts';
import type { IngestOptions } from '../ingest/ingest-volume.ts';
import type { StoreReport, VerifyStoreOptions } from '../ingest/verify-store.ts';
import type { Catalogue } from '../utility/catalogue.ts';
import type { Logger } from '../utility/log.ts';
import type { ProgressTarget } from '../utility/progress.ts';

/** The terminal of a command. */
export interface Terminal {
  /** Writes to standard output; resolves when more may be written. */
  out(text: string): Promise<void>;
  /** Standard error: what people read beside the result. */
  readonly err: ProgressTarget;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls `stop` at the first SIGINT or SIGTERM; a second one ends the process with 130. @returns a function that ends this. */
  onInterrupt(stop: () => void): () => void;
}

/** What `startServer` takes. */
export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly transport: 'auto' | 'uws' | 'ws';
  readonly cacheBytes: number;
  readonly log: Logger;
  readonly catalogue: Catalogue;
  /** Addresses of volumes whose machines are away. */
  readonly away?: readonly string[];
  readonly demo: boolean;
  readonly allowedPaths: readonly string[];
  readonly limits?: Partial<Limits>;
  readonly maxBlockBytes?: number;
  /** File that says who may what. */
  readonly auth?: string;
  /** Everybody may everything, wherever they are. */
  readonly open?: boolean;
  /** Origins of pages that may connect and show the viewer in a frame, besides the server's own. */
  readonly allowedOrigins?: readonly string[];
  /** Hears how the demonstration volume comes along; not called where it is there already. */
  readonly onDemoProgress?: (progress: IngestProgress) => void;
  /** Breaks the start off. */
  readonly signal?: AbortSignal;
}

/** A server that listens. */
export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly transport: 'ws' | 'uws';
  /** Whether browsers see the viewer at `url`. */
  readonly viewer: boolean;
  /** How many channels it shows. */
  readonly channels: number;
  /** Edits in the store whose paths are not served. */
  readonly keptEdits: readonly KeptEdits[];
  stop(): Promise<void>;
}

/** What commands need of a client's session. */
export interface RemoteSession {
  info(path: string): Promise<ChannelInfo | DatasetInfo>;
  list(path: string): Promise<readonly RemoteEntry[]>;
  unique(path: string, options: RemoteBox): Promise<BigUint64Array>;
  pull(path: string, options: RemotePull): AsyncIterable<RemoteTile>;
  close(): Promise<unknown>;
}

/** An entry of a list. */
export interface RemoteEntry {
  readonly name: string;
  readonly kind: EntryKind;
  readonly path: string;
}

export interface RemoteBox {
  readonly mip: number;
  readonly box: Box;
}

/** What is pulled, in which order; the signal ends it. */
export interface RemotePull extends RemoteBox {
  readonly order: 'scan';
  readonly signal: AbortSignal;
}

/** A tile: whole chunks, clipped at the volume's end. */
export interface RemoteTile {
  readonly box: Box;
  /** The voxels of `box`, x fastest, little-endian. @throws BflyError why the chunk cannot be read. */
  bytes(): Uint8Array;
}

/** Options of a client's `connect`. */
export interface ConnectOptions {
  readonly token?: string;
  readonly reconnect: false;
  readonly client: string;
}

/** What commands need of a session that edits, or follows edits. */
export type EditSession = Pick<
  Session,
  'info' | 'list' | 'edit' | 'subscribe' | 'history' | 'on' | 'user' | 'limits' | 'close' | 'closed'
>;

/** Options of a session that edits, or follows edits. */
export type EditConnectOptions = Pick<ClientOptions, 'token' | 'client' | 'name' | 'reconnect' | 'writers'>;

/** What a signed token says. Times are seconds since 1970. */
export interface TokenClaims {
  readonly sub: string;
  readonly name: string;
  readonly exp: number;
  readonly iat: number;
  readonly jti: string;
  readonly iss?: string;
  readonly aud?: string;
  readonly grants: readonly { readonly path: string; readonly rights: readonly string[] }[];
}

/** The parts of Butterfly, loaded when first asked for, so that `bfly --help` loads none. */
export interface Parts {
  startServer(options: ServerOptions): Promise<RunningServer>;
  readonly findVolumes: FindVolumes;
  ingestVolume(options: IngestOptions): Promise<unknown>;
  connect(url: string, options: ConnectOptions): Promise<RemoteSession>;
  connectEditor(url: string, options: EditConnectOptions): Promise<EditSession>;
  /** Copies a store, also while its server runs. */
  backupDatabase(dataDir: string, dir: string): Promise<void>;
  /** Makes a store of a copy. */
  restoreDatabase(fromDir: string, toDir: string): Promise<void>;
  verifyStore(options: VerifyStoreOptions): Promise<readonly StoreReport[]>;
  /** Signs a token. @param key private key or secret. @throws BflyError BAD_REQUEST naming what is legal. */
  signToken(key: Uint8Array, claims: TokenClaims): Promise<string>;
  openLog(level: 'debug' | 'info' | 'warn' | 'error' | 'silent'): Promise<Logger>;
}

/** Everything around a command. */
export interface Context {
  readonly terminal: Terminal;
  readonly parts: Parts;
  readonly version: string;
}

/** Tells the person something beside the result. */
export function say(terminal: Terminal, line: string): void {
  terminal.err.write(`bfly: ${line}\n`);
}
