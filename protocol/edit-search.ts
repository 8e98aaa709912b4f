/** Which parts of a body hang together no longer: a search from all ends at once, which stops when all but one part are known. */
import type { EditGraph } from './edit-graph.ts';

const TURN = 256;
const NONE = -1;
const MAX_MARK = 2 ** 31 - 1;

/**
 * Where searches have come to, by *row*: row n is the living life of number n, and behind those of all numbers stand the cleavings. Kept
 * between searches, so that none has to make room or to clean up: the marks of each are above those of the ones before.
 */
export class SearchMarks {
  /** Two words a row: the mark of the line that it stands in, and the row behind it there. */
  words: Int32Array = new Int32Array(0);
  #used: number;

  /** @param used marks up to here are taken. */
  constructor(used = 0) {
    this.#used = used;
  }

  /** Begins a search of at most so many lines. @returns the mark below its own; marks that are not above it mean nothing. */
  begin({ newestHalf, cleavings }: EditGraph, lines: number): number {
    const words = 2 * (newestHalf.length + cleavings);
    if (words > this.words.length) this.words = new Int32Array(words + (cleavings >> 1));
    if (this.#used > MAX_MARK - lines) {
      this.words.fill(0);
      this.#used = 0;
    }
    const base = this.#used;
    this.#used += lines;
    return base;
  }
}

/** Lives by part: those of part i end before `ends[i]`, where those of part i + 1 begin. */
export interface Parts {
  readonly lives: Int32Array;
  readonly ends: Int32Array;
}

/**
 * Finds the connected parts that some lives are in, except the one that takes longest to walk through.
 *
 * @param turn edges that one search looks at before the next one has its turn.
 * @param lives all in what was one body; a part without any of them is not found.
 * @returns the lives of each part that is cut off from the rest; owned. The cost is that of walking through those parts, times the number of
 *   `lives` at worst, plus as much again in the part that stays.
 */
export function partsCutOff(graph: EditGraph, marks: SearchMarks, lives: readonly number[], turn = TURN): Parts {
  const search = new Search(graph, marks, lives.length, turn);
  for (const life of lives) search.start(life);
  search.run();
  return search.parts();
}

/**
 * Searches side by side, each called by the line that it began with. Rows that were visited stand in *lines*, each in that of the search
 * that came to it first: those looked at, the one at hand, those still to be looked at. Searches that meet put their lines together.
 */
class Search {
  readonly #graph: EditGraph;
  readonly #words: Int32Array;
  /** Line i has the mark base + 1 + i. */
  readonly #base: number;
  /** Rows from here on are of cleavings. */
  readonly #numbers: number;
  readonly #turn: number;
  /** By line: its first row, the one at hand, the last, and how many there are. */
  readonly #first: Int32Array;
  readonly #at: Int32Array;
  readonly #last: Int32Array;
  readonly #count: Int32Array;
  /** By line: the half of the row at hand to look at next + 1, 0 = none is left. */
  readonly #half: Int32Array;
  readonly #nextLine: Int32Array;
  /** By line that a search began with. */
  readonly #parent: Int32Array;
  readonly #todoFirst: Int32Array;
  readonly #todoLast: Int32Array;
  readonly #doneFirst: Int32Array;
  readonly #doneLast: Int32Array;
  #lines = 0;
  /** Searches that go on: those that met others count once. */
  #open = 0;
  readonly #finished: number[] = [];

