/** Edit logs of the fake server: rules [E13]..[E16], [S1]..[S14] and [P1]..[P3] in the plainest way, with strict credit. */
import { createHash } from 'node:crypto';
import {
  type ClientMessage,
  type EditRecord,
  ERROR_CODES,
  type ErrorName,
  encodeServer,
  type ResumeRequest,
  type ServerMessage,
  type Subscribe,
  type WireMap,
} from '../../protocol/index.ts';
import { pack } from '../../protocol/msgpack.ts';
import { bin, inForce, type NaiveEdit, type NaiveState, naiveChanges, naiveFold } from './naive-log.ts';

type Of<Kind extends ClientMessage['kind']> = Extract<ClientMessage, { kind: Kind }>;

/** An edit that is durable. */
export interface FakeEdit extends NaiveEdit {
  readonly wid: string;
  readonly wseq: number;
  readonly record: EditRecord;
}

interface Snapshot {
  readonly seq: number;
  readonly sections: readonly (readonly [name: string, rows: readonly unknown[]])[];
}

/** Who sends on a connection. */
export interface FakeSender {
  readonly isOver: boolean;
  send(message: ServerMessage): void;
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The log of one path. */
export class FakeLog {
  epoch = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  edits: FakeEdit[] = [];
  readonly snapshots = new Map<number, Snapshot>();
  readonly subscribers = new Set<FakeSubscription>();
  /** Every EDIT that came, by writer and number. */
  readonly arrivals: string[] = [];
  /** Edits of one EDITS; rows of one SNAP. */
  batch = 3;
  page = 2;
  /** Fate of the next EDITs: an error, or `mute` = applied, and nobody hears of it. */
  readonly fates: (ErrorName | 'mute' | 'apply')[] = [];
  retryMs: number | null = null;
  /** Whether an EDIT that gets TIMEOUT or INTERNAL is worked on before it does. */
  isLate: () => boolean = () => false;
  readonly bulks = new Map<number, number>();
  /** Metadata that snapshots tell. */
  readonly meta = new Map<string, unknown>();
  #writers = new Map<string, { last: number; results: Map<number, { digest: string; reply: ServerMessage }> }>();

  get head(): number {
    return this.edits.length;
  }

  state(upto = this.head): NaiveState {
    return naiveFold(this.edits.slice(0, upto));
  }

  /** The log begins another life. */
  restore(epoch: number, edits = 0): void {
    this.epoch = Uint8Array.from({ length: 8 }, () => epoch);
    this.edits = this.edits.slice(0, edits);
    this.snapshots.clear();
    this.#writers.clear();
  }

  /** An edit of somebody else. */
  foreign(...ops: WireMap[]): FakeEdit {
    const edit = this.#commit(ops, 'ff'.repeat(16), this.head + 1, { id: 'u9', name: 'Bob' });
    for (const subscriber of this.subscribers) subscriber.pump();
    return edit;
  }

  take(message: Of<'EDIT'>, sender: FakeSender): void {
    const { id, wid, wseq, ops, base, epoch } = message;
    this.arrivals.push(`${hex(wid).slice(0, 4)}:${wseq}`);
    const fail = (error: ErrorName, details?: WireMap): void =>
      sender.send({
        kind: 'ERROR',
        id,
        code: ERROR_CODES[error],
        error,
        message: 'because',
        retryMs: this.retryMs,
        ...(details === undefined ? {} : { details }),
      });
    const fate = this.fates.shift();
    const isLate = (fate === 'TIMEOUT' || fate === 'INTERNAL') && this.isLate();
    if (fate !== undefined && fate !== 'mute' && fate !== 'apply' && !isLate) return fail(fate);
    const writer = this.#writers.get(hex(wid)) ?? { last: 0, results: new Map() };
    const digest = createHash('sha256').update(pack(ops)).digest('hex');
    if (wseq <= writer.last) {
      const known = writer.results.get(wseq);
      if (known === undefined) return fail('REJECTED');
      if (known.digest !== digest) return fail('WSEQ_REUSED');
      return sender.send({ ...known.reply, id, dup: true } as ServerMessage);
    }
    if (epoch !== undefined && hex(epoch) !== hex(this.epoch))
      return fail('EPOCH_MISMATCH', { epoch: this.epoch, head: this.head });
    if (base !== null && base < this.head)
      return fail('CONFLICT', {
        head: this.head,
        edits: this.edits.slice(base).map((edit) => edit.record),
        more: false,
      });
    const edit = this.#commit(ops, hex(wid), wseq, { id: 'u1', name: 'Ada' });
    const reply: ServerMessage = { kind: 'EDIT_OK', id, status: 'applied', seq: edit.seq, results: edit.results };
    writer.last = wseq;
    writer.results.set(wseq, { digest, reply });
    this.#writers.set(hex(wid), writer);
    if (isLate) fail(fate);
    else if (fate !== 'mute') sender.send(reply);
    for (const subscriber of this.subscribers) subscriber.pump();
  }

