/**
 * Bodies: base ids that merges in force join, and which of them an edit changed. Rules [E21]..[E23], [E32], [E33].
 *
 * Merges unite at once. What goes out of force may part bodies: then the graph is searched from both ends of what is gone, and only the
 * smaller part is moved. Nothing is folded anew.
 */
import { EditGraph } from './edit-graph.ts';
import { type Parts, partsCutOff, SearchMarks } from './edit-search.ts';
import { IdTable } from './id-table.ts';
import { Partition } from './partition.ts';
import { type RootChanges, RootLedger } from './root-ledger.ts';

/** Bodies of the ids that edits named. Ids are handled by their numbers in `ids`. */
export class Bodies {
  readonly ids: IdTable;
  readonly graph: EditGraph;
  readonly sets: Partition;
  readonly #marks = new SearchMarks();
  /** Ids before the edit under way. */
  #idsBefore = 0;
  readonly #ledger: RootLedger;

  constructor(ids = new IdTable(), graph = new EditGraph(), sets = new Partition()) {
    this.ids = ids;
    this.graph = graph;
    this.sets = sets;
    this.#ledger = new RootLedger(ids, sets, (root) => this.#top(root));
  }

  /** Ids that are not their own root. */
  get linkCount(): number {
    return this.ids.size - this.sets.sets;
  }

  /** Number of the root of a number's body. */
  rootOf(number: number): number {
    return this.#top(this.sets.setOf(number));
  }

  /** As `rootOf`, and the next time faster; no edit is under way. */
  lookUp(number: number): number {
    return this.#top(this.sets.shorten(number));
  }

  sizeOf(number: number): number {
    return this.sets.sizeOf(this.sets.setOf(number));
  }

  /** Begins the next edit, which names these ids. `finish` or `abort` must follow. */
  begin(named: Iterable<bigint>): void {
    this.#idsBefore = this.ids.size;
    this.graph.begin();
    for (const id of named) {
      const number = this.ids.add(id);
      if (number < this.sets.numbers) this.sets.shorten(number);
      else {
        this.sets.add();
        this.graph.reserve(number + 1);
      }
    }
    this.#ledger.begin();
  }

  /** Whether a merge of these, or a cleave, makes a body of more than `limit` members. */
  isAbove(limit: number, kind: 'merge' | 'cleave', numbers: readonly number[]): boolean {
    if (kind === 'cleave') return numbers.length > limit && new Set(numbers).size > limit;
    let most = 0;
    for (const number of numbers) most += this.sizeOf(number);
    if (most <= limit) return false;
    const sets = new Set(numbers.map((number) => this.sets.setOf(number)));
    return [...sets].reduce((sum, set) => sum + this.sets.sizeOf(set), 0) > limit;
  }

  /** All become one body. */
  merge(numbers: readonly number[]): void {
    const [hub] = numbers;
    if (hub === undefined) return;
    for (const number of numbers) {
      if (number === hub) continue;
      this.graph.connect(hub, number);
      this.#unite(this.sets.setOf(hub), this.sets.setOf(number));
    }
  }

  /** These leave their bodies and form a new one. */
  cleave(numbers: readonly number[]): void {
    const leaving = [...new Set(numbers)];
    const [hub] = leaving;
    if (hub === undefined) return;
    const label = this.sets.addLabel();
    for (const number of leaving) {
      const from = this.sets.setOf(number);
      this.graph.cleave(number, from);
      this.#move(number, from, label);
    }
    for (const number of leaving) if (number !== hub) this.graph.connect(hub, number);
  }