  constructor(graph: EditGraph, marks: SearchMarks, lines: number, turn: number) {
    this.#graph = graph;
    this.#base = marks.begin(graph, lines);
    this.#words = marks.words;
    this.#numbers = graph.newestHalf.length;
    this.#turn = turn;
    const byLine = (): Int32Array => new Int32Array(lines);
    [this.#first, this.#at, this.#last, this.#count] = [byLine(), byLine(), byLine(), byLine()];
    [this.#half, this.#nextLine, this.#parent] = [byLine(), byLine(), byLine()];
    [this.#todoFirst, this.#todoLast, this.#doneFirst, this.#doneLast] = [byLine(), byLine(), byLine(), byLine()];
  }

  /** Starts a search at a life, unless there is one. */
  start(life: number): void {
    const row = this.#rowOf(life);
    if ((this.#words[2 * row] as number) > this.#base) return;
    const line = this.#lines++;
    this.#words[2 * row] = this.#base + 1 + line;
    this.#first[line] = row;
    this.#at[line] = row;
    this.#last[line] = row;
    this.#count[line] = 1;
    this.#half[line] = this.#graph.newestHalf[this.#graph.numberOf(life)] as number;
    this.#nextLine[line] = NONE;
    this.#parent[line] = line;
    this.#todoFirst[line] = line;
    this.#todoLast[line] = line;
    this.#doneFirst[line] = NONE;
    this.#doneLast[line] = NONE;
    this.#open++;
  }

  #rowOf(life: number): number {
    return life >= 0 ? life : this.#numbers + ~life;
  }

  #lifeOf(row: number): number {
    return row < this.#numbers ? row : ~(row - this.#numbers);
  }

  #find(line: number): number {
    const parent = this.#parent;
    let at = line;
    for (let up = parent[at] as number; up !== at; up = parent[at] as number) {
      parent[at] = parent[up] as number;
      at = up;
    }
    return at;
  }

  run(): void {
    let turns = this.#lines;
    const searches = Int32Array.from({ length: turns }, (_, line) => line);
    for (let i = 0; this.#open > 1; i = i + 1 < turns ? i + 1 : 0) {
      const search = searches[i] as number;
      const isOver = this.#parent[search] !== search || this.#advance(search);
      // The last one takes its turn.
      if (isOver) searches[i--] = searches[--turns] as number;
    }
  }

  /** One turn of a search. @returns whether it is over. */
  #advance(search: number): boolean {
    for (let left = this.#turn; left > 0; ) {
      const line = this.#todoFirst[search] as number;
      if (line === NONE) {
        this.#open--;
        this.#finished.push(search);
        return true;
      }
      left = this.#walk(line, search, left);
      if (this.#open <= 1) return true;
    }
    return false;
  }

  /**
   * Looks at the edges of the rows of a line, the first that its search has to do.
   *
   * @param edges how many it may look at; a row counts as one more. @returns how many are left.
   */
  #walk(line: number, search: number, edges: number): number {
    const graph = this.#graph;
    const { newestHalf, nextHalf, ends, isEdge, wasCleaved } = graph;
    const [words, numbers, base] = [this.#words, this.#numbers, this.#base];
    let [row, last, half] = [this.#at[line] as number, this.#last[line] as number, this.#half[line] as number];
    const own = base + 1 + line;
    let left = edges;
    let found = 0;
    for (;;) {
      // Most were never cleaved: all this is for one life then.
      const isOne = row < numbers && wasCleaved[row] === 0;
      const first = isOne ? 0 : graph.firstEdgeOf(this.#lifeOf(row));
      const end = isOne ? graph.edges : graph.endEdgeOf(this.#lifeOf(row));
      for (; half !== 0 && left > 0; half = nextHalf[half - 1] as number, left--) {
        const edge = (half - 1) >>> 1;
        let next = ends[(half - 1) ^ 1] as number;
        const isFew = wasCleaved[next] === 1;
        // Where the row was come from: of most edges no more than this is looked at.
        if (!isFew && words[2 * next] === own) continue;
        if (edge >= end || isEdge[edge] === 0) continue;
        if (edge < first) half = 0;
        if (half === 0) break;
        if (isFew) next = this.#rowOf(graph.lifeAt(next, edge));
        const mark = words[2 * next] as number;
        if (mark <= base) {
          words[2 * next] = own;
          words[2 * last + 1] = next;
          last = next;
          found++;
        } else if (mark !== own && this.#meet(search, this.#find(mark - base - 1)) <= 1) return 0;
      }
      if (half !== 0 || --left < 0 || row === last) break;
      row = words[2 * row + 1] as number;
      half = newestHalf[row < numbers ? row : graph.numberOf(this.#lifeOf(row))] as number;
    }
    this.#at[line] = row;
    this.#last[line] = last;
    this.#half[line] = half;
    this.#count[line] = (this.#count[line] as number) + found;
    if (half === 0 && row === last) this.#finish(line, search);
    return left;
  }

  /** Where two searches are in one part the other goes on as this one. @returns how many searches go on. */
  #meet(search: number, other: number): number {
    if (other === search) return this.#open;
    this.#parent[other] = search;
    this.#append(this.#todoFirst, this.#todoLast, search, other);
    this.#append(this.#doneFirst, this.#doneLast, search, other);
    return --this.#open;
  }

  #append(first: Int32Array, last: Int32Array, to: number, from: number): void {
    if (first[from] === NONE) return;
    if (first[to] === NONE) first[to] = first[from] as number;
    else this.#nextLine[last[to] as number] = first[from] as number;
    last[to] = last[from] as number;
  }

  /** All rows of a line were looked at. It is the first of those to do. */
  #finish(line: number, search: number): void {
    const next = this.#nextLine[line] as number;
    this.#todoFirst[search] = next;
    if (next === NONE) this.#todoLast[search] = NONE;
    this.#nextLine[line] = this.#doneFirst[search] as number;
    if (this.#doneFirst[search] === NONE) this.#doneLast[search] = line;
    this.#doneFirst[search] = line;
  }

  /** Lives of the searches that came to an end before the last one. */
  parts(): Parts {
    const ends = new Int32Array(this.#finished.length);
    let total = 0;
    for (const [part, search] of this.#finished.entries()) {
      for (let line = this.#doneFirst[search] as number; line !== NONE; line = this.#nextLine[line] as number)
        total += this.#count[line] as number;
      ends[part] = total;
    }
    const lives = new Int32Array(total);
    const words = this.#words;
    let filled = 0;
    for (const search of this.#finished)
      for (let line = this.#doneFirst[search] as number; line !== NONE; line = this.#nextLine[line] as number) {
        const end = filled + (this.#count[line] as number);
        for (let row = this.#first[line] as number; filled < end; row = words[2 * row + 1] as number)
          lives[filled++] = this.#lifeOf(row);
      }
    return { lives, ends };
  }
}
