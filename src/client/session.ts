/** A session: everything that a client can ask of a server. */
import {
  BflyError,
  type Box,
  type ChannelInfo,
  type DatasetInfo,
  type EncodingName,
  type Limits,
  type ListEntry,
  mipBox,
} from '../../protocol/index.ts';
import { Connection, type SessionEnd, type SessionEvents, type SessionState } from './connection.ts';
import { assembleCutout, type CutoutOptions, type CutoutResult, checkCutoutSize } from './cutout.ts';
import type { EditOp } from './edit-input.ts';
import type { EditResult } from './edit-result.ts';
import { Editing, type EditOptions } from './editing.ts';
import { type History, type HistoryOptions, readHistory } from './history.ts';
import { type LiveChannel, LiveChannelOverlay } from './live-channel.ts';
import type { ConnectOptions, Environment } from './options.ts';
import type { Pull, PullOptions } from './pull.ts';
import { PullOperation, type PullRequest } from './pull-operation.ts';
import {
  type AskOptions,
  askFeature,
  askInfo,
  askList,
  askUnique,
  type FeatureOptions,
  type UniqueOptions,
} from './requests.ts';
import { endpointOf } from './socket.ts';
import type { Subscription, SubscriptionOptions } from './subscription.ts';
import { SubscriptionOperation } from './subscription-operation.ts';
import { preferredEncodings } from './tile.ts';

/** Who the server takes us for. */
export interface SessionUser {
  readonly id: string;
  readonly name: string;
}

/** Channels whose INFO is remembered for default encodings and boxes. */
const MAX_INFOS = 64;

/**
 * A lasting connection to a server. What is asked while the connection is lost waits for the next one, and what was under
 * way is asked again; see `ConnectOptions.reconnect`. Every promise may reject with a `BflyError` of the server's ERROR,
 * with UNAVAILABLE where the connection is lost for good, CANCELLED where the session was closed, or the signal's reason.
 */
export class Session {
  readonly #connection: Connection;
  readonly #verify: boolean;
  /** Whether the user has named the largest frame of all pulls. */
  readonly #hasFrame: boolean;
  readonly #editing: Editing;
  /** Newest INFO by path, the least recently asked first. */
  readonly #infos = new Map<string, ChannelInfo | DatasetInfo>();

  /** @param connection already open. */
  constructor(connection: Connection, options: ConnectOptions) {
    this.#connection = connection;
    this.#verify = options.verify === true;
    this.#hasFrame = options.frame !== undefined;
    this.#editing = new Editing(connection, options.writers);
  }

  get state(): SessionState {
    return this.#connection.state;
  }

  /** Resolves, never rejects, when the session is over for good. */
  get closed(): Promise<SessionEnd> {
    return this.#connection.closed;
  }

  get user(): SessionUser {
    return this.#connection.welcome?.user ?? { id: '', name: '' };
  }

  /** What an anonymous user gives back as `ConnectOptions.token` to be the same one again, such as after a reload; '' for others. */
  get secret(): string {
    return this.#connection.welcome?.session ?? '';
  }

  /** Limits that the server named, and the protocol's defaults for the rest. */
  get limits(): Limits {
    return this.#connection.limits;
  }

  /** The server's name and version. */
  get server(): string {
    return this.#connection.welcome?.server ?? '';
  }

  /** Calls `listener` at every event of that name. @returns a function that ends it. */
  on<Name extends keyof SessionEvents>(name: Name, listener: (value: SessionEvents[Name]) => void): () => void {
    return this.#connection.events.on(name, listener);
  }

  /**
   * Tells the others another name or colour, as those of `ConnectOptions`. The connection is made anew for it; what is under way goes on.
   * Whom a token names keeps that name.
   */
  introduce(person: { readonly name?: string; readonly color?: string }): void {
    this.#connection.introduce(person);
  }

  /** Ends the session and everything that is under way. */
  close(): Promise<SessionEnd> {
    this.#connection.end({ code: 1000, reason: '' });
    return this.closed;
  }

