/** Sets of ids as a viewer shows them, in the plainest way: what tests compare with bodies. */
import type { ShownSets } from '../../src/viewer/page/neuroglancer/body-sets.ts';

/** Disjoint sets that count what is asked of them. */
export class NaiveSets implements ShownSets {
  readonly #sets = new Map<bigint, Set<bigint>>();
  /** Ids that were handed out by `membersOf` or taken in by `link`. */
  work = 0;
  /** How often the sets were said to be right. */
  rounds = 0;

  rootOf(id: bigint): bigint {
    let least = id;
    for (const member of this.#sets.get(id) ?? []) if (member < least) least = member;
    return least;
  }

  membersOf(id: bigint): bigint[] {
    const members = [...(this.#sets.get(id) ?? [id])];
    this.work += members.length;
    return members;
  }

  link(ids: readonly bigint[]): void {
    if (ids.includes(0n)) throw new Error('background is in no set');
    this.work += ids.length;
    const whole = new Set<bigint>();
    for (const id of ids) for (const member of this.#sets.get(id) ?? [id]) whole.add(member);
    for (const id of whole) this.#sets.set(id, whole);
  }

  part(id: bigint): void {
    for (const member of this.#sets.get(id) ?? []) this.#sets.delete(member);
  }

  clear(): void {
    this.#sets.clear();
  }

  done(): void {
    this.rounds++;
  }

  /** Sets of more than one id, each ascending, by their first. */
  groups(): string[] {
    const groups = new Set([...this.#sets.values()].filter((set) => set.size > 1));
    return [...groups].map(inOrder).sort();
  }
}

/** Bodies of more than one id among some ids, as `NaiveSets.groups` lists sets; 0 is left out. */
export function groupsOf(ids: readonly bigint[], membersOf: (id: bigint) => Iterable<bigint>): string[] {
  const groups = new Set<string>();
  for (const id of ids) {
    const members = new Set(membersOf(id));
    members.delete(0n);
    if (id !== 0n && members.size > 1) groups.add(inOrder(members));
  }
  return [...groups].sort();
}

function inOrder(ids: Iterable<bigint>): string {
  return [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)).join(' ');
}
