/** Which edits are in force. Rule [E21]: those that no undo in force names. */
import { Heap } from './heap.ts';

/** Edits whose force changes: seqs, descending. */
export interface Turn {
  readonly out: readonly number[];
  readonly into: readonly number[];
}

/** Undos of a log. Edits count from 1; an edit without undos need not be told. */
export class Force {
  /** Seqs that an edit's undos name, in order, by the seq of the edit; ascending. */
  readonly #targets = new Map<number, number[]>();
  /** How many undos in force name an edit; none where missing. Entries stay: a map is slow at keys that come and go again and again. */
  readonly #undos = new Map<number, number>();

  isInForce(seq: number): boolean {
    return (this.#undos.get(seq) ?? 0) === 0;
  }

  /** The edits whose force undos of these seqs would change if edit `by`, the next one, held them; ascending. Changes nothing. */
  turnedBy(by: number, targets: readonly number[]): readonly number[] {
    const turned = new Set<number>();
    for (const target of targets) {
      const { out, into } = this.undo(by, target);
      for (const seq of [...out, ...into]) if (!turned.delete(seq)) turned.add(seq);
    }
    this.takeBack(by);
    return [...turned].sort((a, b) => a - b);
  }

  /** Adds an undo to the newest edit. @returns what it changes. */
  undo(by: number, target: number): Turn {
    const targets = this.#targets.get(by);
    if (targets === undefined) this.#targets.set(by, [target]);
    else targets.push(target);
    const was = this.isInForce(target);
    this.#count(target, 1);
    return was ? this.#settle([target]) : { out: [], into: [] };
  }

  /** Takes the undos of the newest edit back. @returns what that changes; the edit itself is not among it. */
  takeBack(by: number): Turn {
    const targets = this.#targets.get(by) ?? [];
    this.#targets.delete(by);
    const turned = [...new Set(targets)];
    for (const target of targets) this.#count(target, -1);
    return this.#settle(turned.filter((target) => this.isInForce(target)));
  }

  /** Follows the undos of edits whose force has changed: from the newest to the oldest, since undos name earlier edits. */
  #settle(changed: readonly number[]): Turn {
    const out: number[] = [];
    const into: number[] = [];
    /** Edits to look at, and whether they were in force. */
    const waiting = new Heap();
    const before = new Map<number, boolean>();
    const look = (seq: number, was: boolean): void => {
      if (before.has(seq)) return;
      before.set(seq, was);
      waiting.push(seq);
    };
    for (const seq of changed) look(seq, !this.isInForce(seq));
    for (let seq = waiting.pop(); seq !== undefined; seq = waiting.pop()) {
      const is = this.isInForce(seq);
      if (before.get(seq) === is) continue;
      (is ? into : out).push(seq);
      for (const target of this.#targets.get(seq) ?? []) {
        look(target, this.isInForce(target));
        this.#count(target, is ? 1 : -1);
      }
    }
    return { out, into };
  }

  #count(seq: number, by: number): void {
    this.#undos.set(seq, (this.#undos.get(seq) ?? 0) + by);
  }

  /** Seqs that are not in force as of a seq: one pass from the newest undo to the oldest. */
  outOfForce(at: number): Set<number> {
    const out = new Set<number>();
    for (const [by, targets] of [...this.#targets].reverse())
      if (by <= at && !out.has(by)) for (const target of targets) out.add(target);
    return out;
  }

  /** For each edit with undos, ascending: the edits whose force it changed, ascending. */
  *history(): Generator<readonly [seq: number, changed: readonly number[]]> {
    const replay = new Force();
    for (const [by, targets] of this.#targets) {
      const changed = new Map<number, boolean>();
      for (const target of targets) {
        const { out, into } = replay.undo(by, target);
        for (const seq of [...out, ...into]) if (!changed.delete(seq)) changed.set(seq, true);
      }
      yield [by, [...changed.keys()].sort((a, b) => a - b)];
    }
  }

  /** All undos, in order: the seq of the edit, the seq that it names, and so on. */
  dump(): Uint32Array {
    return Uint32Array.from([...this.#targets].flatMap(([by, targets]) => targets.flatMap((target) => [by, target])));
  }

  /** The undos that `dump` gave. */
  static load(undos: Uint32Array): Force {
    const force = new Force();
    for (let i = 0; i < undos.length; i += 2) {
      const by = undos[i] as number;
      const targets = force.#targets.get(by);
      if (targets === undefined) force.#targets.set(by, [undos[i + 1] as number]);
      else targets.push(undos[i + 1] as number);
    }
    const out = force.outOfForce(Number.POSITIVE_INFINITY);
    for (const [by, targets] of force.#targets) if (!out.has(by)) for (const target of targets) force.#count(target, 1);
    return force;
  }
}
