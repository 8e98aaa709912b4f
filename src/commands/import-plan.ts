/** From Butterfly's tables to edits that can be sent again without harm. */
import { createHash } from 'node:crypto';
import { BflyError } from '../../protocol/errors.ts';
import type { WireMap } from '../../protocol/messages.ts';
import type { EditOp } from '../client/edit-input.ts';
import { readIds } from '../client/edit-result.ts';
import { editsOfTables, isRegion, joinSets, type KnownRegions } from '../utility/legacy-ops.ts';
import { type LegacyNode, type LegacySplit, nameOf } from '../utility/legacy-text.ts';

/** Ops of one edit, rule [E6]. */
const MAX_OPS = 1_024;
/** Ids of one edit: half of what a message holds. */
const MAX_IDS = 65_536;

/**
 * Edits that declare regions: those of splits, and those that merges name. None where all are there already.
 *
 * @param known what is there.
 */
export function regionEdits(
  sets: readonly (readonly LegacyNode[])[],
  splits: readonly LegacySplit[],
  known: KnownRegions,
): EditOp[][] {
  const edits = editsOfTables([], splits, known).map(({ ops }) => ops.map(regionOp));
  const declared = new Set(splits.filter(isRegion).map(nameOf));
  const bare = new Map<string, EditOp>();
  for (const { id, region, name } of sets.flat())
    if (region > 0 && !declared.has(name) && known.regionOf(id, region) === undefined)
      bare.set(name, { op: 'region', id, region, box: null });
  return [...edits, ...pages([...bare.values()], MAX_OPS)];
}

/**
 * Edits that merge; the same ones whenever the same sets are given, as long as regions have the same aliases.
 *
 * @param known with all regions of the sets.
 */
export function mergeEdits(sets: readonly (readonly LegacyNode[])[], known: KnownRegions): bigint[][][] {
  const edits: bigint[][][] = [];
  let edit: bigint[][] = [];
  let ids = 0;
  for (const set of joinSets(sets)) {
    const [first = 0n, ...rest] = set.map((node) => aliasOf(node, known));
    // Pieces of a large set hang together by their first id.
    for (const page of pages(rest, MAX_IDS - 1)) {
      if (edit.length === MAX_OPS || (edit.length > 0 && ids + page.length + 1 > MAX_IDS)) {
        edits.push(edit);
        edit = [];
        ids = 0;
      }
      edit.push([first, ...page]);
      ids += page.length + 1;
    }
  }
  return edit.length === 0 ? edits : [...edits, edit];
}

/** Tells plans apart: 32 bytes. */
export function digestOf(path: string, epoch: Uint8Array, edits: readonly (readonly (readonly bigint[])[])[]): Buffer {
  const hash = createHash('sha256').update(`butterfly import ${path} `).update(epoch);
  for (const edit of edits) for (const ids of edit) hash.update(`${ids.length} `).update(BigUint64Array.from(ids));
  return hash.digest();
}

function aliasOf({ id, region, name }: LegacyNode, known: KnownRegions): bigint {
  const alias = region === 0 ? id : known.regionOf(id, region)?.alias;
  if (alias === undefined) throw new BflyError('UNAVAILABLE', `region ${name} was taken back meanwhile; import again`);
  return alias;
}

/** Ops of splits as the SDK takes them. */
function regionOp(op: WireMap): EditOp {
  if (op['op'] === 'meta') return { op: 'meta', key: String(op['key']), value: op['value'] };
  const [id = 0n] = readIds([op['id']]);
  return { op: 'region', id, region: Number(op['region']), box: op['box'] as Extract<EditOp, { op: 'region' }>['box'] }; // our own op
}

function* pages<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
}
