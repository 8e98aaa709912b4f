/** Makes sets of ids that somebody shows the same as bodies, by as few changes as can be. */

/** Sets of ids. An id that was never linked is a set of its own. */
export interface ShownSets {
  rootOf(id: bigint): bigint;
  /** All of the set of an id. Owned. */
  membersOf(id: bigint): bigint[];
  link(ids: readonly bigint[]): void;
  /** Every id of the set of this one is alone again. */
  part(id: bigint): void;
  clear(): void;
  /** The sets are right again. */
  done(): void;
}

/** Bodies that can be looked up. */
export interface LookedUpBodies {
  /** All ids of the body of an id. */
  membersOf(id: bigint): Iterable<bigint>;
}

/** How long all bodies are linked at a stretch. */
export interface FillPace {
  /** Ids that are linked between two pauses. */
  readonly idsAtOnce: number;
  readonly pause: () => Promise<void>;
}

const USUAL_PACE: FillPace = { idsAtOnce: 20_000, pause: () => new Promise((resolve) => setTimeout(resolve)) };

/** Shows bodies in sets. 0 is background, in no set. */
export class BodySets {
  readonly #sets: ShownSets;
  readonly #pace: FillPace;
  /** Counts fillings: the newest counts. */
  #filling = 0;
  #isFilling = false;

  constructor(sets: ShownSets, pace: FillPace = USUAL_PACE) {
    this.#sets = sets;
    this.#pace = pace;
  }

  /** Whether sets are being filled: nothing else is shown then. */
  get isFilling(): boolean {
    return this.#isFilling;
  }

  /** Stops what is under way. */
  end(): void {
    this.#filling++;
    this.#isFilling = false;
  }

  done(): void {
    this.#sets.done();
  }

  clear(): void {
    this.end();
    this.#sets.clear();
  }

  /** Links ids that are together now. */
  link(groups: Iterable<readonly bigint[]>): void {
    for (const ids of groups) this.#sets.link(ids);
  }

  /**
   * Shows all bodies anew, in slices.
   *
   * @param links ids that are not their own root, each with its root; read at once.
   * @returns whether it came to its end: false where another filling, or the end, came first.
   */
  async fill(links: Iterable<readonly [id: bigint, root: bigint]>): Promise<boolean> {
    const own = ++this.#filling;
    this.#isFilling = true;
    this.#sets.clear();
    let linked = 0;
    for (const ids of groupsOf(links)) {
      this.#sets.link(ids);
      linked += ids.length;
      if (linked < this.#pace.idsAtOnce) continue;
      linked = 0;
      await this.#pace.pause();
      if (own !== this.#filling) return false;
    }
    this.#isFilling = false;
    return true;
  }

  /** Makes the sets of ids what their bodies are; who was in such a set and is not in its body is looked at too. Each body once. */
  show(ids: Iterable<bigint>, bodies: LookedUpBodies): void {
    const right = new Set<bigint>();
    const waiting = [...ids];
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      if (id === 0n || right.has(id)) continue;
      const members = new Set(bodies.membersOf(id));
      members.delete(0n);
      for (const member of members) right.add(member);
      for (const stranger of this.#showBody(members)) waiting.push(stranger);
    }
  }

  /** @returns who was shown with them and is none of them; alone now. */
  #showBody(members: ReadonlySet<bigint>): Iterable<bigint> {
    const strangers: bigint[] = [];
    for (const shown of new Set([...members].map((member) => this.#sets.rootOf(member)))) {
      const set = this.#sets.membersOf(shown);
      const others = set.filter((id) => !members.has(id));
      if (others.length === 0) continue;
      for (const id of others) strangers.push(id);
      this.#sets.part(shown);
    }
    const [first, ...rest] = members;
    if (first === undefined) return strangers;
    const root = this.#sets.rootOf(first);
    const missing = rest.filter((id) => this.#sets.rootOf(id) !== root);
    if (missing.length > 0) this.#sets.link([first, ...missing]);
    return strangers;
  }
}

/** Bodies of more than one id. */
function groupsOf(links: Iterable<readonly [id: bigint, root: bigint]>): Iterable<bigint[]> {
  const byRoot = new Map<bigint, bigint[]>();
  for (const [id, root] of links) {
    if (id === 0n || root === 0n) continue;
    const known = byRoot.get(root);
    if (known === undefined) byRoot.set(root, [root, id]);
    else known.push(id);
  }
  return byRoot.values();
}
