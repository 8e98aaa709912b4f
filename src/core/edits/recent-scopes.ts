/** Scopes of the last edits of a path, and the base check: who came first. Rules [E17]..[E19]. */
import { digestOf, isDigest, isLarge, type KeptScope, type Scope, ScopeQuestion } from './scope.ts';

/** Edits that one may be based before. */
export const CONFLICT_WINDOW = 10_000;
/** What all of a path's scopes may take in memory. */
const BUDGET_BYTES = 32 * 2 ** 20;
/** Bytes of a scope, and of each of its names: a string, or a number. */
const SCOPE_BYTES = 128;
const NAME_BYTES = 48;
const DIGEST_NAME_BYTES = 8;
/** What is read from the log between two turns of the event loop: edits, and names of theirs. */
const EDITS_AT_ONCE = 64;
const NAMES_AT_ONCE = 16_384;

/** What a scan of edits found that are not in memory. */
export interface ScopeScan {
  readonly base: number;
  readonly scope: Scope;
  /** It knows of (base, upto]. */
  readonly upto: number;
  /** Ascending. */
  readonly winners: readonly number[];
}

/** Scopes of the last edits of a path: in memory, the newest first, as many as there is room for. */
export class RecentScopes {
  /** By seq modulo the window. */
  readonly #scopes: (KeptScope | undefined)[] = [];
  readonly #load: (seq: number) => Scope | undefined;
  readonly #budget: number;
  /** Those of [from, last] are in memory. */
  #from: number;
  #last: number;
  #bytes = 0;

  /**
   * @param head the last seq there is.
   * @param load the scope of an edit of the log, durable or not.
   * @param budget bytes.
   */
  constructor(head: number, load: (seq: number) => Scope | undefined, budget = BUDGET_BYTES) {
    this.#from = head + 1;
    this.#last = head;
    this.#load = load;
    this.#budget = budget;
  }

  /** Bytes that scopes take in memory, about. */
  get byteSize(): number {
    return this.#bytes;
  }

  add(seq: number, scope: Scope): void {
    if (seq - this.#from >= CONFLICT_WINDOW) this.#forgetOldest();
    const kept = isLarge(scope) ? digestOf(scope) : scope;
    this.#scopes[seq % CONFLICT_WINDOW] = kept;
    this.#last = seq;
    this.#bytes += sizeOf(kept);
    while (this.#bytes > this.#budget && this.#from < seq) this.#forgetOldest();
  }

  /** Scope of an edit, whole. */
  at(seq: number): Scope | undefined {
    const kept = seq >= this.#from && seq <= this.#last ? this.#scopes[seq % CONFLICT_WINDOW] : undefined;
    return kept === undefined || isDigest(kept) ? this.#load(seq) : kept;
  }

  /** Whether an edit with this base can only be judged after a `scan`. */
  needsScan(base: number): boolean {
    return base + 1 < this.#from && base >= this.#last - CONFLICT_WINDOW;
  }

  /**
   * Edits after `base` that an edit of this scope conflicts with, ascending, at most `limit`.
   *
   * @param scan what was found where `needsScan`.
   * @returns "old" where base is too long ago to tell; "unknown" where the scan is missing, or does not fit any more.
   */
  winners(base: number, scope: Scope, limit: number, scan?: ScopeScan): readonly number[] | 'old' | 'unknown' {
    if (base < this.#last - CONFLICT_WINDOW) return 'old';
    const found: number[] = [];
    let upto = base;
    if (base + 1 < this.#from) {
      if (scan === undefined || scan.base !== base || scan.upto + 1 < this.#from || !isSame(scan.scope, scope))
        return 'unknown';
      found.push(...scan.winners.slice(0, limit));
      upto = scan.upto;
    }
    if (upto >= this.#last) return found;
    const question = new ScopeQuestion(scope);
    for (let seq = upto + 1; seq <= this.#last && found.length < limit; seq++) {
      const other = this.#scopes[seq % CONFLICT_WINDOW];
      if (other !== undefined && question.meets(other, () => this.#load(seq))) found.push(seq);
    }
    return found;
  }

  /** Looks through edits after `base` that are not in memory, a few in each turn; keeps what there is room for. */
  async scan(base: number, scope: Scope): Promise<ScopeScan> {
    const question = new ScopeQuestion(scope);
    const upto = this.#from - 1;
    const winners: number[] = [];
    let edits = 0;
    let names = 0;
    for (let seq = upto; seq > base; seq--) {
      const other = this.#load(seq);
      if (other === undefined) continue;
      if (question.meets(other, () => other)) winners.push(seq);
      this.#keepOlder(seq, other);
      names += other.reads.length + other.writes.length;
      if (++edits < EDITS_AT_ONCE && names < NAMES_AT_ONCE) continue;
      [edits, names] = [0, 0];
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { base, scope, upto, winners: winners.reverse() };
  }

  /** Keeps the scope just before the oldest one, where there is room. */
  #keepOlder(seq: number, scope: Scope): void {
    if (seq !== this.#from - 1 || this.#last - seq >= CONFLICT_WINDOW) return;
    const kept = isLarge(scope) ? digestOf(scope) : scope;
    if (this.#bytes + sizeOf(kept) > this.#budget) return;
    this.#scopes[seq % CONFLICT_WINDOW] = kept;
    this.#from = seq;
    this.#bytes += sizeOf(kept);
  }

  #forgetOldest(): void {
    const at = this.#from % CONFLICT_WINDOW;
    const kept = this.#scopes[at];
    this.#bytes -= kept === undefined ? 0 : sizeOf(kept);
    this.#scopes[at] = undefined;
    this.#from++;
  }
}

function sizeOf(kept: KeptScope): number {
  return SCOPE_BYTES + (kept.reads.length + kept.writes.length) * (isDigest(kept) ? DIGEST_NAME_BYTES : NAME_BYTES);
}

function isSame(a: Scope, b: Scope): boolean {
  const isEqual = (some: readonly string[], others: readonly string[]): boolean =>
    some.length === others.length && some.every((name, i) => name === others[i]);
  return a === b || (isEqual(a.reads, b.reads) && isEqual(a.writes, b.writes));
}
