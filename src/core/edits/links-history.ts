/**
 * The bodies of ids as of a seq, for `map: "merged"`.
 *
 * Links are frozen rarely: the changes of the edits that follow carry them on, rule [E33]. So what is asked for is exact, whatever edits
 * are under way.
 */
import type { Changes } from '../../../protocol/edit-changes.ts';
import type { EditState } from '../../../protocol/edit-state.ts';
import type { FrozenLinks } from '../../../protocol/frozen-links.ts';
import type { RootLookup } from './channel-edits.ts';
import type { CommittedBatch, LoggedRecord } from './edit-request.ts';

/** What a history needs of its log. */
export interface LinkedLog {
  /** With edits that are not durable. */
  readonly tip: EditState;
}

/** Edits and links of theirs by which frozen links are carried on; half of it, and they are frozen anew. */
const MAX_STEPS = 128;
const MAX_STEP_LINKS = 65_536;
/** Links of the past that are kept. */
const KEPT = 3;
/** Seqs that are remembered to have changed links; of more the older half is forgotten. */
const MAX_SEQS = 2 ** 18;

/** What one edit did to roots. */
class Step {
  readonly seq: number;
  readonly size: number;
  readonly #changes: Changes;
  #joined: ReadonlyMap<bigint, bigint> | undefined;
  #parted: ReadonlyMap<bigint, bigint> | undefined;

  constructor({ seq, changes }: LoggedRecord) {
    this.seq = seq;
    this.#changes = changes;
    const { joined, parted = [] } = changes;
    this.size = parted.reduce((sum, [, members]) => sum + members.length / 8, (joined?.length ?? 0) / 16);
  }

  /** Root of an id after the edit. */
  root(id: bigint, before: bigint): bigint {
    if (this.#joined === undefined) this.#read();
    return this.#parted?.get(id) ?? this.#joined?.get(before) ?? before;
  }

  #read(): void {
    const { joined = new Uint8Array(), parted = [] } = this.#changes;
    const words = wordsOf(joined);
    this.#joined = new Map(
      Array.from({ length: words.length / 2 }, (_, i) => [words[2 * i] as bigint, words[2 * i + 1] as bigint]),
    );
    this.#parted = new Map(
      parted.flatMap(([root, members]) => [...wordsOf(members)].map((id): [bigint, bigint] => [id, root])),
    );
  }
}

function wordsOf(bytes: Uint8Array): BigUint64Array {
  return new BigUint64Array(bytes.slice().buffer);
}

/** Frozen links, and what edits have done to them since. */
class Course {
  /** They hold the edits up to here. */
  readonly seq: number;
  readonly links: Promise<FrozenLinks>;
  readonly #steps: Step[] = [];
  #size = 0;

  constructor(seq: number, links: FrozenLinks | Promise<FrozenLinks>) {
    this.seq = seq;
    this.links = Promise.resolve(links);
  }

  /** How much of what it can take it has taken; above 1 it knows nothing of the last edits. */
  get fill(): number {
    return Math.max(this.#steps.length / MAX_STEPS, this.#size / MAX_STEP_LINKS);
  }

  add(step: Step): void {
    if (step.seq <= this.seq) return;
    this.#steps.push(step);
    this.#size += step.size;
  }

  async lookup(key: number): Promise<RootLookup> {
    const links = await this.links;
    const steps = this.#steps.filter(({ seq }) => seq <= key);
    return (ids) =>
      ids.map((id) => {
        let root = links.rootOf(id);
        for (const step of steps) root = step.root(id, root);
        return root;
      });
  }
}

/** Who asks for the bodies of now and of then. */
export class LinksHistory {
  readonly #log: LinkedLog;
  readonly #freezeAt: (seq: number) => Promise<FrozenLinks>;
  /** Durable edits that changed links, ascending; all of those behind the first one. */
  #seqs: number[];
  /** Serves the present. */
  #course: Course | undefined;
  /** Takes its place when all that it holds is durable. */
  #next: { readonly course: Course; readonly source: EditState } | undefined;
  /** By the seq since which the links are so, the least recently used first. */
  readonly #past = new Map<number, Promise<RootLookup>>();

  /**
   * @param log all of it is durable now.
   * @param freezeAt reads the links of an earlier seq from the log.
   */
  constructor(log: LinkedLog, freezeAt: (seq: number) => Promise<FrozenLinks>) {
    this.#log = log;
    this.#freezeAt = freezeAt;
    this.#seqs = [log.tip.linksSeq];
  }

  /** Edits became durable. */
  take({ records, upto }: CommittedBatch): void {
    // What it was frozen from is no more.
    if (this.#next !== undefined && this.#next.source !== this.#log.tip) this.#next = undefined;
    for (const record of records) {
      const { joined, parted } = record.changes;
      if (joined === undefined && parted === undefined) continue;
      this.#seqs.push(record.seq);
      if (this.#course === undefined && this.#next === undefined) continue;
      const step = new Step(record);
      this.#course?.add(step);
      this.#next?.course.add(step);
    }
    if (this.#seqs.length > MAX_SEQS) this.#seqs = this.#seqs.slice(MAX_SEQS / 2);
    if (this.#next !== undefined && upto >= this.#next.course.seq) {
      this.#course = this.#next.course;
      this.#next = undefined;
    }
    if ((this.#course?.fill ?? 0) > 1) this.#course = undefined;
    if ((this.#next?.course.fill ?? 0) > 1) this.#next = undefined;
  }

  /** The last durable edit up to `at` that changed links; of a long time ago `at` itself. */
  seqAt(at: number): number {
    const seqs = this.#seqs;
    let [from, end] = [0, seqs.length];
    while (from < end) {
      const middle = (from + end) >> 1;
      if ((seqs[middle] as number) <= at) from = middle + 1;
      else end = middle;
    }
    return seqs[from - 1] ?? at;
  }

  /** The bodies of a durable seq. */
  async rootsAt(at: number): Promise<RootLookup> {
    const key = this.seqAt(at);
    const { tip } = this.#log;
    const isPresent = key === this.#seqs[this.#seqs.length - 1];
    if (isPresent && (this.#course?.fill ?? 1) >= 0.5) this.#renew(tip, key, at);
    const course = this.#course;
    if (course !== undefined && course.seq <= key) return course.lookup(key);
    return this.#pastLookup(key, at);
  }

  #renew(tip: EditState, key: number, at: number): void {
    if (tip.linksSeq === key) {
      this.#course = new Course(key, tip.freezeLinks());
      this.#next = undefined;
      return;
    }
    // Some links are not durable: those of now are of use later.
    if (this.#next === undefined) this.#next = { course: new Course(tip.seq, tip.freezeLinks()), source: tip };
    if (this.#course !== undefined) return;
    const course = new Course(key, this.#freezeAt(at));
    this.#course = course;
    course.links.catch(() => {
      if (this.#course === course) this.#course = undefined;
    });
  }

  #pastLookup(key: number, at: number): Promise<RootLookup> {
    const lookup =
      this.#past.get(key) ??
      this.#freezeAt(at).then(
        (links): RootLookup =>
          (ids) =>
            ids.map((id) => links.rootOf(id)),
      );
    this.#past.delete(key);
    this.#past.set(key, lookup);
    lookup.catch(() => this.#past.delete(key));
    for (const oldest of this.#past.keys()) {
      if (this.#past.size <= KEPT) break;
      this.#past.delete(oldest);
    }
    return lookup;
  }
}
