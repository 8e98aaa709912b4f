/** Which parts of a body hang together no longer: a search from all ends at once, which stops when all but one part are known. */
import type { EditGraph } from './edit-graph.ts';
import { grownInt32 } from './growable.ts';

const TURN = 256;
const NONE = -1;

/** Marks of lives that searches have come to; kept between searches, and clean between them. */
export class SearchMarks {
  /** Place + 1 by number, and by cleaving; 0 = not visited. */
  living: Int32Array = new Int32Array(0);
  ended: Int32Array = new Int32Array(0);
}

/**
 * Finds the connected parts that some lives are in, except the one that takes longest to walk through.
 *
 * @param turn edges that one search looks at before the next one has its turn.
 * @param lives all in what was one body; a part without any of them is not found.
 * @returns the lives of each part that is cut off from the rest. The cost is that of walking through those parts, times the number of `lives`
 *   at worst, plus as much again in the part that stays.
 */
export function partsCutOff(graph: EditGraph, marks: SearchMarks, lives: readonly number[], turn = TURN): Int32Array[] {
  marks.living = grownInt32(marks.living, graph.newestHalf.length);
  marks.ended = grownInt32(marks.ended, graph.cleavings);
  const search = new Search(graph, marks, turn);
  try {
    for (const life of lives) search.start(life);
    search.run();
    return search.parts();
  } finally {
    search.clear();
  }
}

/** Searches side by side. Lives that were visited stand at places 0, 1, 2, …; each search has a list of places done and of places to do. */
class Search {
  readonly #graph: EditGraph;
  readonly #marks: SearchMarks;
  readonly #turn: number;
  /** By place. */
  #life: Int32Array = new Int32Array(64);
  #owner: Int32Array = new Int32Array(64);
  #nextPlace: Int32Array = new Int32Array(64);
  /** The half to look at next + 1, 0 = none is left. */
  #half: Int32Array = new Int32Array(64);
  #places = 0;
  /** By search. */
  readonly #parent: number[] = [];
  readonly #todoFirst: number[] = [];
  readonly #todoLast: number[] = [];
  readonly #doneFirst: number[] = [];
  readonly #doneLast: number[] = [];
  readonly #visited: number[] = [];
  /** Searches that go on: those that met others count once. */
  #open = 0;
  readonly #finished: number[] = [];

  constructor(graph: EditGraph, marks: SearchMarks, turn: number) {
    this.#turn = turn;
    this.#graph = graph;
    this.#marks = marks;
  }

  /** Starts a search at a life, unless there is one. */
  start(life: number): void {
    if (this.#placeOf(life) !== 0) return;
    const search = this.#parent.length;
    this.#parent.push(search);
    this.#todoFirst.push(NONE);
    this.#todoLast.push(NONE);
    this.#doneFirst.push(NONE);
    this.#doneLast.push(NONE);
    this.#visited.push(0);
    this.#open++;
    this.#visit(life, search);
  }

  #placeOf(life: number): number {
    return (life >= 0 ? this.#marks.living[life] : this.#marks.ended[~life]) as number;
  }

  #visit(life: number, search: number): void {
    const place = this.#places++;
    if (place >= this.#life.length) this.#grow(2 * place);
    this.#visited[search] = (this.#visited[search] as number) + 1;
    this.#life[place] = life;
    this.#owner[place] = search;
    this.#nextPlace[place] = NONE;
    this.#half[place] = this.#graph.newestHalf[this.#graph.numberOf(life)] as number;
    if (life >= 0) this.#marks.living[life] = place + 1;
    else this.#marks.ended[~life] = place + 1;
    const last = this.#todoLast[search] as number;
    if (last === NONE) this.#todoFirst[search] = place;
    else this.#nextPlace[last] = place;
    this.#todoLast[search] = place;
  }

  #grow(places: number): void {
    this.#life = grownInt32(this.#life, places);
    this.#owner = grownInt32(this.#owner, places);
    this.#nextPlace = grownInt32(this.#nextPlace, places);
    this.#half = grownInt32(this.#half, places);
  }

