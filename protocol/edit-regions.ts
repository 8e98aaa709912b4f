/** Regions of base ids and their aliases. Rules [E5], [E28]. */
import type { Changes, Region } from './edit-changes.ts';
import { type Entry, History } from './edit-history.ts';
import type { Box } from './volume.ts';

/** A map of four keys, one of them with a box. */
const NODES_OF_REGION = 15;

/** What never changes about a region once it was declared. */
type Declared = Pick<Region, 'id' | 'region' | 'alias'>;

/** The part of `changes` that tells of regions. */
export type RegionChanges = Pick<Changes, 'regions' | 'goneRegions'>;

/** The regions of a channel. */
export class Regions {
  /** Every region ever declared, in force or not: it keeps its alias. */
  readonly #declared = new Map<string, Declared>();
  readonly #byAlias = new Map<bigint, Declared>();
  readonly #boxes = new History<string, { readonly box: Box | null }>();
  #fresh: string[] = [];

  /** A region that is declared by an edit in force. */
  get(id: bigint, region: number): Region | undefined {
    const key = keyOf(id, region);
    const value = this.#boxes.current(key)?.value;
    const declared = this.#declared.get(key);
    return value === undefined || declared === undefined ? undefined : { ...declared, box: value.box };
  }

  ofAlias(alias: bigint): Region | undefined {
    const declared = this.#byAlias.get(alias);
    return declared === undefined ? undefined : this.get(declared.id, declared.region);
  }

  /** Whether an id is that of a region, in force or not. */
  isAlias(id: bigint): boolean {
    return this.#byAlias.has(id);
  }

  /** Alias of a region, in force or not. */
  aliasOf(id: bigint, region: number): bigint | undefined {
    return this.#declared.get(keyOf(id, region))?.alias;
  }

  /** Regions that edits in force declare, in the order of their first declaration. */
  *all(): Generator<Region> {
    for (const { id, region } of this.#declared.values()) {
      const found = this.get(id, region);
      if (found !== undefined) yield found;
    }
  }

  /** As `all`, as of a seq, `out` being out of force then. May be read while edits go on. */
  *allAt(seq: number, out: ReadonlySet<number>): Generator<Region> {
    for (const [key, declared] of this.#declared) {
      const box = this.#boxes.at(key, seq, out)?.value?.box;
      if (box !== undefined) yield { ...declared, box };
    }
  }

  /** Begins an edit: `finish` or `abort` must follow. */
  begin(): void {
    if (this.#fresh.length > 0) this.#fresh = [];
  }

  set(seq: number, declared: Declared, box: Box | null): void {
    const key = keyOf(declared.id, declared.region);
    if (!this.#declared.has(key)) {
      this.#declare(key, declared);
      this.#fresh.push(key);
    }
    this.#boxes.set(seq, key, { box });
  }

  #declare(key: string, declared: Declared): void {
    this.#declared.set(key, declared);
    // Region 0 is the id itself.
    if (declared.region !== 0) this.#byAlias.set(declared.alias, declared);
  }

  /** Edits went out of force or came back into it. */
  turned(seqs: readonly number[], isInForce: (seq: number) => boolean): void {
    this.#boxes.turned(seqs, isInForce);
  }

  /** Nodes that what the edit under way does to regions takes in a message, at most. */
  weigh(): number {
    return [...this.#boxes.changed()].length * NODES_OF_REGION;
  }

  /** Whether the edit under way has to do with any region. */
  get isTouched(): boolean {
    return this.#boxes.isTouched;
  }

  /** Ends the edit. @returns what it did to regions. */
  finish(): RegionChanges {
    const regions: Region[] = [];
    const goneRegions: (readonly [bigint, number])[] = [];
    for (const [key, before, now] of this.#boxes.changed()) {
      const declared = this.#declared.get(key);
      if (declared === undefined || isSame(before, now)) continue;
      if (now?.value === undefined) goneRegions.push([declared.id, declared.region]);
      else regions.push({ ...declared, box: now.value.box });
    }
    this.#boxes.finish();
    return {
      ...(regions.length === 0 ? {} : { regions }),
      ...(goneRegions.length === 0 ? {} : { goneRegions }),
    };
  }

  /** Takes the edit back. */
  abort(seq: number): void {
    this.#boxes.abort(seq);
    for (const key of this.#fresh) {
      const declared = this.#declared.get(key);
      if (declared !== undefined && declared.region !== 0) this.#byAlias.delete(declared.alias);
      this.#declared.delete(key);
    }
  }

  /** What a checkpoint keeps of edits up to a seq: values that `load` takes, one by one. Later edits may go on meanwhile. */
  *dump(upto: number): Generator<readonly unknown[]> {
    for (const [key, entries] of this.#boxes.dump(upto)) {
      const declared = this.#declared.get(key);
      if (declared !== undefined)
        yield [
          declared.id,
          declared.region,
          declared.alias,
          entries.map(({ seq, value }) => [seq, value?.box ?? null]),
        ];
    }
  }

  load(value: readonly unknown[], isInForce: (seq: number) => boolean): void {
    // Only `dump` makes these.
    const [id, region, alias, boxes] = value as [number | bigint, number, number | bigint, [number, Box | null][]];
    const declared = { id: BigInt(id), region, alias: BigInt(alias) };
    const key = keyOf(declared.id, region);
    this.#declare(key, declared);
    const entries = boxes.map(([seq, box]): Entry<{ readonly box: Box | null }> => ({ seq, value: { box } }));
    this.#boxes.load(key, entries, isInForce);
  }
}

function keyOf(id: bigint, region: number): string {
  return `${id}:${region}`;
}

type BoxEntry = Entry<{ readonly box: Box | null }> | undefined;

function isSame(a: BoxEntry, b: BoxEntry): boolean {
  if (a?.value === undefined || b?.value === undefined) return a?.value === b?.value;
  return String(a.value.box) === String(b.value.box);
}
