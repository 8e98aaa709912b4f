/** What all parts of the home page share. */
import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Session, SessionState } from '../../../client/index.ts';
import { Catalogue } from './catalogue.ts';
import { ChannelBoard } from './channel-board.ts';
import { type Found, findChannels, searchWords } from './search.ts';
import { channelsOf, type Level, levelOf, narrowListings } from './tree.ts';

/** What the page is given. */
export interface HomeDeps {
  /** Live; stays the caller's. */
  readonly session: Session;
  /** Shows a view of some channels. */
  readonly open: (paths: readonly string[]) => void;
  /** Address of a view of some channels. */
  readonly linkTo: (paths: readonly string[]) => string;
}

/** Channels that a search shows. */
const MAX_FOUND = 120;
/** How often "3 min ago" is looked at again. */
const TICK_MS = 15_000;

/** The page's state, and how it ends. */
export class Home {
  readonly deps: HomeDeps;
  readonly catalogue: Catalogue;
  readonly board: ChannelBoard;
  readonly query: Signal<string> = signal('');
  /** Milliseconds since 1970, now and then. */
  readonly now: Signal<number> = signal(Date.now());
  readonly connection: Signal<SessionState>;
  /** Undefined where nothing is searched. */
  readonly found: ReadonlySignal<Found | undefined>;
  readonly level: ReadonlySignal<Level>;
  readonly words: ReadonlySignal<readonly string[]>;
  readonly #endings: (() => void)[] = [];

  constructor(deps: HomeDeps) {
    this.deps = deps;
    this.catalogue = new Catalogue(deps.session);
    this.board = new ChannelBoard(deps.session);
    this.connection = signal(deps.session.state);
    this.words = computed(() => searchWords(this.query.value));
    this.found = computed(() => this.#search());
    this.level = computed(() => this.#level());
    const timer = setInterval(() => {
      this.now.value = Date.now();
    }, TICK_MS);
    this.#endings.push(
      () => clearInterval(timer),
      deps.session.on('state', (state) => this.#follow(state)),
      () => this.catalogue.close(),
      () => this.board.close(),
    );
    void this.catalogue.begin();
  }

  /** Begins or changes a search; an empty one ends it. */
  search(text: string): void {
    this.query.value = text;
    if (this.words.value.length > 0) void this.catalogue.loadAll();
  }

  close(): void {
    for (const end of this.#endings.splice(0)) end();
  }

  #follow(state: SessionState): void {
    const isBack = state === 'live' && this.connection.value === 'offline';
    this.connection.value = state;
    if (isBack) void this.catalogue.refresh();
  }

  #search(): Found | undefined {
    if (this.words.value.length === 0) return undefined;
    this.catalogue.version.value; // the lists have no signal of their own
    return findChannels(channelsOf(this.catalogue.listings), this.words.value, MAX_FOUND);
  }

  #level(): Level {
    this.catalogue.version.value; // the lists have no signal of their own
    const { listings, open } = this.catalogue;
    const found = this.found.value;
    if (found === undefined) return levelOf(listings, (path) => open.has(path));
    return levelOf(narrowListings(listings, found.channels), () => true);
  }
}

/** The page around a component. */
export const HomeContext = createContext<Home | undefined>(undefined);

/** @throws Error outside of the page. */
export function useHome(): Home {
  const home = useContext(HomeContext);
  if (home === undefined) throw new Error('this component is part of the home page');
  return home;
}