  #find(search: number): number {
    let at = search;
    for (let up = this.#parent[at] as number; up !== at; up = this.#parent[at] as number) {
      this.#parent[at] = this.#parent[up] as number;
      at = up;
    }
    return at;
  }

  run(): void {
    const turns = this.#parent.slice();
    for (let i = 0; this.#open > 1; i = i + 1 < turns.length ? i + 1 : 0) {
      const search = turns[i] as number;
      const isOver = this.#parent[search] !== search || this.#advance(search);
      if (!isOver) continue;
      // The last one takes its turn.
      turns[i] = turns[turns.length - 1] as number;
      turns.pop();
      i--;
    }
  }

  /** One turn of a search. @returns whether it is over. */
  #advance(search: number): boolean {
    const graph = this.#graph;
    const { nextHalf, ends, edgeSeq, inForce } = graph;
    for (let left = this.#turn; left > 0; ) {
      const place = this.#todoFirst[search] as number;
      if (place === NONE) {
        this.#open--;
        this.#finished.push(search);
        return true;
      }
      const life = this.#life[place] as number;
      const first = graph.firstEdgeOf(life);
      const end = graph.endEdgeOf(life);
      let half = this.#half[place] as number;
      for (; half !== 0 && left > 0; half = nextHalf[half - 1] as number, left--) {
        const edge = (half - 1) >>> 1;
        if (edge >= end || inForce[edgeSeq[edge] as number] === 0) continue;
        if (edge < first) {
          half = 0;
          break;
        }
        this.#reach(graph.lifeAt(ends[(half - 1) ^ 1] as number, edge), search);
        if (this.#open <= 1) return true;
      }
      this.#half[place] = half;
      if (half === 0) {
        this.#finish(place, search);
        left--;
      }
    }
    return false;
  }

  #reach(life: number, search: number): void {
    const place = this.#placeOf(life);
    if (place === 0) {
      this.#visit(life, search);
      return;
    }
    const other = this.#find(this.#owner[place - 1] as number);
    if (other !== search) this.#meet(search, other);
  }

  /** Two searches are in one part: the other goes on as this one. */
  #meet(search: number, other: number): void {
    this.#parent[other] = search;
    this.#open--;
    this.#visited[search] = (this.#visited[search] as number) + (this.#visited[other] as number);
    this.#append(this.#todoFirst, this.#todoLast, search, other);
    this.#append(this.#doneFirst, this.#doneLast, search, other);
  }

  #append(first: number[], last: number[], to: number, from: number): void {
    if (first[from] === NONE) return;
    if (first[to] === NONE) first[to] = first[from] as number;
    else this.#nextPlace[last[to] as number] = first[from] as number;
    last[to] = last[from] as number;
  }

  /** All edges of a place were looked at. It is the first of those to do. */
  #finish(place: number, search: number): void {
    const next = this.#nextPlace[place] as number;
    this.#todoFirst[search] = next;
    if (next === NONE) this.#todoLast[search] = NONE;
    this.#nextPlace[place] = this.#doneFirst[search] as number;
    if (this.#doneFirst[search] === NONE) this.#doneLast[search] = place;
    this.#doneFirst[search] = place;
  }

  /** Lives of the searches that came to an end before the last one. */
  parts(): Int32Array[] {
    return this.#finished.map((search) => {
      const lives = new Int32Array(this.#visited[search] as number);
      let count = 0;
      for (let at = this.#doneFirst[search] as number; at !== NONE; at = this.#nextPlace[at] as number)
        lives[count++] = this.#life[at] as number;
      return lives;
    });
  }

  /** Leaves the marks as they were. */
  clear(): void {
    const { living, ended } = this.#marks;
    for (let place = 0; place < this.#places; place++) {
      const life = this.#life[place] as number;
      if (life >= 0) living[life] = 0;
      else ended[~life] = 0;
    }
  }
}
