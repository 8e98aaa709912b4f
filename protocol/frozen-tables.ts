/** Regions, rows and metadata of a moment, while edits go on: read from what is kept of every edit, as of its seq. */
import type { Region } from './edit-changes.ts';
import type { History } from './edit-history.ts';
import type { Row, TableName } from './edit-ops.ts';
import type { Regions } from './edit-regions.ts';
import type { Tables } from './edit-tables.ts';

/** They as of a seq. Valid as long as edits are only added, and aborted. */
export class FrozenTables {
  readonly seq: number;
  readonly #regions: Regions;
  readonly #tables: Tables;
  readonly #meta: History<string, unknown>;
  readonly #readOut: () => ReadonlySet<number>;
  #out: ReadonlySet<number> | undefined;

  /** @param readOut tells which edits were out of force as of `seq`; asked once, when it matters first. */
  constructor(
    seq: number,
    regions: Regions,
    tables: Tables,
    meta: History<string, unknown>,
    readOut: () => ReadonlySet<number>,
  ) {
    this.seq = seq;
    this.#regions = regions;
    this.#tables = tables;
    this.#meta = meta;
    this.#readOut = readOut;
  }

  /** Regions in force, in the order of their first declaration. */
  regions(): Generator<Region> {
    return this.#regions.allAt(this.seq, this.#outOfForce());
  }

  /** Metadata in force, in the order in which edits named the keys first. */
  *meta(): Generator<readonly [key: string, value: unknown]> {
    for (const key of this.#meta.keys()) {
      const value = this.#meta.at(key, this.seq, this.#outOfForce())?.value;
      if (value !== undefined) yield [key, value];
    }
  }

  /** Keys of rows that edits may have decided about, ascending; those of later edits may be among them. Shared: not to be changed. */
  editedKeys(table: TableName): BigUint64Array {
    return this.#tables.editedKeys(table);
  }

  /** What edits had made of a key: its row, null for gone, undefined where it is as it was before any edit. */
  editedRow(table: TableName, key: bigint): Row | null | undefined {
    return this.#tables.editedRowAt(table, key, this.seq, this.#outOfForce());
  }

  #outOfForce(): ReadonlySet<number> {
    this.#out ??= this.#readOut();
    return this.#out;
  }
}
