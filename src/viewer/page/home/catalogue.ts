/** What the server holds, list by list, as far as it was opened or searched. */
import { type Signal, signal } from '@preact/signals';
import type { Session } from '../../../client/index.ts';
import type { Listing } from './tree.ts';
import { WorkQueue } from './work-queue.ts';

/** At the beginning groups are opened until so many channels show … */
const FIRST_CHANNELS = 24;
/** … or so many lists were asked for. */
const FIRST_LISTS = 40;
/** Lists that are asked for at a time when everything is searched. */
const AT_ONCE = 4;
/** Experiment, sample, dataset. */
const DEEPEST = 3;

/** Lists of a server and what is open of them. */
export class Catalogue {
  /** Lists by path; '' is the root. Changed in place: `version` tells. */
  readonly listings = new Map<string, Listing>();
  readonly open = new Set<string>();
  /** Is another number whenever lists or what is open have changed; at most once a frame. */
  readonly version: Signal<number> = signal(0);
  /** Whether every list has come. */
  readonly isComplete: Signal<boolean> = signal(false);
  readonly #session: Pick<Session, 'list'>;
  readonly #abort = new AbortController();
  readonly #loads = new Map<string, Promise<Listing>>();
  #all: Promise<void> | undefined;
  #frame: number | undefined;

  constructor(session: Pick<Session, 'list'>) {
    this.#session = session;
  }

  /** The root and the first groups in it. Never rejects: what failed is in `listings`. */
  async begin(): Promise<void> {
    const queue = [''];
    let channels = 0;
    for (let lists = 0; lists < FIRST_LISTS && channels < FIRST_CHANNELS; lists++) {
      const path = queue.shift();
      if (path === undefined || this.#abort.signal.aborted) break;
      const listing = await this.#descend(path);
      if (listing.kind !== 'loaded') continue;
      this.open.add(path);
      const groups = listing.entries.filter(({ kind }) => kind !== 'channel');
      channels += listing.entries.length - groups.length;
      // Down first: of a server with very much, the beginning is open as far as its channels.
      queue.unshift(...groups.map((entry) => entry.path));
    }
    this.#changed();
  }

  /** Asks for a list unless it is there, or on its way. */
  load(path: string): Promise<Listing> {
    const known = this.#loads.get(path);
    if (known !== undefined) return known;
    const load = this.#ask(path);
    this.#loads.set(path, load);
    this.#set(path, { kind: 'loading' });
    return load;
  }

  /** Opens a group, or closes it. What it holds alone is opened with it. */
  async toggle(path: string): Promise<void> {
    const wasOpen = this.open.delete(path);
    if (!wasOpen) this.open.add(path);
    // At once: the next key looks at what this one did.
    this.version.value++;
    if (!wasOpen) await this.#descend(path);
  }

  /** Asks again for a list that failed. */
  retry(path: string): Promise<Listing> {
    this.#loads.delete(path);
    return this.load(path);
  }

  /** Every list there is, for a search. */
  loadAll(): Promise<void> {
    this.#all ??= this.#walk();
    return this.#all;
  }

  /** The server may hold other things now: every list is asked for again, and what is open stays so. */
  async refresh(): Promise<void> {
    const wasEmpty = this.open.size <= 1;
    this.#loads.clear();
    this.#all = undefined;
    this.isComplete.value = false;
    // What was there is shown until its successor comes.
    for (const path of this.listings.keys()) this.#loads.set(path, this.#ask(path));
    if (wasEmpty) return this.begin();
    await Promise.all([...this.open].map((path) => this.#descend(path)));
  }

  /** Ends what is under way. */
  close(): void {
    this.#abort.abort();
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
  }

  /** Loads a group, and what it holds alone. @returns the list of the last one. */
  async #descend(path: string): Promise<Listing> {
    let listing = await this.load(path);
    // The root's entries are lines of their own.
    for (let next = path && onlyPath(listing); next; next = onlyPath(listing)) {
      if (next === path || this.#abort.signal.aborted) break;
      listing = await this.load(next);
    }
    return listing;
  }

  async #ask(path: string): Promise<Listing> {
    let listing: Listing;
    try {
      const entries = await this.#session.list(path, { signal: this.#abort.signal });
      listing = { kind: 'loaded', entries };
    } catch (error) {
      listing = { kind: 'failed', fault: error instanceof Error ? error.message : String(error) };
    }
    this.#set(path, listing);
    return listing;
  }

  async #walk(): Promise<void> {
    const queue = new WorkQueue(AT_ONCE);
    const visit = async (path: string, depth: number): Promise<void> => {
      const listing = await queue.run(undefined, () => this.load(path));
      if (listing.kind !== 'loaded' || depth === DEEPEST) return;
      const groups = listing.entries.filter(({ kind }) => kind !== 'channel');
      await Promise.all(groups.map((entry) => visit(entry.path, depth + 1)));
    };
    await visit('', 0);
    if (!this.#abort.signal.aborted) this.isComplete.value = true;
  }

  #set(path: string, listing: Listing): void {
    if (this.#abort.signal.aborted) return;
    this.listings.set(path, listing);
    this.#changed();
  }

  #changed(): void {
    if (this.#abort.signal.aborted) return;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.version.value++;
    });
  }
}

/** What a group holds, where that is one group alone. */
function onlyPath(listing: Listing): string | undefined {
  if (listing.kind !== 'loaded' || listing.entries.length !== 1) return undefined;
  const only = listing.entries[0];
  return only?.kind === 'channel' ? undefined : only?.path;
}