  /** Edits go out of force and come back into it. The newest edit may be among the first. */
  turn(outOfForce: readonly number[], intoForce: readonly number[]): void {
    const out = outOfForce.filter((seq) => this.graph.hasParts(seq));
    const into = intoForce.filter((seq) => this.graph.hasParts(seq));
    this.#uniteTurned(out, into);
    for (const seq of out) this.graph.setForce(seq, false);
    for (const seq of into) this.graph.setForce(seq, true);
    for (const [set, lives] of this.#looseEnds(out, into))
      if (lives.length > 1) this.#cutOffAll(partsCutOff(this.graph, this.#marks, lives), this.sets.find(set));
  }

  /** Unites what hangs together before or after the turn; what does not after it is parted later. */
  #uniteTurned(out: readonly number[], into: readonly number[]): void {
    const { graph } = this;
    for (const seq of out)
      graph.forEachCleaving(seq, (cleaving) =>
        this.#unite(this.#setOfLife(~cleaving), this.#setOfLife(graph.lifeAfter(cleaving))),
      );
    for (const seq of into) {
      graph.forEachEdge(seq, (edge, a, b) =>
        this.#unite(this.#setOfLife(graph.lifeAt(a, edge)), this.#setOfLife(graph.lifeAt(b, edge))),
      );
      graph.forEachCleaving(seq, (cleaving) =>
        graph.setLabelOfCleaving(cleaving, this.#setOfLife(graph.lifeAfter(cleaving))),
      );
    }
  }

  /** Lives at the ends of edges that are gone and at both sides of cleavings that came, by the set that they are in. */
  #looseEnds(out: readonly number[], into: readonly number[]): Map<number, number[]> {
    const { graph } = this;
    const ends = new Map<number, number[]>();
    const add = (life: number): void => {
      const set = this.#setOfLife(life);
      const known = ends.get(set);
      if (known === undefined) ends.set(set, [life]);
      else if (known[known.length - 1] !== life) known.push(life);
    };
    for (const seq of out)
      graph.forEachEdge(seq, (edge, a, b) => {
        add(graph.lifeAt(a, edge));
        add(graph.lifeAt(b, edge));
      });
    for (const seq of into)
      graph.forEachCleaving(seq, (cleaving) => {
        add(~cleaving);
        add(graph.lifeAfter(cleaving));
      });
    return ends;
  }

  #setOfLife(life: number): number {
    return life >= 0 ? this.sets.setOf(life) : this.sets.find(this.graph.labelOfCleaving(~life));
  }

  #unite(a: number, b: number): void {
    if (a === b) return;
    this.#ledger.touch(a);
    this.#ledger.touch(b);
    const topA = this.#top(a);
    const topB = this.#top(b);
    const isA = topB < 0 || (topA >= 0 && this.ids.isBefore(topA, topB));
    this.sets.setTop(this.sets.unite(a, b), isA ? topA : topB);
  }

  #cutOffAll({ lives, ends }: Parts, from: number): void {
    if (ends.length === 0) return;
    this.#ledger.touch(from);
    this.#ledger.noteMoves(lives);
    const oldTop = this.#top(from);
    for (let part = 0, start = 0; part < ends.length; part++) {
      const end = ends[part] as number;
      this.#cutOff(lives, start, end, from);
      start = end;
    }
    // Who left for another set has a label of its own now.
    if (oldTop >= 0 && this.sets.setOf(oldTop) === from) this.sets.setTop(from, oldTop);
  }

  /** Gives a part a label of its own. */
  #cutOff(lives: Int32Array, start: number, end: number, from: number): void {
    const { ids, sets, graph } = this;
    const label = sets.addLabel();
    for (let i = start; i < end; i++) {
      const life = lives[i] as number;
      if (life < 0) graph.setLabelOfCleaving(~life, label);
    }
    sets.moveAll(lives, start, end, from, label);
    sets.setTop(label, ids.firstOf(lives, start, end));
  }

  #move(number: number, from: number, to: number): void {
    this.#ledger.touch(from);
    this.#ledger.noteMove(number);
    this.sets.move(number, from, to);
  }

  /** The smallest non-zero member of a set; found by a walk where the one before it has left. */
  #top(root: number): number {
    const known = this.sets.topOf(root);
    if (known >= 0 || this.sets.sizeOf(root) === 0) return known;
    let top = -1;
    const { ids } = this;
    this.sets.forEach(root, (number) => {
      if (top < 0 || ids.isBefore(number, top)) top = number;
    });
    this.sets.setTop(root, top);
    return top;
  }

  /** Members of the largest body that the edit touched so far. */
  largestTouched(): number {
    return this.#ledger.largest();
  }

  /** Ends the edit. @returns what it did to roots; owned. */
  finish(): RootChanges {
    return this.#ledger.finish();
  }

  /** Takes the edit back, as if it had never been. `out` and `into`: what changes its force when the edit goes out of it, itself included. */
  abort(out: readonly number[], into: readonly number[]): void {
    this.turn(out, into);
    this.graph.pop();
    this.#ledger.abort();
    this.sets.shrink(this.#idsBefore);
    this.ids.shrink(this.#idsBefore);
  }
}
