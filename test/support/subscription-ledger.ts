/** What one client may expect of its subscriptions: the part of `session-ledger.ts` that knows rules [S2]..[S13] and [P3]. */
import { DEFAULT_LIMITS } from '../../protocol/limits.ts';
import type { ServerMessage, Subscribe, WireMap } from '../../protocol/messages.ts';

type Of<K extends ServerMessage['kind']> = Extract<ServerMessage, { kind: K }>;

const SECTIONS = ['links', 'regions', 'rows:neuron', 'rows:synapse', 'rows:annotation', 'meta', 'end'];
const LINK_BYTES = 16;
/** An EDITS is larger only where one edit alone is. Rule [S7]. */
const LARGE_EDITS = 64 * 1024 + 64;
const SECTION_OF_FOCUS = 1;

/** A subscription that is open. */
interface Open {
  readonly id: number;
  readonly path: string;
  readonly presence: boolean;
  /** Whether nothing is ever left out. */
  isPlain: boolean;
  /** Whether RESET is to come before anything else. */
  isReset: boolean;
  bytes: number;
  /** What the client has been told of; undefined before the first snapshot is whole. */
  position: number | undefined;
  /** The snapshot that is coming. */
  snap: { readonly seq: number; readonly isWhole: boolean; section: number; row: number } | undefined;
  /** The snapshot that it asked to go on with. */
  readonly cutOff: number | undefined;
  /** SNAPs that FOCUS promised and that have not begun. */
  focuses: number;
  /** An edit in pieces is under way: (position, upto]. */
  cut: number | undefined;
  /** FOCUS may have brought older rows: edits may begin again here. */
  again: number | undefined;
  live: boolean;
  readonly peers: Set<string>;
}

/** Subscriptions of one connection. */
export class SubscriptionLedger {
  readonly #fault: (text: string) => void;
  readonly #limitOf: (id: number) => number;
  readonly #open = new Map<number, Open>();
  /** SUBSCRIBEs without an answer, by id, in order. */
  readonly #asked = new Map<number, Subscribe[]>();
  /** Edits that were told to anybody of this connection. */
  edits = 0;
  /** It is not known any more which answer belongs to what: nothing is held against the server. */
  isVague = false;
  /** Snapshots that came whole. */
  snapshots = 0;

