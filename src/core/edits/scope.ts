/** What an edit reads and writes. Rule [E18]. */
import type { IdRef, Op, OpResult } from '../../../protocol/edit-ops.ts';
import { BflyError } from '../../../protocol/errors.ts';

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

/** So few are looked through faster than put into a set. */
const FEW_IDS = 8;

/** As `scopeOfOps` of one merge. */
function scopeOfMerge(refs: readonly IdRef[], context: ScopeContext): Scope {
  const reads: string[] = [];
  const writes: string[] = [];
  for (const ref of refs) {
    if (typeof ref !== 'bigint') continue;
    const id = `i${textOf(ref)}`;
    const root = `r${textOf(context.rootOf(ref))}`;
    if (!writes.includes(id)) writes.push(id);
    if (!reads.includes(root)) reads.push(root);
  }
  return { reads, writes };
}

/** Texts of numbers are made many times as fast as those of bigints. */
function textOf(id: bigint): string {
  return String(id <= Number.MAX_SAFE_INTEGER ? Number(id) : id);
}

/** Names that the undos of one edit bring together: what they cost is not bounded by its message. */
const MAX_NAMES = 2 ** 21;

/**
 * Names what some ops read and write; ids that the edit itself creates are nobody else's concern.
 *
 * @throws BflyError LIMIT where undos bring too much together.
 */
export function scopeOfOps(ops: readonly Op[], context: ScopeContext): Scope {
  const [only] = ops;
  // Most edits: without sets and what they cost.
  if (ops.length === 1 && only?.op === 'merge' && only.ids.length <= FEW_IDS) return scopeOfMerge(only.ids, context);
  const reads = new Set<string>();
  const writes = new Set<string>();
  /** By undos. */
  let named = 0;
  const bodies = (refs: readonly IdRef[], into: Set<string>): void => {
    for (const ref of refs) {
      if (typeof ref !== 'bigint') continue;
      writes.add(`i${ref}`);
      into.add(`r${context.rootOf(ref)}`);
    }
  };
  for (const [index, op] of ops.entries())
    switch (op.op) {
      case 'merge':
        bodies(op.ids, reads);
        break;
      case 'cleave':
        bodies(op.ids, writes);
        break;
      case 'split':
        if (typeof op.id === 'bigint') writes.add(`i${op.id}`);
        for (const tile of context.tilesOf(index)) writes.add(tile);
        break;
      case 'write':
        for (const tile of context.tilesOf(index)) writes.add(tile);
        break;
      case 'region':
        if (typeof op.id === 'bigint') writes.add(`g${op.id}:${op.region}`);
        break;
      case 'put':
        for (const { key } of op.rows) if (key !== undefined) writes.add(`${op.table}:${key}`);
        break;
      case 'delete':
        for (const key of op.keys) writes.add(`${op.table}:${key}`);
        break;
      case 'meta':
        writes.add(`m${wellFormed(op.key)}`);
        break;
      case 'undo': {
        if (writes.has(`u${op.seq}`)) break;
        const undone = context.scopeOf(op.seq);
        named += (undone?.reads.length ?? 0) + (undone?.writes.length ?? 0);
        if (named > MAX_NAMES)
          throw new BflyError(
            'LIMIT',
            `ops[${index}]: the undos of one edit name too much: send them as several edits`,
          );
        for (const name of undone?.reads ?? []) reads.add(name);
        for (const name of undone?.writes ?? []) writes.add(name);
        writes.add(`u${op.seq}`);
      }
    }
  for (const name of writes) reads.delete(name);
  return { reads: [...reads], writes: [...writes] };
}

/** The same with the keys that rows were given: whoever changes them later is in the way of an undo. */
export function withGivenKeys(scope: Scope, ops: readonly Op[], results: readonly OpResult[]): Scope {
  if (!ops.some(({ op }) => op === 'put')) return scope;
  const given = ops.flatMap((op, i) => {
    const keys = results[i]?.['keys'];
    if (op.op !== 'put' || !Array.isArray(keys)) return [];
    return op.rows.flatMap((row, k) => (row.key === undefined ? [`${op.table}:${keys[k]}`] : []));
  });
  return given.length === 0 ? scope : { reads: scope.reads, writes: [...scope.writes, ...given] };
}

/** A text that can be kept as UTF-8: without halves of surrogate pairs. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** Names of a scope in fewer bytes: sorted numbers that tell for sure where two scopes have nothing in common. */
export interface ScopeDigest {
  readonly reads: Float64Array;
  readonly writes: Float64Array;
}

/** Names from which on only a digest of a scope is held in memory. */
const LARGE = 256;

/** A scope as it is held in memory. */
export type KeptScope = Scope | ScopeDigest;

export function isLarge({ reads, writes }: Scope): boolean {
  return reads.length + writes.length > LARGE;
}

export function digestOf({ reads, writes }: Scope): ScopeDigest {
  return { reads: hashesOf(reads), writes: hashesOf(writes) };
}

export function isDigest(scope: KeptScope): scope is ScopeDigest {
  return scope.reads instanceof Float64Array;
}

function hashesOf(names: readonly string[]): Float64Array {
  const hashes = new Float64Array(names.length);
  for (let i = 0; i < names.length; i++) hashes[i] = hashOf(names[i] as string);
  return hashes.sort();
}

/** Two FNV-1a hashes side by side: 53 bits. */
function hashOf(name: string): number {
  let high = 0x811c_9dc5;
  let low = 0x050c_5d1f;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    high = Math.imul(high ^ unit, 0x0100_0193);
    low = Math.imul(low ^ unit, 0x0100_0193) + high;
  }
  return (high >>> 0) * 2 ** 21 + (low >>> 11);
}

/** One edit that is asked about against others. */
export class ScopeQuestion {
  readonly #scope: Scope;
  #reads: ReadonlySet<string> | undefined;
  #writes: ReadonlySet<string> | undefined;
  #digest: ScopeDigest | undefined;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  /**
   * Whether the edit and an earlier one are in each other's way: rule [E18].
   *
   * @param load gives the earlier one's scope whole, where its digest does not decide.
   */
  meets(other: KeptScope, load: () => Scope | undefined): boolean {
    if (!isDigest(other)) return this.#meetsWhole(other);
    this.#digest ??= digestOf(this.#scope);
    const { reads, writes } = this.#digest;
    if (!(haveCommon(other.writes, writes) || haveCommon(other.writes, reads) || haveCommon(other.reads, writes)))
      return false;
    const whole = load();
    return whole !== undefined && this.#meetsWhole(whole);
  }

  #meetsWhole(other: Scope): boolean {
    this.#reads ??= new Set(this.#scope.reads);
    this.#writes ??= new Set(this.#scope.writes);
    const [reads, writes] = [this.#reads, this.#writes];
    return (
      other.writes.some((name) => writes.has(name) || reads.has(name)) || other.reads.some((name) => writes.has(name))
    );
  }
}

/** Whether two ascending lists have a number in common. */
function haveCommon(a: Float64Array, b: Float64Array): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  let from = 0;
  for (const hash of short) {
    // Steps that double, then halve: the cost is near the shorter list's length, whichever way they lie.
    let step = 1;
    while (from + step < long.length && (long[from + step] as number) < hash) step *= 2;
    let end = Math.min(long.length, from + step + 1);
    while (from < end) {
      const middle = (from + end) >> 1;
      if ((long[middle] as number) < hash) from = middle + 1;
      else end = middle;
    }
    if (from === long.length) return false;
    if (long[from] === hash) return true;
  }
  return false;
}
