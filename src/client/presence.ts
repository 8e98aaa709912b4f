/** Who else looks at a path, and where: sending our state, at most so often, and keeping that of the others. Rules [P1]..[P3]. */
import { BflyError, type WireMap } from '../../protocol/index.ts';
import { pack } from '../../protocol/msgpack.ts';
import type { Clock } from './clock.ts';

/** What one shows to the others: at most 512 bytes and 64 values. */
export interface PresenceState {
  /** A voxel of mip 0; fractions are fine. */
  readonly cursor?: readonly [number, number, number];
  readonly view?: Readonly<Record<string, unknown>>;
  /** Ids of what is selected. */
  readonly select?: readonly (bigint | number)[];
  readonly tool?: string;
  readonly [key: string]: unknown;
}

/** Somebody else. */
export interface Peer {
  /** Names one subscription of somebody for as long as it is open. */
  readonly peer: string;
  readonly user: { readonly id: string; readonly name: string };
  /** For people; '' where nobody said. */
  readonly name: string;
  /** As the other one gave it to `connect`; '' where it did not. */
  readonly color: string;
  /** The newest that was told. */
  readonly state: PresenceState;
}

/** A row of PEERS. */
type PeerRow = readonly [peer: string, n: number, state: WireMap | null];

const MAX_BYTES = 512;
/** At most 20 a second, rule [P3]; the first goes at once. */
const GAP_MS = 50;
/** A state lives so long without a word, rule [P2]. */
const TTL_MS = 45_000;
/** A state that does not change is said again in time. */
const KEEP_ALIVE_MS = 15_000;

/** What presence needs of its subscription. */
export interface PresenceHost {
  readonly clock: Clock;
  /** Sends PRESENCE. @returns false where there is no line: `arrive` follows when there is one. */
  send(n: number, state: WireMap | null): boolean;
  /** The peers are others now, or elsewhere. */
  changed(peers: ReadonlyMap<string, Peer>): void;
}

/** Presence on one subscription. */
export class Presence {
  readonly #host: PresenceHost;
  readonly #peers = new Map<string, Peer>();
  readonly #heard = new Map<string, { readonly n: number; readonly at: number }>();
  #state: WireMap | null = null;
  #n = 0;
  #sentAt = Number.NEGATIVE_INFINITY;
  /** Whether the others know the newest state. */
  #isTold = true;
  #forgetSend: (() => void) | undefined;
  #forgetExpiry: (() => void) | undefined;
  #isOver = false;

  constructor(host: PresenceHost) {
    this.#host = host;
  }

  /** The others by `Peer.peer`. Changed in place; see the event `peers`. */
  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers;
  }

  /**
   * Shows a state to the others, until it is replaced, or nil for none. What comes faster than 20 times a second is left out, the
   * newest never.
   *
   * @throws BflyError BAD_REQUEST for a state of more than 512 bytes.
   */
  set(state: PresenceState | null): void {
    const bytes = state === null ? 0 : packedBytes(state);
    if (bytes > MAX_BYTES)
      throw new BflyError('BAD_REQUEST', `state has ${bytes} bytes; it must have at most ${MAX_BYTES}`);
    if (this.#isOver) return;
    this.#state = state === null ? null : structuredClone(state);
    this.#isTold = false;
    this.#plan();
  }

  /** A line is there: it knows nothing of us, nor we of the others. */
  arrive(): void {
    this.#sentAt = Number.NEGATIVE_INFINITY;
    this.#heard.clear();
    const hadPeers = this.#peers.size > 0;
    this.#peers.clear();
    if (hadPeers) this.#host.changed(this.#peers);
    if (this.#state === null) return;
    this.#isTold = false;
    this.#plan();
  }

  /** PEERS. */
  take(rows: readonly PeerRow[]): void {
    const now = this.#host.clock.now();
    let isChanged = false;
    for (const [peer, n, state] of rows) {
      if (state === null) {
        this.#heard.delete(peer);
        isChanged = this.#peers.delete(peer) || isChanged;
        continue;
      }
      const before = this.#heard.get(peer);
      if (before !== undefined && n <= before.n) continue;
      this.#heard.set(peer, { n, at: now });
      this.#peers.set(peer, readPeer(peer, state));
      isChanged = true;
    }
    this.#watch();
    if (isChanged) this.#host.changed(this.#peers);
  }

  /** The subscription is over. */
  end(): void {
    this.#isOver = true;
    this.#forgetSend?.();
    this.#forgetExpiry?.();
    this.#peers.clear();
  }

  #plan(): void {
    const { clock } = this.#host;
    const pause = this.#isTold ? KEEP_ALIVE_MS : GAP_MS;
    const ms = this.#sentAt + pause - clock.now();
    this.#forgetSend?.();
    if (ms > 0) this.#forgetSend = clock.after(ms, () => this.#send());
    else this.#send();
  }

  #send(): void {
    this.#forgetSend = undefined;
    if (!this.#host.send(++this.#n, this.#state)) return;
    this.#sentAt = this.#host.clock.now();
    this.#isTold = true;
    if (this.#state !== null) this.#plan();
  }

  /** Looks again when the oldest state ends. */
  #watch(): void {
    this.#forgetExpiry?.();
    this.#forgetExpiry = undefined;
    let oldest = Number.POSITIVE_INFINITY;
    for (const { at } of this.#heard.values()) oldest = Math.min(oldest, at);
    if (oldest === Number.POSITIVE_INFINITY) return;
    const ms = Math.max(0, oldest + TTL_MS - this.#host.clock.now());
    this.#forgetExpiry = this.#host.clock.after(ms, () => this.#expire());
  }

  #expire(): void {
    const now = this.#host.clock.now();
    let isChanged = false;
    for (const [peer, { at }] of this.#heard) {
      if (now - at < TTL_MS) continue;
      this.#heard.delete(peer);
      isChanged = this.#peers.delete(peer) || isChanged;
    }
    this.#watch();
    if (isChanged) this.#host.changed(this.#peers);
  }
}

function packedBytes(state: PresenceState): number {
  try {
    return pack(state).length;
  } catch (cause) {
    throw new BflyError('BAD_REQUEST', 'state holds a value that cannot be sent', { cause });
  }
}

/** The server tells who it is under `user` and `color`; the rest is the peer's own. */
function readPeer(peer: string, row: WireMap): Peer {
  const { user, color, ...state } = row;
  const { id, name: userName } = typeof user === 'object' && user !== null ? (user as WireMap) : {}; // an object is a map
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    peer,
    user: { id: text(id), name: text(userName) },
    name: text(userName) || text(row['name']),
    color: text(color),
    state: state as PresenceState, // a map with any keys
  };
}