  #commit(ops: readonly WireMap[], wid: string, wseq: number, user: { id: string; name: string }): FakeEdit {
    const seq = this.head + 1;
    const before = this.state();
    const scratch = this.state();
    scratch.nextKey = BigInt(1_000 + 100 * seq);
    const results = ops.map((op) => scratch.apply(op));
    const bare: NaiveEdit = { seq, ops, results };
    const after = naiveFold([...this.edits, bare]);
    const seqs = this.edits.map((edit) => edit.seq);
    const now = [...this.edits, bare];
    const undone = seqs.filter((other) => inForce(this.edits, other) && !inForce(now, other));
    const redone = seqs.filter((other) => !inForce(this.edits, other) && inForce(now, other));
    const changes = {
      ...naiveChanges(before, after, ops),
      ...(undone.length > 0 ? { undone } : {}),
      ...(redone.length > 0 ? { redone } : {}),
    };
    const chk = createHash('sha256').update(`${seq} ${wid} ${wseq}`).digest().subarray(0, 8);
    const edit = { ...bare, wid, wseq, record: { seq, time: seq * 1_000, user, ops, results, changes, chk } };
    this.edits.push(edit);
    return edit;
  }

  /** A snapshot at the head. */
  snapshot(): Snapshot {
    const state = this.state();
    const links = state.bodies.flatMap((body) => [...body].filter((id) => state.rootOf(id) !== id));
    const rows = (table: string): WireMap[] => [...state.table(table).values()];
    const snapshot: Snapshot = {
      seq: this.head,
      sections: [
        ['links', links.map((id) => [id, state.rootOf(id)])],
        ['regions', []],
        ['rows:neuron', rows('neuron')],
        ['rows:synapse', rows('synapse')],
        ['rows:annotation', rows('annotation')],
        ...(this.meta.size === 0 ? [] : [['meta', [...this.meta]] as const]),
        ['end', []],
      ],
    };
    this.snapshots.set(snapshot.seq, snapshot);
    return snapshot;
  }
}

/** A subscription of one connection. */
export class FakeSubscription {
  readonly log: FakeLog;
  readonly id: number;
  readonly request: Subscribe | ResumeRequest;
  readonly #sender: FakeSender;
  /** Frames of a snapshot that are still to come. */
  #sections: ServerMessage[] = [];
  position: number;
  sent = 0;
  limit: number;
  live = false;
  /** Rows are those whose keys are in its `ids`; all without. */
  filter: WireMap;
  /** A snapshot with links is under way. */
  #isWhole = false;
  /** EDITs of these writers are told with `wid`. */
  readonly isOwn: (wid: string) => boolean;

  constructor(
    log: FakeLog,
    id: number,
    request: Subscribe | ResumeRequest,
    sender: FakeSender,
    win: number,
    isOwn: (wid: string) => boolean,
  ) {
    this.log = log;
    this.id = id;
    this.request = request;
    this.#sender = sender;
    this.limit = Math.max(65_536, request.win ?? win);
    this.isOwn = isOwn;
    this.position = request.after ?? 0;
    this.filter = request.filter ?? {};
  }

  /** The reply, and what follows it. */
  open(): { reply: WireMap; follow: () => void } {
    const { log } = this;
    const { epoch, after, snap, chk } = this.request;
    const sameEpoch = epoch !== null && hex(epoch) === hex(log.epoch);
    let mode = 'tail';
    if (after === null) mode = epoch === null || sameEpoch ? 'snapshot' : 'reset';
    else if (!sameEpoch || after > log.head) mode = 'reset';
    else if (chk !== undefined && hex(chk) !== hex(log.edits[after - 1]?.record['chk'] as Uint8Array)) mode = 'reset';
    const reply = { epoch: log.epoch, first: 1, head: log.head, mode, writers: [] };
    return {
      reply,
      follow: () => {
        log.subscribers.add(this);
        if (mode === 'reset') {
          const code = sameEpoch ? 303 : 302;
          this.#sender.send({ kind: 'RESET', id: this.id, code, epoch: log.epoch, head: log.head });
        }
        if (mode !== 'tail') this.#startSnapshot(mode === 'snapshot' ? snap : undefined);
        this.pump();
      },
    };
  }

