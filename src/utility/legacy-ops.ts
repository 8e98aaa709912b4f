/** Butterfly's merges and splits as ops. A region is declared before a merge can name it; a merge names it by its alias. Rules [E5], [E36]. */
import type { Region } from '../../protocol/edit-changes.ts';
import type { WireMap } from '../../protocol/messages.ts';
import { type Box, boxShape } from '../../protocol/volume.ts';
import { type LegacyNode, type LegacySplit, nameOf, nodeOf } from './legacy-text.ts';

/** Ops of one EDIT. Rule [E6]. */
const MAX_OPS = 1_024;
/** Regions that one merge declares at most, so that both fit into one EDIT. */
const MAX_DECLARED = 500;

/** Begins the key of the metadata of a split that is no region: its box is empty. */
export const SPLIT_META_PREFIX = 'butterfly.split:';

/** What is known of a path. */
export interface KnownRegions {
  regionOf(id: bigint, region: number): Pick<Region, 'alias' | 'box'> | undefined;
  /** Metadata of a key; undefined or null where there is none. */
  metaOf(key: string): unknown;
}

/** Ops that go into one EDIT. */
export interface LegacyEdit {
  readonly ops: readonly WireMap[];
  /** It declares a region without a box, and would take the box of one that somebody has declared meanwhile. */
  readonly isCareful: boolean;
}

/**
 * The EDITs that save some merges and splits; none where there is nothing to save. Each of them is whole by itself, and sending one again
 * changes nothing.
 *
 * @param sets of nodes that are one; they may overlap.
 * @param known what is there already.
 */
export function editsOfTables(
  sets: readonly (readonly LegacyNode[])[],
  splits: readonly LegacySplit[],
  known: KnownRegions,
): LegacyEdit[] {
  const writer = new EditWriter(splits, known);
  // The last split of a region counts.
  for (const split of new Map(splits.map((split) => [nameOf(split), split])).values()) writer.split(split);
  for (const set of joinSets(sets)) writer.merge(set);
  return writer.finish();
}

/** Metadata that holds a split which cannot be a region. */
export function splitMetaKey({ id, region }: Pick<LegacySplit, 'id' | 'region'>): string {
  return `${SPLIT_META_PREFIX}${id}:${region}`;
}

/** Whether a split can be a region: boxes of regions have some size. */
export function isRegion({ box }: LegacySplit): boolean {
  return boxShape(box).every((side) => side > 0);
}

/** Sets that share nodes become one; sets of one are left out. */
export function joinSets(sets: readonly (readonly LegacyNode[])[]): LegacyNode[][] {
  const numbers = new Map<string, number>();
  const nodes: LegacyNode[] = [];
  /** By node: the way to the one that its set is called by. */
  const above: number[] = [];
  const numberOf = (node: LegacyNode): number => {
    const known = numbers.get(node.name);
    if (known !== undefined) return known;
    numbers.set(node.name, nodes.length);
    above.push(nodes.length);
    return nodes.push(node) - 1;
  };
  const find = (node: number): number => {
    let at = node;
    for (let up = above[at] as number; up !== at; up = above[at] as number) {
      // Half of the way is cut off for those who come later.
      above[at] = above[up] as number;
      at = up;
    }
    return at;
  };
  for (const [first, ...rest] of sets) {
    if (first === undefined) continue;
    const top = find(numberOf(first));
    for (const node of rest) above[find(numberOf(node))] = top;
  }
  const groups = new Map<number, LegacyNode[]>();
  for (const [number, node] of nodes.entries()) {
    const top = find(number);
    const group = groups.get(top);
    if (group === undefined) groups.set(top, [node]);
    else group.push(node);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

class EditWriter {
  readonly #known: KnownRegions;
  readonly #boxes: ReadonlyMap<string, Box>;
  readonly #edits: LegacyEdit[] = [];
  #ops: WireMap[] = [];
  #isCareful = false;
  /** Regions that the EDIT under way declares, and by which op. */
  #declared = new Map<string, number>();

  constructor(splits: readonly LegacySplit[], known: KnownRegions) {
    this.#known = known;
    this.#boxes = new Map(splits.filter(isRegion).map((split) => [nameOf(split), split.box]));
  }

  split(split: LegacySplit): void {
    const region = this.#known.regionOf(split.id, split.region);
    const meta = this.#known.metaOf(splitMetaKey(split)) ?? null;
    this.#reserve(2);
    if (isRegion(split)) {
      if (meta !== null) this.#ops.push({ op: 'meta', key: splitMetaKey(split), value: null });
      if (!isSameBox(region?.box, split.box)) this.#declare(nodeOf(split.id, split.region), split.box);
      return;
    }
    if (!isSameBox(meta, split.box)) this.#ops.push({ op: 'meta', key: splitMetaKey(split), value: split.box });
    if (region?.box) this.#declare(nodeOf(split.id, split.region), null);
  }

  /** Pieces of a set overlap in their first node. */
  merge(set: readonly LegacyNode[]): void {
    const [anchor, ...rest] = set;
    if (anchor === undefined) return;
    for (let from = 0; from < rest.length; ) {
      let to = from;
      for (let unknown = 0; to < rest.length && unknown < MAX_DECLARED; to++)
        if (this.#aliasOf(rest[to] as LegacyNode) === undefined) unknown++;
      this.#mergeOne([anchor, ...rest.slice(from, to)]);
      from = to;
    }
  }

  finish(): LegacyEdit[] {
    this.#next();
    return this.#edits;
  }

  #mergeOne(nodes: readonly LegacyNode[]): void {
    this.#reserve(1 + nodes.filter((node) => this.#aliasOf(node) === undefined).length);
    const ids = nodes.map((node) => this.#aliasOf(node) ?? { new: this.#find(node) });
    const plain = ids.filter((id) => typeof id === 'bigint');
    this.#ops.push({ op: 'merge', ids: plain.length < ids.length ? ids : idBytes(plain) });
  }

  /** The id that merges use for a node; undefined where its region has to be declared. */
  #aliasOf(node: LegacyNode): bigint | undefined {
    return node.region === 0 ? node.id : this.#known.regionOf(node.id, node.region)?.alias;
  }

  #find(node: LegacyNode): number {
    return this.#declared.get(node.name) ?? this.#declare(node, this.#boxes.get(node.name) ?? null);
  }

  #declare(node: LegacyNode, box: Box | null): number {
    const index = this.#ops.push({ op: 'region', id: node.id, region: node.region, box }) - 1;
    this.#declared.set(node.name, index);
    if (box === null) this.#isCareful = true;
    return index;
  }

  #reserve(ops: number): void {
    if (this.#ops.length + ops > MAX_OPS) this.#next();
  }

  #next(): void {
    if (this.#ops.length > 0) this.#edits.push({ ops: this.#ops, isCareful: this.#isCareful });
    this.#ops = [];
    this.#isCareful = false;
    this.#declared = new Map();
  }
}

function isSameBox(found: unknown, box: Box): boolean {
  return Array.isArray(found) && box.every((bound, i) => bound === Number(found[i]));
}

/** Ids as `bin`: one value of the frame, however many there are. */
function idBytes(ids: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(ids.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [i, id] of ids.entries()) view.setBigUint64(i * 8, id, true);
  return bytes;
}
