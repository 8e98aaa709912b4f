/** A bare subscriber: follows a path over connections that come and go, keeps what it saw, and says so where the rules are broken. */
import type { ServerMessage, WireMap } from '../../protocol/messages.ts';
import { BareSession, Persistent } from './bare-session.ts';
import type { EditLedger, SeenLog } from './edit-ledger.ts';
import { AppliedView, digestOf, type EditView, ModuleView } from './edit-oracle.ts';

export interface WatcherOptions {
  url(): string;
  readonly path: string;
  readonly name: string;
  readonly ledger: EditLedger;
  readonly random: () => number;
  /** Where it comes in: behind edit 0, or with a snapshot. */
  readonly join: 'tail' | 'snapshot';
  /** Rule [S12]; the ledger then checks nothing but its view. */
  readonly filter?: WireMap;
  readonly win?: number;
  /** Hears of each edit when it comes. */
  readonly onEdit?: (edit: WireMap) => void;
}

const WINDOW = 256 * 1024;

/** The subscriber. */
export class Watcher {
  readonly #options: WatcherOptions;
  readonly #line: Persistent;
  #epoch: Uint8Array | undefined;
  #position: number | undefined;
  #start = 0;
  #digests: string[] = [];
  #view = new AppliedView();
  #module = new ModuleView();
  /** Edits of EDITS that go on. */
  #unfinished: WireMap[] | undefined;
  #inSnapshot = false;
  #sub = 0;
  #consumed = 0;
  #granted = 0;
  #waiting: { readonly seq: number; readonly resolve: () => void }[] = [];
  /** Subscriptions that were taken up again with a tail. */
  resumed = 0;
  /** LIVEs that came. */
  lives = 0;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#line = new Persistent(
      () => this.#open(),
      (session) => this.#subscribe(session),
      options.random,
    );
  }

  /** Seq of the last edit that it has; -1 before it has come in. */
  get position(): number {
    return this.#position ?? -1;
  }

  /** What it has, for the ledger. */
  get seen(): SeenLog {
    return {
      name: this.#options.name,
      epoch: Buffer.from(this.#epoch ?? []).toString('hex'),
      start: this.#start,
      digests: this.#digests,
      views: this.views,
    };
  }

  /** What it has applied: by the rules word by word, and by the module that clients use. */
  get views(): readonly EditView[] {
    return [this.#view, this.#module];
  }

  start(): void {
    this.#line.start();
  }

  /** Resolves when it has all edits up to `seq`. */
  async until(seq: number): Promise<void> {
    if (this.position >= seq && !this.#inSnapshot) return;
    await new Promise<void>((resolve) => this.#waiting.push({ seq, resolve }));
  }

  stop(): Promise<void> {
    return this.#line.stop();
  }

  /** Takes no more bytes from its socket until `resume`; returns false where it has none. */
  pause(): boolean {
    this.#line.session?.pause();
    return this.#line.session !== undefined;
  }

  resume(): void {
    this.#line.session?.resume();
  }

  #open(): Promise<BareSession> {
    const { url, name } = this.#options;
    return BareSession.open({
      url: url(),
      client: name,
      onMessage: (message, bytes) => this.#take(message, bytes),
    });
  }

  #subscribe(session: BareSession): void {
    const { path, join, filter, win } = this.#options;
    this.#unfinished = undefined;
    if (this.#epoch === undefined && join === 'tail') return session.send({ kind: 'INFO', id: session.nextId(), path });
    // A snapshot that was cut off is begun again.
    if (this.#inSnapshot) this.#position = undefined;
    this.#inSnapshot = false;
    this.#sub = session.nextId();
    this.#consumed = 0;
    this.#granted = win ?? WINDOW;
    session.send({
      kind: 'SUBSCRIBE',
      id: this.#sub,
      path,
      epoch: this.#position === undefined ? null : (this.#epoch ?? null),
      after: this.#position ?? null,
      ...(filter === undefined ? {} : { filter }),
      win: this.#granted,
    });
  }

  #take(message: ServerMessage, bytes: number): void {
    const { ledger, name } = this.#options;
    ledger.stir();
    switch (message.kind) {
      case 'INFO_OK':
        return this.#learn(message);
      case 'SUBSCRIBE_OK':
        return this.#joined(message);
      case 'RESET':
        return ledger.fault(`${name} was reset with ${message.code} at ${this.position}`);
      case 'SNAP':
        this.#takePage(message);
        return this.#consume(bytes);
      case 'EDITS':
        this.#takeEdits(message);
        return this.#consume(bytes);
      case 'LIVE':
        this.lives++;
        if (message.seq !== this.#position && this.#options.filter === undefined)
          ledger.fault(`${name} is live at ${message.seq} and has ${this.position}`);
        return;
      case 'ERROR':
      case 'UNSUBSCRIBED':
        if ('error' in message && message.error === 'UNAVAILABLE') return this.#line.session?.close();
        return ledger.fault(
          `${name} was told ${message.code}: ${'reason' in message ? message.reason : message.message}`,
        );
      default:
    }
  }

  #learn(message: Extract<ServerMessage, { kind: 'INFO_OK' }>): void {
    if (message.info.kind !== 'channel' || this.#epoch !== undefined) return;
    this.#epoch = Uint8Array.from(message.info.epoch);
    this.#position = 0;
    if (this.#line.session !== undefined) this.#subscribe(this.#line.session);
  }

  #joined(message: Extract<ServerMessage, { kind: 'SUBSCRIBE_OK' }>): void {
    const { ledger, name } = this.#options;
    const { mode, head } = message;
    const wanted = this.#position === undefined ? 'snapshot' : 'tail';
    if (mode !== wanted) ledger.fault(`${name} at ${this.position} of ${head} got "${mode}", not "${wanted}"`);
    if (mode === 'tail') this.resumed++;
    else {
      this.#inSnapshot = true;
      this.#view = new AppliedView();
      this.#module = new ModuleView();
      this.#digests = [];
    }
    this.#epoch ??= Uint8Array.from(message.epoch);
    if (Buffer.compare(this.#epoch, message.epoch) !== 0) ledger.fault(`${name} saw the epoch change`);
  }

  #takePage({ seq, section, rows, more }: Extract<ServerMessage, { kind: 'SNAP' }>): void {
    if (!this.#inSnapshot) return this.#options.ledger.fault(`${this.#options.name} got a page of no snapshot`);
    this.#view.takePage(section, rows);
    this.#module.takePage(section, rows);
    if (section !== 'end' || more) return;
    this.#inSnapshot = false;
    this.#start = seq;
    this.#moveTo(seq);
  }

  #takeEdits({ from, upto, flags, edits }: Extract<ServerMessage, { kind: 'EDITS' }>): void {
    const { ledger, name, filter } = this.#options;
    if (this.#inSnapshot) return ledger.fault(`${name} got edits in the middle of a snapshot`);
    const all = this.#unfinished === undefined ? [...edits] : goOn(this.#unfinished, edits);
    if (this.#unfinished === undefined && from !== this.#position)
      ledger.fault(`${name} has ${this.position} and got edits from ${from}`);
    this.#unfinished = (flags & 1) === 0 ? undefined : all;
    if (this.#unfinished !== undefined) return;
    if (filter === undefined && all.length !== upto - from)
      ledger.fault(`${name} got ${all.length} edits for (${from}, ${upto}]`);
    for (const edit of all) {
      this.#digests.push(digestOf(edit));
      this.#view.apply(edit['changes']);
      this.#module.apply(edit['changes']);
      this.#options.onEdit?.(edit);
    }
    this.#moveTo(upto);
  }

  #moveTo(seq: number): void {
    this.#position = seq;
    const due = this.#waiting.filter((waiting) => waiting.seq <= seq);
    this.#waiting = this.#waiting.filter((waiting) => waiting.seq > seq);
    for (const { resolve } of due) resolve();
  }

  /** Rules [D11], [D13]: EDITS and SNAP count on their subscription only. */
  #consume(bytes: number): void {
    const { win = WINDOW } = this.#options;
    this.#consumed += bytes;
    if (this.#granted - this.#consumed > win / 2) return;
    this.#granted = this.#consumed + win;
    this.#line.session?.send({ kind: 'CREDIT', id: 0, grants: [[this.#sub, this.#granted]] });
  }
}

/** Rule [S7], flag 1: the last edit's `parted` goes on. */
function goOn(before: readonly WireMap[], next: readonly WireMap[]): WireMap[] {
  const [last, first] = [before[before.length - 1], next[0]];
  const changes = (edit: WireMap | undefined): WireMap => (edit?.['changes'] ?? {}) as WireMap;
  const parts = (edit: WireMap | undefined): unknown[] => (changes(edit)['parted'] ?? []) as unknown[];
  const joined = { ...last, changes: { ...changes(last), parted: [...parts(last), ...parts(first)] } };
  return [...before.slice(0, -1), joined, ...next.slice(1)];
}
