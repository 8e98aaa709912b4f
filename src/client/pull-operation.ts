/** The working pull: tiles as they come, over as many connections as it takes. */
import {
  BflyError,
  type ClientMessage,
  type DType,
  MalformedFrame,
  type ServerMessage,
  type Vec3,
} from '../../protocol/index.ts';
import { CreditAccount } from './credit.ts';
import { frameError, type Handler, type Line, tileMessageBytes, unexpected } from './line.ts';
import { type Operation, type OperationHost, onAbort, refusedByLeaving } from './operation.ts';
import type { Pull, PullReady, PullStatus } from './pull.ts';
import { makeTile, type Tile } from './tile.ts';
import { type JoinedTile, TileJoiner } from './tile-joiner.ts';
import { TileQueue } from './tile-queue.ts';
import { clampWindow, frameOf } from './window.ts';

/** The fields of PULL that do not change with the connection. */
export type PullRequest = Omit<Extract<ClientMessage, { kind: 'PULL' }>, 'kind' | 'id' | 'win'>;

/** Settings of a pull besides its request. */
export interface PullSettings {
  readonly window: number | undefined;
  /** Whether WELCOME's frame is the user's wish; else it follows the window. */
  readonly hasFrame: boolean;
  readonly verify: boolean;
  readonly signal: AbortSignal | undefined;
}

/** The working pull. */
export class PullOperation implements Pull, Operation, Handler {
  readonly isPull = true;
  readonly ready: Promise<PullReady>;
  readonly #host: OperationHost;
  readonly #settings: PullSettings;
  readonly #queue = new TileQueue<Tile>((bytes) => this.#taken(bytes));
  readonly #forgetAbort: () => void;
  #settleReady: { resolve: (ready: PullReady) => void; reject: (error: unknown) => void } | undefined;
  #request: PullRequest | undefined;
  #priority: { urgency: number; focus: Vec3 | null };
  #status: PullStatus = 'waiting';
  #joiner: TileJoiner;
  #dtype: DType | undefined;
  #count = 0;
  /** First voxels of tiles that were put in the queue, to drop them when a later connection brings them again. */
  #delivered: Set<string> | undefined;
  #line: Line | undefined;
  #id = 0;
  #account: CreditAccount | undefined;

  /**
   * Begins at once.
   *
   * @param request the PULL, or a promise of it where something has to be asked first.
   */
  constructor(
    host: OperationHost,
    request: PullRequest | Promise<PullRequest>,
    urgency: number | undefined,
    settings: PullSettings,
  ) {
    this.#host = host;
    this.#settings = settings;
    this.#priority = { urgency: urgency ?? 3, focus: null };
    this.#joiner = new TileJoiner(settings.verify);
    this.#delivered = host.carries ? new Set() : undefined;
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    this.ready.catch(() => {}); // whoever iterates hears of it there
    this.#forgetAbort = onAbort(settings.signal, (reason) => this.#stop('cancelled', { error: reason }));
    if (settings.signal?.aborted) this.#stop('cancelled', { error: settings.signal.reason });
    if (request instanceof Promise)
      request.then(
        (asked) => this.#submit(asked),
        (error) => this.fail(error),
      );
    else this.#submit(request);
  }

  get status(): PullStatus {
    return this.#status;
  }

  get urgency(): number {
    return this.#priority.urgency;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Tile, undefined>> {
    return this.#queue.next();
  }

  async return(): Promise<IteratorResult<Tile, undefined>> {
    this.cancel();
    return { done: true, value: undefined };
  }

  cancel(): void {
    this.#stop('cancelled', {});
  }

