/** What an edit reads and writes, and who came first: the base check. Rules [E17]..[E19]. */
import type { IdRef, Op } from '../../../protocol/edit-ops.ts';

/** Names of the things that an edit reads and writes. A thing that is written is not listed as read. */
export interface Scope {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

/** What must be known to name them. */
export interface ScopeContext {
  /** Before the edit. */
  rootOf(id: bigint): bigint;
  /** Tiles of mip 0 that a voxel op of the edit meets, by op index. */
  tilesOf(op: number): readonly string[];
  /** Scope of an edit of the log. */
  scopeOf(seq: number): Scope | undefined;
}

/** Names what some ops read and write; ids that the edit itself creates are nobody else's concern. */
export function scopeOfOps(ops: readonly Op[], context: ScopeContext): Scope {
  const reads = new Set<string>();
  const writes = new Set<string>();
  const id = (ref: IdRef): bigint | undefined => (typeof ref === 'bigint' ? ref : undefined);
  const bodies = (refs: readonly IdRef[], into: Set<string>): void => {
    for (const ref of refs) {
      const named = id(ref);
      if (named === undefined) continue;
      reads.add(`i${named}`);
      into.add(`r${context.rootOf(named)}`);
    }
  };
  for (const [index, op] of ops.entries())
    switch (op.op) {
      case 'merge':
        bodies(op.ids, reads);
        for (const ref of op.ids) if (id(ref) !== undefined) writes.add(`i${id(ref)}`);
        break;
      case 'cleave':
        bodies(op.ids, writes);
        for (const ref of op.ids) if (id(ref) !== undefined) writes.add(`i${id(ref)}`);
        break;
      case 'split':
        if (id(op.id) !== undefined) writes.add(`i${id(op.id)}`);
        for (const tile of context.tilesOf(index)) writes.add(tile);
        break;
      case 'write':
        for (const tile of context.tilesOf(index)) writes.add(tile);
        break;
      case 'region':
        if (id(op.id) !== undefined) writes.add(`g${id(op.id)}:${op.region}`);
        break;
      case 'put':
        for (const { key } of op.rows) if (key !== undefined) writes.add(`${op.table}:${key}`);
        break;
      case 'delete':
        for (const key of op.keys) writes.add(`${op.table}:${key}`);
        break;
      case 'meta':
        writes.add(`m${op.key}`);
        break;
      case 'undo': {
        const undone = context.scopeOf(op.seq);
        for (const name of undone?.reads ?? []) reads.add(name);
        for (const name of undone?.writes ?? []) writes.add(name);
        writes.add(`u${op.seq}`);
      }
    }
  return { reads: [...reads].filter((name) => !writes.has(name)), writes: [...writes] };
}

/** Edits that one may be based before. */
export const CONFLICT_WINDOW = 10_000;

/** Scopes of the last edits of a path. */
export class RecentScopes {
  /** By seq modulo the window. */
  readonly #scopes: (Scope | undefined)[] = [];
  #last: number;
  readonly #load: (seq: number) => Scope | undefined;

  /**
   * @param head the last seq there is.
   * @param load the scope of an edit of the log.
   */
  constructor(head: number, load: (seq: number) => Scope | undefined) {
    this.#last = head;
    this.#load = load;
  }

  add(seq: number, scope: Scope): void {
    this.#scopes[seq % CONFLICT_WINDOW] = scope;
    this.#last = seq;
  }

  /** Scope of an edit. */
  at(seq: number): Scope | undefined {
    if (seq <= this.#last - CONFLICT_WINDOW) return this.#load(seq);
    const at = seq % CONFLICT_WINDOW;
    let scope = this.#scopes[at];
    if (scope === undefined) {
      scope = this.#load(seq);
      this.#scopes[at] = scope;
    }
    return scope;
  }

  /**
   * Edits after `base` that an edit of this scope conflicts with, ascending, at most `limit`; undefined where base is too long ago to tell.
   */
  winners(base: number, scope: Scope, limit: number): readonly number[] | undefined {
    if (base < this.#last - CONFLICT_WINDOW) return undefined;
    const reads = new Set(scope.reads);
    const writes = new Set(scope.writes);
    const found: number[] = [];
    for (let seq = base + 1; seq <= this.#last && found.length < limit; seq++) {
      const other = this.at(seq);
      if (other === undefined) continue;
      const isWinner =
        other.writes.some((name) => writes.has(name) || reads.has(name)) ||
        other.reads.some((name) => writes.has(name));
      if (isWinner) found.push(seq);
    }
    return found;
  }
}