  /** @param limitOf the highest credit that the server may have. */
  constructor(fault: (text: string) => void, limitOf: (id: number) => number) {
    this.#fault = (text) => {
      if (!this.isVague) fault(text);
    };
    this.#limitOf = limitOf;
  }

  /** Ids of those that are open. */
  get ids(): number[] {
    return [...this.#open.keys()];
  }

  /** Those that were never told that they are at the head. */
  get lagging(): number {
    if (this.isVague) return 0;
    let lagging = 0;
    for (const { live } of this.#open.values()) lagging += live ? 0 : 1;
    return lagging;
  }

  has(id: number): boolean {
    return this.#open.has(id);
  }

  bytesOf(id: number): number {
    return this.#open.get(id)?.bytes ?? 0;
  }

  asked(message: Subscribe): void {
    this.#asked.set(message.id, [...(this.#asked.get(message.id) ?? []), message]);
  }

  /** It was answered by an ERROR. */
  refused(message: Subscribe): void {
    const asked = this.#asked.get(message.id) ?? [];
    this.#asked.set(
      message.id,
      asked.filter((one) => one !== message),
    );
  }

  /** UNSUBSCRIBE was answered: `before` are the SUBSCRIBEs that were sent before it. */
  unsubscribed(sub: number, before: readonly Subscribe[]): void {
    this.#open.delete(sub);
    if (this.#asked.get(sub)?.some((message) => before.includes(message)) === true)
      this.#fault(`UNSUBSCRIBE_OK of ${sub} came before the answer to its SUBSCRIBE`);
  }

  /** SUBSCRIBEs of an id without an answer. */
  pending(id: number): readonly Subscribe[] {
    return this.#asked.get(id) ?? [];
  }

  /** The subscription is over: nothing of it may come any more. */
  ended(id: number): boolean {
    return this.#open.delete(id);
  }

  /** FOCUS was answered; `filters` of which one is the present filter. */
  focused(sub: number): void {
    const open = this.#open.get(sub);
    if (open === undefined) return this.#fault(`FOCUS_OK of the subscription ${sub}, which is not open`);
    open.isPlain = false;
    open.focuses++;
    open.live = false;
  }

  /** SUBSCRIBE was answered. */
  opened({ id, mode, head, epoch }: Of<'SUBSCRIBE_OK'>): void {
    if (this.#open.has(id)) this.#fault(`SUBSCRIBE_OK ${id} came while the subscription ${id} was open`);
    const [asked, ...later] = this.#asked.get(id) ?? [];
    this.#asked.set(id, later);
    if (asked === undefined) return this.#fault(`SUBSCRIBE_OK ${id}: nobody asked`);
    if (epoch.length !== 8) this.#fault(`SUBSCRIBE_OK ${id} has an epoch of ${epoch.length} bytes`);
    const isTail = mode === 'tail';
    if (isTail && (asked.after === null || asked.after > head || asked.snapshot === true || asked.snap !== undefined))
      this.#fault(`SUBSCRIBE_OK ${id} is a tail of ${asked.after}, at the head ${head}`);
    if (mode === 'snapshot' && asked.after !== null && asked.snapshot !== true && asked.snap === undefined)
      this.#fault(`SUBSCRIBE_OK ${id} is a snapshot that was not asked for`);
    if (this.#open.size >= DEFAULT_LIMITS.subscriptions) this.#fault(`SUBSCRIBE_OK ${id}: too many subscriptions`);
    this.#open.set(id, {
      ...{ id, path: asked.path, presence: asked.presence === true, isPlain: asked.filter === undefined, bytes: 0 },
      ...{ isReset: mode === 'reset', position: isTail ? (asked.after ?? 0) : undefined, snap: undefined },
      cutOff: asked.snap?.[0],
      ...{ focuses: 0, cut: undefined, again: undefined, live: false, peers: new Set<string>() },
    });
  }

  /** Takes a message of a subscription. */
  received(
    message: Of<'EDITS'> | Of<'SNAP'> | Of<'LIVE'> | Of<'RESET'> | Of<'PEERS'> | Of<'UNSUBSCRIBED'>,
    size: number,
  ): void {
    const open = this.#open.get(message.id);
    if (open === undefined) return this.#fault(`${message.kind} ${message.id} belongs to no open subscription`);
    if (open.isReset && message.kind !== 'RESET') this.#fault(`${message.kind} ${message.id} came before RESET`);
    switch (message.kind) {
      case 'EDITS':
        this.#count(open, message.kind, size);
        return this.#edits(open, message, size);
      case 'SNAP':
        this.#count(open, message.kind, size);
        return this.#snap(open, message);
      case 'LIVE':
        if (open.snap !== undefined || message.seq !== open.position || open.cut !== undefined)
          this.#fault(`LIVE ${open.id} at ${message.seq}; the position is ${open.position}`);
        open.live = true;
        return;
      case 'RESET':
        if (!open.isReset) this.#fault(`RESET ${open.id} came without reason`);
        open.isReset = false;
        return;
      case 'PEERS':
        return this.#peers(open, message);
      case 'UNSUBSCRIBED':
        this.#open.delete(open.id);
    }
  }

  #count(open: Open, kind: string, size: number): void {
    const limit = this.#limitOf(open.id);
    if (open.bytes >= limit) this.#fault(`${kind} ${open.id} began at ${open.bytes}; the credit is ${limit}`);
    open.bytes += size;
  }

  #edits(open: Open, { from, upto, flags, edits }: Of<'EDITS'>, size: number): void {
    const { id } = open;
    if (open.position === undefined || open.snap !== undefined)
      return this.#fault(`EDITS ${id} came before the snapshot was whole`);
    if (from !== open.position && from !== open.again)
      this.#fault(`EDITS ${id} begins behind ${from}; the position is ${open.position}`);
    if (open.cut !== undefined && (upto !== open.cut || edits.length !== 1))
      this.#fault(`EDITS ${id} does not go on with the edit that was cut`);
    if (size > LARGE_EDITS && edits.length > 1) this.#fault(`EDITS ${id} of ${edits.length} edits has ${size} bytes`);
    const seqs = edits.map((edit: WireMap) => edit['seq'] as number);
    if (seqs.some((seq, i) => seq <= (seqs[i - 1] ?? from) || seq > upto))
      this.#fault(`EDITS ${id} of (${from}, ${upto}] holds ${seqs}`);
    if (open.isPlain && edits.length !== upto - from) this.#fault(`EDITS ${id} of (${from}, ${upto}] holds ${seqs}`);
    this.edits += edits.length;
    if ((flags & 1) !== 0) open.cut = upto;
    else {
      open.cut = undefined;
      open.again = undefined;
      open.position = upto;
    }
  }

  #snap(open: Open, message: Of<'SNAP'>): void {
    const { id } = open;
    const { seq, section, row, more, rows } = message;
    const place = SECTIONS.indexOf(section);
    const isStart = row === 0 && (section === 'links' || section === 'regions');
    if (open.snap === undefined && open.position === undefined && open.cutOff === seq && !isStart)
      open.snap = { seq, isWhole: true, section: place, row };
    else if (open.snap === undefined || (isStart && open.focuses > 0)) this.#begin(open, message);
    const { snap } = open;
    if (snap === undefined) return;
    if (snap.seq !== seq || snap.section !== place || snap.row !== row)
      this.#fault(
        `SNAP ${id} of ${seq}, ${section}, ${row} where ${snap.seq}, ${SECTIONS[snap.section]}, ${snap.row} goes on`,
      );
    snap.row += rows instanceof Uint8Array ? rows.length / LINK_BYTES : Object.keys(rows as object).length;
    if (more) return;
    snap.section++;
    snap.row = 0;
    if (section !== 'end') return;
    this.snapshots++;
    open.snap = undefined;
    if (snap.isWhole) open.position = seq;
    else if (seq < (open.position ?? 0)) open.again = seq;
  }

  /** The first page of all links, or of what FOCUS shows anew. */
  #begin(open: Open, { seq, section, row }: Of<'SNAP'>): void {
    const { id } = open;
    const isWhole = section === 'links';
    const isFirst = row === 0 && (isWhole || section === 'regions');
    if (!isFirst || (!isWhole && open.focuses === 0) || (isWhole && open.position !== undefined))
      this.#fault(`SNAP ${id} of ${section} from row ${row} begins nothing that was asked for`);
    if (!isWhole && open.position === undefined) this.#fault(`SNAP ${id} brings rows where there are no links`);
    // Several FOCUS before the first page: one snapshot stands for all.
    open.focuses = 0;
    open.cut = undefined;
    open.snap = { seq, isWhole, section: isWhole ? 0 : SECTION_OF_FOCUS, row: 0 };
  }

  #peers(open: Open, { peers }: Of<'PEERS'>): void {
    if (!open.presence) this.#fault(`PEERS ${open.id} came without presence`);
    if (peers.length === 0) this.#fault(`PEERS ${open.id} tells nothing`);
    for (const [peer, n, state] of peers) {
      if (n < 0) this.#fault(`PEERS ${open.id} has the number ${n}`);
      if (state !== null) open.peers.add(peer);
      else if (!open.peers.delete(peer)) this.#fault(`PEERS ${open.id} takes away a peer that was never told`);
    }
  }
}