  prioritise(urgency: number, focus?: Vec3): void {
    if (this.#over) return;
    this.#priority = { urgency, focus: focus ?? this.#priority.focus };
    const line = this.#line;
    if (line === undefined) {
      this.#queueAgain();
      return;
    }
    const id = line.claim({ receive: (message) => message.kind !== 'IGNORED' });
    line.send({ kind: 'PRIO', id, pull: this.#id, urgency, focus: focus ?? null });
  }

  start(line: Line): void {
    const request = this.#request;
    if (request === undefined) return;
    const { urgency, focus } = this.#priority;
    const fixed = this.#settings.window === undefined ? undefined : clampWindow(this.#settings.window);
    const window = (): number => fixed ?? line.window;
    const first = window();
    const frame = this.#settings.hasFrame ? line.welcome.frame : frameOf(first);
    this.#line = line;
    this.#id = line.claim(this);
    this.#account = new CreditAccount(window, first);
    this.#account.park(this.#queue.bytes); // what an earlier line brought takes room too
    line.credit.open(this.#id, this.#account);
    line.send({
      ...(frame === line.welcome.frame ? {} : { frame }),
      ...request,
      kind: 'PULL',
      id: this.#id,
      ...(urgency === 3 ? {} : { urgency }),
      ...(focus === null ? {} : { focus }),
      ...(first === line.welcome.win ? {} : { win: first }),
    });
  }

  receive(message: ServerMessage): boolean {
    switch (message.kind) {
      case 'PULL_OK':
        this.#begin(message);
        return false;
      case 'TILE':
        this.#take(message);
        return false;
      case 'END':
        this.#end(message.status);
        return true;
      case 'ERROR':
        if (!this.#over && refusedByLeaving(message, this.#line, this.#host.carries)) {
          this.#forgetLine();
          return true;
        }
        this.#leave();
        this.#settle('failed', { error: frameError(message) });
        return true;
      case 'IGNORED':
        return false;
      default:
        throw unexpected(message, 'PULL');
    }
  }

  lost(_error: BflyError): void {
    this.#forgetLine();
    // What was cancelled ends with the line; all else is started again on the next.
    if (this.#over) this.#host.finish(this);
  }

  fail(error: unknown): void {
    this.#settle('failed', { error });
  }

  get #over(): boolean {
    return this.#status !== 'waiting' && this.#status !== 'open';
  }

  #submit(request: PullRequest): void {
    if (this.#over) return;
    this.#request = request;
    this.#host.submit(this);
  }

  /** Those that wait stand in a lane by urgency. */
  #queueAgain(): void {
    if (this.#request === undefined) return;
    this.#host.finish(this);
    this.#host.submit(this);
  }

  #begin(message: Extract<ServerMessage, { kind: 'PULL_OK' }>): void {
    const { tiles, dtype, at } = message;
    if (this.#over) return;
    if (this.#dtype !== undefined && this.#dtype !== dtype) {
      const text = `the channel was ${this.#dtype} and has become ${dtype} while the connection was lost; pull again`;
      this.#stop('failed', { error: new BflyError('UNAVAILABLE', text) });
      return;
    }
    this.#dtype = dtype;
    this.#status = 'open';
    this.#settleReady?.resolve({ tiles, dtype, at });
    this.#settleReady = undefined;
  }

  #take({ header, payload }: Extract<ServerMessage, { kind: 'TILE' }>): void {
    this.#account?.arrive(tileMessageBytes(payload));
    if (!this.#over) {
      if (this.#dtype === undefined) throw new MalformedFrame('TILE came before the answer to PULL');
      const joined = this.#joiner.add(header, payload);
      if (joined !== undefined) this.#deliver(joined, this.#dtype);
    }
    this.#checkCredit();
  }

  #deliver(joined: JoinedTile, dtype: DType): void {
    const { x, y, z } = joined.header;
    const place = `${x},${y},${z}`;
    if (this.#delivered?.has(place)) return;
    this.#delivered?.add(place);
    const tile = makeTile(joined, dtype, this.#count++);
    this.#account?.park(joined.wireBytes);
    this.#queue.push(tile, joined.wireBytes);
  }

  #taken(bytes: number): void {
    if (this.#over && this.#queue.length === 0) this.#forgetAbort();
    this.#account?.take(bytes);
    this.#checkCredit();
  }

  #checkCredit(): void {
    if (this.#account !== undefined) this.#line?.credit.check(this.#account);
  }

  #end(status: 'done' | 'cancelled' | 'replaced'): void {
    if (!this.#over && status === 'done' && this.#joiner.midway)
      throw new MalformedFrame('END came in the middle of a tile');
    this.#leave();
    if (status === 'cancelled')
      this.#settle('failed', { error: new BflyError('CANCELLED', 'the server cancelled the pull') });
    else this.#settle(status, {});
  }

  /** Ends the pull from this side; its id stays in use until the server has ended it too. */
  #stop(status: PullStatus, ending: { readonly error?: unknown }): void {
    if (this.#over && this.#queue.length === 0) return;
    this.#queue.cut(ending);
    if (this.#over) {
      // The server was done, the consumer was not.
      this.#status = status;
      this.#forgetAbort();
      return;
    }
    const line = this.#line;
    this.#settle(status, ending, line !== undefined);
    line?.send({ kind: 'CANCEL', id: this.#id });
  }

  #leave(): void {
    this.#forgetLine();
    this.#host.finish(this);
  }

  #forgetLine(): void {
    this.#line?.credit.close(this.#id);
    this.#line = undefined;
    this.#account = undefined;
    this.#joiner = new TileJoiner(this.#settings.verify);
  }

  #settle(status: PullStatus, ending: { readonly error?: unknown }, stillRuns = false): void {
    if (this.#over) return;
    this.#status = status;
    this.#delivered = undefined;
    this.#queue.end(ending);
    const error = 'error' in ending ? ending.error : new BflyError('CANCELLED', `the pull is ${status}`);
    this.#settleReady?.reject(error);
    this.#settleReady = undefined;
    if (this.#queue.length === 0) this.#forgetAbort();
    if (!stillRuns) this.#host.finish(this);
  }
}
