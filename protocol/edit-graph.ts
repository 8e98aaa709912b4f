/**
 * What merges and cleaves of a log connect: a graph over *lives* of ids.
 *
 * A cleave in force ends one life of each id that it names, and begins the next. A merge connects the lives that its ids have at that
 * moment. What remains of a body stays together, so lives that have ended go on connecting those that they were merged with; but only the
 * last life of an id, the *living* one, is a member of a body. The bodies are the connected parts of this graph, whatever the order.
 *
 * A life is named by one integer: n ≥ 0 is the living one of number n, ~e the one that cleaving e ended.
 * Edges and cleavings are numbered in the order of the log, and are never removed but by `pop`: those of edits out of force are passed over.
 */
import { grownInt32, grownUint8, grownUint32 } from './growable.ts';
import { inPieces, type Sliced } from './slices.ts';

/** Bits of an edit. */
const IN_FORCE = 1;
const CLEAVES = 2;

/** Edges, cleavings, and which edits are in force. */
export class EditGraph {
  /** Ends of edge e at 2·e and 2·e + 1: numbers. Such a place is a *half*. */
  ends: Int32Array = new Int32Array(0);
  /** By half: the next older half of the same number + 1, 0 = none. */
  nextHalf: Int32Array = new Int32Array(0);
  /** By number: its newest half + 1, 0 = none. */
  newestHalf: Int32Array = new Int32Array(0);
  /** 1 by edge where its edit is in force. */
  isEdge: Uint8Array = new Uint8Array(0);
  /** By seq: IN_FORCE, CLEAVES. Edits count from 1. */
  #edits: Uint8Array = new Uint8Array(1);
  /** 1 by number where it was ever cleaved. */
  wasCleaved: Uint8Array = new Uint8Array(0);
  #newestCleaving = new Map<number, number>();
  /** By cleaving. */
  #cleaved: Int32Array = new Int32Array(0);
  #cleavedAt: Int32Array = new Int32Array(0);
  #cleavingSeq: Uint32Array = new Uint32Array(0);
  #olderCleaving: Int32Array = new Int32Array(0);
  #lifeLabel: Int32Array = new Int32Array(0);
  /** By seq: the first edge of the edit. */
  #edgeStart: Uint32Array = new Uint32Array(2);
  #edges = 0;
  #cleavings = 0;
  #seq = 0;

  get edges(): number {
    return this.#edges;
  }

  get cleavings(): number {
    return this.#cleavings;
  }

  /** Seq of the newest edit. */
  get seq(): number {
    return this.#seq;
  }

  /** Begins the next edit, in force. */
  begin(): void {
    const seq = ++this.#seq;
    this.#edgeStart = grownUint32(this.#edgeStart, seq + 2);
    this.#edits = grownUint8(this.#edits, seq + 1);
    this.#edgeStart[seq] = this.#edges;
    this.#edits[seq] = IN_FORCE;
  }

  /** Puts an edit in force, or out of it. */
  setForce(seq: number, isInForce: boolean): void {
    const bits = (this.#edits[seq] as number) & ~IN_FORCE;
    this.#edits[seq] = isInForce ? bits | IN_FORCE : bits;
    this.isEdge.fill(isInForce ? 1 : 0, this.#edgeStart[seq], this.#edgesEnd(seq));
  }

  /** Whether an edit has edges or cleavings. */
  hasParts(seq: number): boolean {
    return this.#edgesEnd(seq) > (this.#edgeStart[seq] as number) || ((this.#edits[seq] as number) & CLEAVES) !== 0;
  }

  /** The edge behind the last of an edit. */
  #edgesEnd(seq: number): number {
    return seq === this.#seq ? this.#edges : (this.#edgeStart[seq + 1] as number);
  }

  /** The first cleaving of an edit or of a later one. */
  #firstCleaving(seq: number): number {
    let [low, high] = [0, this.#cleavings];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#cleavingSeq[middle] as number) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Makes room for numbers below `count`. */
  reserve(count: number): void {
    this.newestHalf = grownInt32(this.newestHalf, count);
    this.wasCleaved = grownUint8(this.wasCleaved, count);
  }

  connect(a: number, b: number): void {
    const edge = this.#edges++;
    const half = 2 * edge;
    this.ends = grownInt32(this.ends, half + 2);
    this.nextHalf = grownInt32(this.nextHalf, half + 2);
    this.isEdge = grownUint8(this.isEdge, edge + 1);
    this.ends[half] = a;
    this.ends[half + 1] = b;
    this.isEdge[edge] = 1;
    this.#link(half, a);
    this.#link(half + 1, b);
  }

  #link(half: number, number: number): void {
    this.nextHalf[half] = this.newestHalf[number] as number;
    this.newestHalf[number] = half + 1;
  }

  /** Ends the living life of a number, whose label was this. */
  cleave(number: number, label: number): void {
    const cleaving = this.#cleavings++;
    this.#cleaved = grownInt32(this.#cleaved, cleaving + 1);
    this.#cleavedAt = grownInt32(this.#cleavedAt, cleaving + 1);
    this.#cleavingSeq = grownUint32(this.#cleavingSeq, cleaving + 1);
    this.#olderCleaving = grownInt32(this.#olderCleaving, cleaving + 1);
    this.#lifeLabel = grownInt32(this.#lifeLabel, cleaving + 1);
    this.#cleaved[cleaving] = number;
    this.#cleavedAt[cleaving] = this.#edges;
    this.#cleavingSeq[cleaving] = this.#seq;
    this.#lifeLabel[cleaving] = label;
    this.#edits[this.#seq] = (this.#edits[this.#seq] as number) | CLEAVES;
    this.#linkCleaving(cleaving, number);
  }

  #linkCleaving(cleaving: number, number: number): void {
    this.#olderCleaving[cleaving] = this.#newestCleaving.get(number) ?? -1;
    this.#newestCleaving.set(number, cleaving);
    this.wasCleaved[number] = 1;
  }

