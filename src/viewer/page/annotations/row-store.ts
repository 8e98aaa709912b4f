/** The shapes of one channel, found by key and by place, kept up with its rows. Pure but for the pauses that it is given. */
import type { ChannelInfo, Row } from '../../../client/index.ts';
import type { Place } from '../stage.ts';
import { cellSize, GridIndex, type Placed } from './grid-index.ts';
import { SHOWN_TABLES, type Shape, type ShownTable, shapeOf } from './shape.ts';

/** Where rows come from. */
export interface RowSource {
  /** Rows that are certain. May change while they are looked at; what changed is then marked. */
  certain(table: ShownTable): Iterable<Row>;
  /** A row as it is shown, own edits included. */
  row(table: ShownTable, key: bigint): Row | undefined;
  /** Keys of which own edits decide that nobody has answered. */
  own(): Iterable<readonly [table: ShownTable, key: bigint]>;
}

/** Rows that are looked at between two pauses. */
const ROWS_AT_ONCE = 2_000;
/** With so many more than it was made for, the index is made anew. */
const GROWTH = 4;
const GROWTH_FROM = 1_000;

type Shapes = Readonly<Record<ShownTable, Map<bigint, Shape>>>;

/** The shapes of a channel. */
export class RowStore {
  readonly #info: ChannelInfo;
  readonly #source: RowSource;
  readonly #pause: () => Promise<void>;
  #shapes: Shapes = { annotation: new Map(), synapse: new Map() };
  #index = new GridIndex<Shape>(1);
  /** Shapes that the index was made for. */
  #madeFor = 0;
  /** Keys whose rows have changed. */
  readonly #dirty: Readonly<Record<ShownTable, Set<bigint>>> = { annotation: new Set(), synapse: new Set() };
  /** Keys that are shown because of own edits. */
  #own: readonly (readonly [ShownTable, bigint])[] = [];
  /** Of the newest rebuild; an older one ends when it sees another. */
  #rebuild = 0;
  #isRebuilding = false;

  /** @param pause lets others work. */
  constructor(info: ChannelInfo, source: RowSource, pause: () => Promise<void>) {
    this.#info = info;
    this.#source = source;
    this.#pause = pause;
  }

  get count(): number {
    return this.#shapes.annotation.size + this.#shapes.synapse.size;
  }

  get(table: ShownTable, key: bigint): Shape | undefined {
    return this.#shapes[table].get(key);
  }

  /** All shapes of a table, the oldest first but for those that were put anew. */
  all(table: ShownTable): Iterable<Shape> {
    return this.#shapes[table].values();
  }

  /** Shapes that meet a box, at most `limit`, those near its middle before others. */
  near(box: Placed, limit: number): Shape[] {
    return this.#index.near(box, limit);
  }

  /** A row has changed, or has gone. */
  mark(table: ShownTable, key: bigint): void {
    this.#dirty[table].add(key);
  }

  /** Own edits came, went or were answered: what they decided, and decide now, is looked at. */
  markOwn(): void {
    for (const [table, key] of this.#own) this.mark(table, key);
    this.#own = [...this.#source.own()];
    for (const [table, key] of this.#own) this.mark(table, key);
  }

  /** Shows what was marked. @returns whether anything is different now. */
  flush(): boolean {
    if (this.#isRebuilding) return false;
    let isChanged = false;
    for (const table of SHOWN_TABLES) {
      for (const key of this.#dirty[table]) isChanged = this.#show(table, key) || isChanged;
      this.#dirty[table].clear();
    }
    if (this.#index.count > GROWTH * this.#madeFor + GROWTH_FROM) this.#makeIndex();
    return isChanged;
  }

  /** Reads all rows anew, with pauses; until then what was shown stays. @returns whether it came to its end. */
  async rebuild(): Promise<boolean> {
    const turn = ++this.#rebuild;
    this.#isRebuilding = true;
    const shapes: Shapes = { annotation: new Map(), synapse: new Map() };
    let looked = 0;
    for (const table of SHOWN_TABLES)
      for (const row of this.#source.certain(table)) {
        const shape = shapeOf(table, row, this.#info);
        if (shape !== undefined) shapes[table].set(row.key, shape);
        if (++looked % ROWS_AT_ONCE !== 0) continue;
        await this.#pause();
        if (turn !== this.#rebuild) return false;
      }
    const index = await this.#indexOf(shapes, turn);
    if (index === undefined || turn !== this.#rebuild) return false;
    this.#shapes = shapes;
    this.#index = index;
    this.#madeFor = index.count;
    this.#isRebuilding = false;
    this.#own = [];
    this.markOwn();
    this.flush();
    return true;
  }

  /** What is under way ends. */
  close(): void {
    this.#rebuild++;
  }

  async #indexOf(shapes: Shapes, turn: number): Promise<GridIndex<Shape> | undefined> {
    const all = [...shapes.annotation.values(), ...shapes.synapse.values()];
    const index = new GridIndex<Shape>(cellSize(all.length, ...boundsOfAll(all)));
    for (const [i, shape] of all.entries()) {
      index.add(shape);
      if ((i + 1) % ROWS_AT_ONCE !== 0) continue;
      await this.#pause();
      if (turn !== this.#rebuild) return undefined;
    }
    return index;
  }

  /** At once: there are few more than the last time. */
  #makeIndex(): void {
    const all = [...this.#shapes.annotation.values(), ...this.#shapes.synapse.values()];
    this.#index = new GridIndex(cellSize(all.length, ...boundsOfAll(all)));
    for (const shape of all) this.#index.add(shape);
    this.#madeFor = all.length;
  }

  #show(table: ShownTable, key: bigint): boolean {
    const before = this.#shapes[table].get(key);
    const row = this.#source.row(table, key);
    if (before?.row === row) return false;
    const shape = row === undefined ? undefined : shapeOf(table, row, this.#info);
    if (before !== undefined) this.#index.remove(before);
    if (shape === undefined) return this.#shapes[table].delete(key);
    this.#shapes[table].set(key, shape);
    this.#index.add(shape);
    return true;
  }
}

function boundsOfAll(shapes: readonly Shape[]): [low: Place, high: Place] {
  const low: [number, number, number] = [Infinity, Infinity, Infinity];
  const high: [number, number, number] = [-Infinity, -Infinity, -Infinity];
  for (const shape of shapes)
    for (const axis of [0, 1, 2] as const) {
      low[axis] = Math.min(low[axis], shape.low[axis]);
      high[axis] = Math.max(high[axis], shape.high[axis]);
    }
  return [low, high];
}
