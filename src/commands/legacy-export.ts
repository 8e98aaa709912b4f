/** Butterfly's two tables out of the state that clients hold. Source: parity.md 5.4 to 5.6. */
import type { EditView } from '../../protocol/edit-view.ts';
import type { Box } from '../../protocol/volume.ts';
import { SPLIT_META_PREFIX } from '../utility/legacy-ops.ts';
import {
  compareSplits,
  formatSets,
  formatSplit,
  type LegacyNode,
  type LegacySplit,
  type LegacyTables,
  nodeOf,
} from '../utility/legacy-text.ts';

/** All bodies of two and more ids: ids ascending, bodies by their first. */
export function bodiesOf(view: EditView): bigint[][] {
  const bodies = new Map<bigint, bigint[]>();
  for (const [id, root] of view.links()) {
    const body = bodies.get(root);
    if (body === undefined) bodies.set(root, [root, id]);
    else body.push(id);
  }
  const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
  for (const ids of bodies.values()) ids.sort(compare);
  return [...bodies.values()].sort(([a = 0n], [b = 0n]) => compare(a, b));
}

/** The tables as Butterfly's files have them: an alias is called by what it stands for. */
export function legacyTables(view: EditView): LegacyTables {
  const aliases = new Map<bigint, LegacyNode>();
  const splits: LegacySplit[] = metaSplits(view);
  for (const { id, region, box, alias } of view.regions()) {
    if (region > 0) aliases.set(alias, nodeOf(id, region));
    if (box !== null) splits.push({ id, region, box });
  }
  const sets = bodiesOf(view).map((ids) => ids.map((id) => aliases.get(id) ?? nodeOf(id, 0)));
  return { merge: formatSets(sets), split: splits.sort(compareSplits).map(formatSplit) };
}

/** Splits that are no regions: they are kept as metadata. */
function metaSplits(view: EditView): LegacySplit[] {
  const splits: LegacySplit[] = [];
  for (const [key, value] of view.meta) {
    const [, id = '', region = ''] = /^(\d{1,20}):(\d{1,15})$/.exec(key.slice(SPLIT_META_PREFIX.length)) ?? [];
    if (key.startsWith(SPLIT_META_PREFIX) && id !== '' && isBounds(value))
      splits.push({ id: BigInt(id), region: Number(region), box: value });
  }
  return splits;
}

/** Anybody with the right to may have written there. */
function isBounds(value: unknown): value is Box {
  return Array.isArray(value) && value.length === 6 && value.every((bound) => Number.isSafeInteger(bound));
}
