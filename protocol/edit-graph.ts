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

/** Edges, cleavings, and which edits are in force. */
export class EditGraph {
  /** Ends of edge e at 2·e and 2·e + 1: numbers. Such a place is a *half*. */
  ends: Int32Array = new Int32Array(0);
  /** By half: the next older half of the same number + 1, 0 = none. */
  nextHalf: Int32Array = new Int32Array(0);
  /** By number: its newest half + 1, 0 = none. */
  newestHalf: Int32Array = new Int32Array(0);
  /** Seq by edge. */
  edgeSeq: Uint32Array = new Uint32Array(0);
  /** 1 by seq where the edit is in force. Edits count from 1. */
  inForce: Uint8Array = new Uint8Array(1);
  /** 1 by number where it was ever cleaved. */
  #wasCleaved: Uint8Array = new Uint8Array(0);
  #newestCleaving = new Map<number, number>();
  /** By cleaving. */
  #cleaved: Int32Array = new Int32Array(0);
  #cleavedAt: Int32Array = new Int32Array(0);
  #cleavingSeq: Uint32Array = new Uint32Array(0);
  #olderCleaving: Int32Array = new Int32Array(0);
  #lifeLabel: Int32Array = new Int32Array(0);
  /** By seq: the first edge and the first cleaving of the edit. */
  #edgeStart: Uint32Array = new Uint32Array(2);
  #cleavingStart: Uint32Array = new Uint32Array(2);
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
    this.#cleavingStart = grownUint32(this.#cleavingStart, seq + 2);
    this.inForce = grownUint8(this.inForce, seq + 1);
    this.#edgeStart[seq] = this.#edges;
    this.#cleavingStart[seq] = this.#cleavings;
    this.inForce[seq] = 1;
  }

  /** Makes room for numbers below `count`. */
  reserve(count: number): void {
    this.newestHalf = grownInt32(this.newestHalf, count);
    this.#wasCleaved = grownUint8(this.#wasCleaved, count);
  }

  connect(a: number, b: number): void {
    const edge = this.#edges++;
    const half = 2 * edge;
    this.ends = grownInt32(this.ends, half + 2);
    this.nextHalf = grownInt32(this.nextHalf, half + 2);
    this.edgeSeq = grownUint32(this.edgeSeq, edge + 1);
    this.ends[half] = a;
    this.ends[half + 1] = b;
    this.edgeSeq[edge] = this.#seq;
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
    this.#linkCleaving(cleaving, number);
  }

  #linkCleaving(cleaving: number, number: number): void {
    this.#olderCleaving[cleaving] = this.#newestCleaving.get(number) ?? -1;
    this.#newestCleaving.set(number, cleaving);
    this.#wasCleaved[number] = 1;
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
    return this.inForce[this.#cleavingSeq[cleaving] as number] === 1;
  }

  /** The life of a number that an edge ends in. */
  lifeAt(number: number, edge: number): number {
    if (this.#wasCleaved[number] === 0) return number;
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
    if (life >= 0 && this.#wasCleaved[life] === 0) return 0;
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
    const end = seq === this.#seq ? this.#edges : (this.#edgeStart[seq + 1] as number);
    for (let edge = this.#edgeStart[seq] as number; edge < end; edge++)
      visit(edge, this.ends[2 * edge] as number, this.ends[2 * edge + 1] as number);
  }

  /** Calls `visit` with each cleaving of an edit. */
  forEachCleaving(seq: number, visit: (cleaving: number) => void): void {
    const end = seq === this.#seq ? this.#cleavings : (this.#cleavingStart[seq + 1] as number);
    for (let cleaving = this.#cleavingStart[seq] as number; cleaving < end; cleaving++) visit(cleaving);
  }

  /** Takes the newest edit away, as if it had never been. */
  pop(): void {
    const seq = this.#seq--;
    for (const firstEdge = this.#edgeStart[seq] as number; this.#edges > firstEdge; ) {
      const edge = --this.#edges;
      for (const half of [2 * edge + 1, 2 * edge])
        this.newestHalf[this.ends[half] as number] = this.nextHalf[half] as number;
    }
    for (const first = this.#cleavingStart[seq] as number; this.#cleavings > first; ) {
      const cleaving = --this.#cleavings;
      const number = this.#cleaved[cleaving] as number;
      const older = this.#olderCleaving[cleaving] as number;
      if (older >= 0) this.#newestCleaving.set(number, older);
      else {
        this.#newestCleaving.delete(number);
        this.#wasCleaved[number] = 0;
      }
    }
    this.inForce[seq] = 0;
  }

  /** What a checkpoint keeps: the arrays that `load` takes; views of what is here. */
  dump(): GraphDump {
    return {
      ends: this.ends.subarray(0, 2 * this.#edges),
      edgeStart: this.#edgeStart.subarray(0, this.#seq + 1),
      cleaved: this.#cleaved.subarray(0, this.#cleavings),
      cleavedAt: this.#cleavedAt.subarray(0, this.#cleavings),
      cleavingStart: this.#cleavingStart.subarray(0, this.#seq + 1),
    };
  }

  /** Fills an empty graph. Owns the arrays. `lifeLabel` holds the labels of lives that have ended, by cleaving. */
  load(dump: GraphDump, numbers: number, inForce: Uint8Array, lifeLabel: Int32Array): void {
    const { ends, edgeStart, cleaved, cleavedAt, cleavingStart } = dump;
    this.#seq = edgeStart.length - 1;
    this.#edges = ends.length / 2;
    this.#cleavings = cleaved.length;
    this.#edgeStart = edgeStart;
    this.#cleavingStart = cleavingStart;
    this.ends = ends;
    this.inForce = inForce;
    this.edgeSeq = seqsOf(edgeStart, this.#edges);
    this.newestHalf = new Int32Array(numbers);
    this.nextHalf = new Int32Array(ends.length);
    const { newestHalf, nextHalf } = this;
    for (let half = 0; half < ends.length; half++) {
      const number = ends[half] as number;
      nextHalf[half] = newestHalf[number] as number;
      newestHalf[number] = half + 1;
    }
    this.#wasCleaved = new Uint8Array(numbers);
    this.#cleaved = cleaved;
    this.#cleavedAt = cleavedAt;
    this.#cleavingSeq = seqsOf(cleavingStart, this.#cleavings);
    this.#lifeLabel = lifeLabel;
    this.#olderCleaving = new Int32Array(cleaved.length);
    for (let cleaving = 0; cleaving < cleaved.length; cleaving++)
      this.#linkCleaving(cleaving, cleaved[cleaving] as number);
  }
}

/** What a graph is made of, by edge, cleaving and seq. */
export interface GraphDump {
  readonly ends: Int32Array;
  readonly edgeStart: Uint32Array;
  readonly cleaved: Int32Array;
  readonly cleavedAt: Int32Array;
  readonly cleavingStart: Uint32Array;
}

/** The seq of each thing, by the first thing of each seq. */
function seqsOf(starts: Uint32Array, count: number): Uint32Array {
  const seqs = new Uint32Array(count);
  let at = 0;
  for (let seq = 1; seq < starts.length; seq++) {
    const end = seq + 1 < starts.length ? (starts[seq + 1] as number) : count;
    while (at < end) seqs[at++] = seq;
  }
  return seqs;
}