  /** The number of a life. */
  numberOf(life: number): number {
    return life >= 0 ? life : (this.#cleaved[~life] as number);
  }

  /** Label of a life that has ended. */
  labelOfCleaving(cleaving: number): number {
    return this.#lifeLabel[cleaving] as number;
  }

  setLabelOfCleaving(cleaving: number, label: number): void {
    this.#lifeLabel[cleaving] = label;
  }

  isCleavingInForce(cleaving: number): boolean {
    return ((this.#edits[this.#cleavingSeq[cleaving] as number] as number) & IN_FORCE) !== 0;
  }

  /** The life of a number that an edge ends in. */
  lifeAt(number: number, edge: number): number {
    if (this.wasCleaved[number] === 0) return number;
    let life = number;
    let cleaving = this.#newestCleaving.get(number) ?? -1;
    while (cleaving >= 0 && (this.#cleavedAt[cleaving] as number) > edge) {
      if (this.isCleavingInForce(cleaving)) life = ~cleaving;
      cleaving = this.#olderCleaving[cleaving] as number;
    }
    return life;
  }

  /** The life that a cleaving begins; that it falls into, where it is out of force. */
  lifeAfter(cleaving: number): number {
    const number = this.#cleaved[cleaving] as number;
    let life = number;
    let newer = this.#newestCleaving.get(number) ?? -1;
    while (newer > cleaving) {
      if (this.isCleavingInForce(newer)) life = ~newer;
      newer = this.#olderCleaving[newer] as number;
    }
    return life;
  }

  /** The first edge that may end in a life. */
  firstEdgeOf(life: number): number {
    if (life >= 0 && this.wasCleaved[life] === 0) return 0;
    let older = life < 0 ? (this.#olderCleaving[~life] as number) : (this.#newestCleaving.get(life) ?? -1);
    while (older >= 0 && !this.isCleavingInForce(older)) older = this.#olderCleaving[older] as number;
    return older < 0 ? 0 : (this.#cleavedAt[older] as number);
  }

  /** The edge behind the last that may end in a life. */
  endEdgeOf(life: number): number {
    return life >= 0 ? this.#edges : (this.#cleavedAt[~life] as number);
  }

  /** Calls `visit` with each edge of an edit and its ends. */
  forEachEdge(seq: number, visit: (edge: number, a: number, b: number) => void): void {
    const end = this.#edgesEnd(seq);
    for (let edge = this.#edgeStart[seq] as number; edge < end; edge++)
      visit(edge, this.ends[2 * edge] as number, this.ends[2 * edge + 1] as number);
  }

  /** Calls `visit` with each cleaving of an edit. */
  forEachCleaving(seq: number, visit: (cleaving: number) => void): void {
    for (let at = this.#firstCleaving(seq); at < this.#cleavings && this.#cleavingSeq[at] === seq; at++) visit(at);
  }

  /** Takes the newest edit away, as if it had never been. */
  pop(): void {
    const seq = this.#seq--;
    for (const firstEdge = this.#edgeStart[seq] as number; this.#edges > firstEdge; ) {
      const edge = --this.#edges;
      for (const half of [2 * edge + 1, 2 * edge])
        this.newestHalf[this.ends[half] as number] = this.nextHalf[half] as number;
    }
    for (const first = this.#firstCleaving(seq); this.#cleavings > first; ) {
      const cleaving = --this.#cleavings;
      const number = this.#cleaved[cleaving] as number;
      const older = this.#olderCleaving[cleaving] as number;
      if (older >= 0) this.#newestCleaving.set(number, older);
      else {
        this.#newestCleaving.delete(number);
        this.wasCleaved[number] = 0;
      }
    }
    this.#edits[seq] = 0;
  }

  /** What a checkpoint keeps: views of what is here, which later edits leave as it is. */
  dump(): GraphViews {
    return {
      ends: this.ends.subarray(0, 2 * this.#edges),
      edgeStart: this.#edgeStart.subarray(0, this.#seq + 1),
      cleaved: this.#cleaved.subarray(0, this.#cleavings),
      cleavedAt: this.#cleavedAt.subarray(0, this.#cleavings),
      cleavingSeq: this.#cleavingSeq.subarray(0, this.#cleavings),
    };
  }

  /** Fills an empty graph. Owns the arrays. `lifeLabel` holds the labels of lives that have ended, by cleaving. */
  *load(dump: GraphDump, numbers: number, inForce: Uint8Array, lifeLabel: Int32Array): Sliced<void> {
    const { ends, edgeStart, cleaved, cleavedAt, cleavingStart } = dump;
    this.#seq = edgeStart.length - 1;
    this.#edges = ends.length / 2;
    this.#cleavings = cleaved.length;
    this.#edgeStart = edgeStart;
    this.ends = ends;
    this.#edits = inForce;
    this.isEdge = new Uint8Array(this.#edges);
    this.newestHalf = new Int32Array(numbers);
    this.nextHalf = new Int32Array(ends.length);
    this.wasCleaved = new Uint8Array(numbers);
    this.#cleaved = cleaved;
    this.#cleavedAt = cleavedAt;
    this.#lifeLabel = lifeLabel;
    this.#olderCleaving = new Int32Array(cleaved.length);
    this.#cleavingSeq = new Uint32Array(cleaved.length);
    yield* inPieces(ends.length, (from, end) => {
      this.isEdge.fill(1, from / 2, end / 2);
      for (let half = from; half < end; half++) this.#link(half, ends[half] as number);
    });
    yield* inPieces(this.#seq + 1, (from, end) => {
      for (let seq = Math.max(1, from); seq < end; seq++) {
        if ((inForce[seq] as number) === 0) this.setForce(seq, false);
        const last = seq < this.#seq ? (cleavingStart[seq + 1] as number) : cleaved.length;
        this.#cleavingSeq.fill(seq, cleavingStart[seq], last);
      }
    });
    yield* inPieces(cleaved.length, (from, end) => {
      for (let cleaving = from; cleaving < end; cleaving++) {
        const seq = this.#cleavingSeq[cleaving] as number;
        this.#edits[seq] = (this.#edits[seq] as number) | CLEAVES;
        this.#linkCleaving(cleaving, cleaved[cleaving] as number);
      }
    });
  }
}

/** What a graph is made of, by edge and by cleaving. */
export interface GraphViews {
  readonly ends: Int32Array;
  readonly edgeStart: Uint32Array;
  readonly cleaved: Int32Array;
  readonly cleavedAt: Int32Array;
  readonly cleavingSeq: Uint32Array;
}

/** What a graph is made of, by edge, cleaving and seq. */
export interface GraphDump {
  readonly ends: Int32Array;
  readonly edgeStart: Uint32Array;
  readonly cleaved: Int32Array;
  readonly cleavedAt: Int32Array;
  readonly cleavingStart: Uint32Array;
}

/** The first cleaving of each seq up to `last`, by the seq of each cleaving: what `load` takes. */
export function* cleavingStarts(seqs: Uint32Array, last: number): Sliced<Uint32Array> {
  const starts = new Uint32Array(last + 1);
  let at = 0;
  yield* inPieces(last + 1, (from, end) => {
    for (let seq = Math.max(1, from); seq < end; seq++) {
      starts[seq] = at;
      while (seqs[at] === seq) at++;
    }
  });
  return starts;
}