  /** Measures the round trip, ms. @throws BflyError UNAVAILABLE where there is no connection. */
  async ping(): Promise<number> {
    const { line } = this.#connection;
    if (line === undefined) throw new BflyError('UNAVAILABLE', 'there is no connection to the server');
    return line.ping();
  }

  /** What a channel or a dataset is. @throws BflyError NOT_FOUND, also where we may not read it. */
  async info(path: string, options: AskOptions = {}): Promise<ChannelInfo | DatasetInfo> {
    const info = await askInfo(this.#connection, path, options);
    this.#infos.delete(path);
    this.#infos.set(path, info);
    for (const oldest of this.#infos.keys()) {
      if (this.#infos.size <= MAX_INFOS) break;
      this.#infos.delete(oldest);
    }
    return info;
  }

  /** What is under a path; '' is the root. All pages. */
  list(path = '', options: AskOptions = {}): Promise<ListEntry[]> {
    return askList(this.#connection, path, options);
  }

  /** The value of a feature as the server sent it; its shape depends on the feature. */
  feature(path: string, feature: string, options: FeatureOptions = {}): Promise<unknown> {
    return askFeature(this.#connection, path, feature, options);
  }

  /** The different values in a box, ascending, 0 included where it occurs. All pages. Owned. */
  async unique(path: string, options: UniqueOptions = {}): Promise<BigUint64Array> {
    const box = options.box ?? (await this.#wholeLevel(path, options.mip ?? 0, options.signal));
    return askUnique(this.#connection, path, box, options);
  }

  /**
   * The chunks that meet a box, each whole, as they come.
   *
   * Tiles wait in the pull until they are taken; the server sends no more than the window beyond them.
   */
  pull(path: string, options: PullOptions = {}): Pull {
    const { signal, window, urgency, box } = options;
    const enc = options.enc ?? this.#knownEncodings(path);
    const request =
      box === undefined || enc === undefined ? this.#fullRequest(path, options) : pullRequest(path, options, box, enc);
    const settings = { window, hasFrame: this.#hasFrame, verify: this.#verify, signal };
    return new PullOperation(this.#connection, request, urgency, settings);
  }

  /**
   * A box of voxels as one array.
   *
   * @throws BflyError TOO_LARGE over `maxBytes`, the error of a chunk that cannot be read, and all that a pull throws.
   */
  async cutout(path: string, options: CutoutOptions = {}): Promise<CutoutResult> {
    const { mip = 0, at, epoch, map, enc, urgency, signal } = options;
    const box = options.box ?? (await this.#wholeLevel(path, mip, signal));
    checkCutoutSize(box, 'uint8', options.maxBytes); // no dtype is smaller: refused before anything is asked
    const pull = this.pull(path, {
      mip,
      box,
      order: 'scan',
      ...(at === undefined ? {} : { at }),
      ...(epoch === undefined ? {} : { epoch }),
      ...(map === undefined ? {} : { map }),
      ...(enc === undefined ? {} : { enc }),
      ...(urgency === undefined ? {} : { urgency }),
      ...(signal === undefined ? {} : { signal }),
    });
    return assembleCutout(pull, mip, box, options);
  }

  /**
   * Changes a path: one edit of one or more ops, which are applied together or not at all. Applied exactly once, over as many
   * connections as it takes, in the order of the calls; resolves once it is durable.
   *
   * What certainly was not applied for now (a busy server, a rate) is sent again after a while. Of the edits that are refused for good
   * those behind them know nothing: wait for one before making another that needs it.
   *
   * @example
   * const { seq } = await session.edit(path, [{ op: 'merge', ids: [17n, 23n] }], { base: subscription.seq });
   * @throws BflyError at once (as a rejection) for ops that cannot be sent; ConflictError where others were first; EPOCH_MISMATCH where
   * the log was begun anew, see the event `orphaned`; else the server's error.
   */
  async edit(path: string, ops: readonly EditOp[], options: EditOptions = {}): Promise<EditResult> {
    return this.#editing.edit(path, ops, options).result;
  }

  /** Sends the edits of a path that an earlier page left without an answer, see `ConnectOptions.writers` and the event `recovered`. */
  recover(path: string): Promise<void> {
    return this.#editing.recover(path);
  }

  /** Follows the edits of a path, and the state that they add up to. */
  subscribe(path: string, options: SubscriptionOptions = {}): Subscription {
    const askHead = async (asked: string): Promise<{ readonly epoch: Uint8Array; readonly head: number }> => {
      const info = await askInfo(this.#connection, asked, askOptions(options.signal));
      if (info.kind === 'channel') return info;
      throw new BflyError('BAD_REQUEST', `${asked} is a dataset; edits are followed on one of its channels`);
    };
    const home = { connection: this.#connection, editing: this.#editing, askHead };
    return new SubscriptionOperation(home, path, options).face;
  }

  /** Follows a path and edits it: own edits show before they are answered, and can be undone. */
  open(path: string, options: SubscriptionOptions = {}): LiveChannel {
    return new LiveChannelOverlay(this.#editing, this.subscribe(path, options));
  }

  /** Past edits of a path, oldest first. */
  history(path: string, options: HistoryOptions = {}): History {
    return readHistory(this.#connection, path, options, (wid) => this.#editing.owns(path, wid));
  }

  /** Asks for what the caller left to us. */
  async #fullRequest(path: string, options: PullOptions): Promise<PullRequest> {
    const info = this.#infos.get(path) ?? (await this.info(path, askOptions(options.signal)));
    const box = options.box ?? levelBox(info, options.mip ?? 0);
    return pullRequest(path, options, box, options.enc ?? encodingsOf(info));
  }

  #knownEncodings(path: string): readonly EncodingName[] | undefined {
    const info = this.#infos.get(path);
    return info === undefined ? undefined : encodingsOf(info);
  }

  async #wholeLevel(path: string, mip: number, signal: AbortSignal | undefined): Promise<Box> {
    return levelBox(this.#infos.get(path) ?? (await this.info(path, askOptions(signal))), mip);
  }
}

/**
 * Connects.
 *
 * @throws BflyError BAD_REQUEST for a url that is none; else as `Connection.open`.
 */
export async function openSession(url: string, options: ConnectOptions, environment: Environment): Promise<Session> {
  const connection = new Connection(endpointOf(url), options, environment);
  await connection.open();
  return new Session(connection, options);
}

function askOptions(signal: AbortSignal | undefined): AskOptions {
  return signal === undefined ? {} : { signal };
}

function encodingsOf(info: ChannelInfo | DatasetInfo): readonly EncodingName[] {
  return info.kind === 'channel' ? preferredEncodings(info.enc) : ['raw'];
}

function levelBox(info: ChannelInfo | DatasetInfo, mip: number): Box {
  const level = info.kind === 'channel' ? info.mips[mip] : undefined;
  if (level !== undefined) return mipBox(level);
  if (info.kind === 'dataset')
    throw new BflyError('BAD_REQUEST', `${info.path} is a dataset; voxels are read from one of its channels`);
  throw new BflyError('BAD_REQUEST', `mip must be an integer from 0 to ${info.mips.length - 1}`);
}

function pullRequest(path: string, o: PullOptions, box: Box, enc: readonly EncodingName[]): PullRequest {
  return {
    path,
    mip: o.mip ?? 0,
    box,
    enc,
    ...(o.order === undefined ? {} : { order: o.order }),
    ...(o.focus === undefined ? {} : { focus: o.focus }),
    ...(o.replace === undefined ? {} : { replace: o.replace }),
    ...(o.at === undefined ? {} : { at: o.at }),
    ...(o.epoch === undefined ? {} : { epoch: o.epoch }),
    ...(o.minSeq === undefined ? {} : { minSeq: o.minSeq }),
    ...(o.map === undefined ? {} : { map: o.map }),
    ...(o.frame === undefined ? {} : { frame: o.frame }),
  };
}
