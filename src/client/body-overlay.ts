/** Bodies as they will be when merges and cleaves that nobody has answered yet are applied. Pure. Rules [E22], [E23]. */

/** The bodies that are certain. */
export interface CommittedBodies {
  rootOf(id: bigint): bigint;
  /** All ids of the body of a root; a root that was never named has itself alone. */
  membersOf(root: bigint): Iterable<bigint>;
}

/** Bodies that differ from the committed ones: what is left of some of those, and ids that were taken out of others. */
interface Body {
  /** Committed roots, for all members of those bodies that are not loose. */
  readonly parts: Set<bigint>;
  readonly loose: Set<bigint>;
  root: bigint;
}

/** A layer over committed bodies. It costs what its ops name, not what the bodies hold. */
export class BodyOverlay {
  readonly #committed: CommittedBodies;
  readonly #ofPart = new Map<bigint, Body>();
  readonly #ofLoose = new Map<bigint, Body>();
  /** Loose ids by their committed root. */
  readonly #cut = new Map<bigint, Set<bigint>>();

  constructor(committed: CommittedBodies) {
    this.#committed = committed;
  }

  rootOf(id: bigint): bigint {
    const loose = this.#ofLoose.get(id);
    if (loose !== undefined) return loose.root;
    const root = this.#committed.rootOf(id);
    return this.#ofPart.get(root)?.root ?? root;
  }

  /** All ids of the body that an id is in, in no order. */
  membersOf(id: bigint): bigint[] {
    const root = this.#committed.rootOf(id);
    const body = this.#ofLoose.get(id) ?? this.#ofPart.get(root);
    return body === undefined ? this.#rest(root) : [...this.#members(body)];
  }

  merge(ids: readonly bigint[]): void {
    const [first, ...others] = new Set(ids.map((id) => this.#bodyOf(id)));
    if (first === undefined) return;
    for (const other of others) {
      for (const part of other.parts) this.#ofPart.set(part, first);
      for (const id of other.loose) this.#ofLoose.set(id, first);
      first.root = smaller(first.root, other.root);
      for (const part of other.parts) first.parts.add(part);
      for (const id of other.loose) first.loose.add(id);
    }
  }

  cleave(ids: readonly bigint[]): void {
    const body: Body = { parts: new Set(), loose: new Set(), root: 0n };
    const headless = new Set<Body>();
    for (const id of new Set(ids)) {
      const old = this.#bodyOf(id);
      if (!old.loose.delete(id)) this.#cutOut(id);
      if (old.root === id) headless.add(old);
      body.loose.add(id);
      this.#ofLoose.set(id, body);
      body.root = smaller(body.root, id);
    }
    for (const old of headless) old.root = this.#smallest(old);
  }

  #bodyOf(id: bigint): Body {
    const loose = this.#ofLoose.get(id);
    if (loose !== undefined) return loose;
    const root = this.#committed.rootOf(id);
    let body = this.#ofPart.get(root);
    if (body === undefined) {
      body = { parts: new Set([root]), loose: new Set(), root };
      this.#ofPart.set(root, body);
    }
    return body;
  }

  #cutOut(id: bigint): void {
    const root = this.#committed.rootOf(id);
    const cut = this.#cut.get(root) ?? new Set();
    cut.add(id);
    this.#cut.set(root, cut);
  }

  /** What is left of a committed body. */
  #rest(root: bigint): bigint[] {
    const cut = this.#cut.get(root);
    const members = [...this.#committed.membersOf(root)];
    return cut === undefined ? members : members.filter((id) => !cut.has(id));
  }

  #smallest(body: Body): bigint {
    let root = 0n;
    for (const id of body.loose) root = smaller(root, id);
    for (const part of body.parts) {
      // The root of a committed body is its smallest id, so its members are only looked at where it is gone.
      if (this.#cut.get(part)?.has(part) !== true) root = smaller(root, part);
      else for (const id of this.#rest(part)) root = smaller(root, id);
    }
    return root;
  }

  *#members(body: Body): Iterable<bigint> {
    yield* body.loose;
    for (const part of body.parts) yield* this.#rest(part);
  }
}

/** The smaller of two ids that is not 0; 0 where both are. Rule [E23]. */
function smaller(a: bigint, b: bigint): bigint {
  if (a === 0n) return b;
  return b === 0n || a < b ? a : b;
}