  close(): void {
    this.log.subscribers.delete(this);
  }

  grant(bytes: number): void {
    this.limit = Math.max(this.limit, bytes);
    this.pump();
  }

  /**
   * Regions and rows as another filter shows them, in place of what was still to come; the links too, where they were to come, or edits
   * are missing.
   *
   * @param seq an older snapshot: without links.
   */
  focus(filter: WireMap, seq?: number): void {
    this.filter = filter;
    const snapshot = this.log.snapshots.get(seq ?? this.log.head) ?? this.log.snapshot();
    const isWhole = seq === undefined && (this.#isWhole || this.position !== snapshot.seq);
    this.#sections = [];
    this.#queue(snapshot, snapshot.sections.slice(isWhole ? 0 : 1), 0);
    this.position = snapshot.seq;
    this.pump();
  }

  #startSnapshot(snap: readonly [number, string, number] | undefined): void {
    const cut = snap === undefined ? undefined : this.log.snapshots.get(snap[0]);
    if (snap === undefined || cut === undefined) {
      const fresh = this.log.snapshot();
      this.#queue(fresh, fresh.sections, 0);
      this.position = fresh.seq;
      return;
    }
    const from = cut.sections.findIndex(([name]) => name === snap[1]);
    this.#queue(cut, cut.sections.slice(from), snap[2]);
    this.position = cut.seq;
  }

  #queue(snapshot: Snapshot, sections: Snapshot['sections'], firstRow: number): void {
    this.live = false;
    let row = firstRow;
    this.#isWhole = sections[0]?.[0] === 'links';
    for (const [section, all] of sections) {
      const rows = section.startsWith('rows:') ? all.filter((one) => this.#shows((one as WireMap)['key'])) : all;
      if (section === 'meta') {
        const meta = Object.fromEntries(rows as [string, unknown][]);
        this.#sections.push({ kind: 'SNAP', id: this.id, seq: snapshot.seq, section, row: 0, more: false, rows: meta });
        continue;
      }
      for (let more = true; more; ) {
        const some = rows.slice(row, row + this.log.page);
        more = row + this.log.page < rows.length;
        this.#sections.push({
          kind: 'SNAP',
          id: this.id,
          seq: snapshot.seq,
          section,
          row,
          more,
          rows: section === 'links' ? bin((some as bigint[][]).flat()) : some,
        });
        row += some.length;
      }
      row = 0;
    }
  }

  /** Sends what credit allows. */
  pump(): void {
    if (this.#sender.isOver) return;
    while (this.sent < this.limit) {
      const section = this.#sections.shift();
      if (this.#sections.length === 0) this.#isWhole = false;
      if (section !== undefined) this.#send(section);
      else if (this.position < this.log.head) this.#sendEdits();
      else {
        if (!this.live) this.#sender.send({ kind: 'LIVE', id: this.id, seq: this.position });
        this.live = true;
        return;
      }
    }
  }

  #sendEdits(): void {
    const from = this.position;
    const some = this.log.edits.slice(from, from + this.log.batch);
    this.position += some.length;
    const edits = some.map(({ record, wid, wseq }) =>
      this.isOwn(wid)
        ? { ...record, wid: Uint8Array.from(Buffer.from(wid, 'hex')), wseq }
        : { ...record, changes: this.#shown(record['changes'] as WireMap), w: new Uint8Array(4) },
    );
    this.#send({ kind: 'EDITS', id: this.id, from, upto: this.position, flags: 0, edits });
  }

  #shows(key: unknown): boolean {
    const ids = this.filter['ids'] as readonly (bigint | number)[] | undefined;
    return ids === undefined || ids.map(BigInt).includes(BigInt(key as bigint | number));
  }

  /** Rule [S12]. */
  #shown(changes: WireMap): WireMap {
    const rows: Record<string, unknown> = {};
    const gone: Record<string, unknown[]> = { ...(changes['gone'] as Record<string, unknown[]> | undefined) };
    for (const [table, all] of Object.entries((changes['rows'] ?? {}) as Record<string, WireMap[]>)) {
      rows[table] = all.filter(({ key }) => this.#shows(key));
      const hidden = all.filter(({ key }) => !this.#shows(key)).map(({ key }) => key);
      if (hidden.length > 0) gone[table] = [...(gone[table] ?? []), ...hidden];
    }
    return { ...changes, rows, gone };
  }

  #send(message: ServerMessage): void {
    this.sent += encodeServer(message).length;
    this.#sender.send(message);
  }
}
