/** Butterfly's two tables out of the folded state of a path. Source: parity.md 5.4, 5.5. */
import type { EditState } from '../../../protocol/edit-state.ts';
import type { Box } from '../../../protocol/volume.ts';
import { type KnownRegions, SPLIT_META_PREFIX } from '../../utility/legacy-ops.ts';
import {
  compareSplits,
  formatSets,
  formatSplit,
  type LegacyNode,
  type LegacySplit,
  type LegacyTables,
  nodeOf,
} from '../../utility/legacy-text.ts';

/** Rows of links that are looked at together; each is an id and its root, u64. */
const PAGE_ROWS = 65_536;
const ROW_BYTES = 16;

/** The whole tables as they are at this moment, edits that are not durable yet included. */
export function tablesOf(state: EditState): LegacyTables {
  const aliases = new Map<bigint, LegacyNode>();
  const splits: LegacySplit[] = [];
  for (const { id, region, box, alias } of state.regions()) {
    if (region > 0) aliases.set(alias, nodeOf(id, region));
    if (box !== null) splits.push({ id, region, box });
  }
  splits.push(...metaSplits(state));
  const bodies = bodiesOf(state);
  // Regions stand in the order of what they are part of, not of their aliases.
  const merge =
    aliases.size === 0
      ? formatBodies(bodies)
      : formatSets(bodies.map((body) => Array.from(body, (id) => aliases.get(id) ?? nodeOf(id, 0))));
  return { merge, split: splits.sort(compareSplits).map(formatSplit) };
}

/** What `editsOfTables` has to know of a path. */
export function knownRegions(state: EditState): KnownRegions {
  const { meta } = state;
  return { regionOf: (id, region) => state.region(id, region), metaOf: (key) => meta.get(key) };
}

/** The ids of each body of two and more, ascending. */
function bodiesOf(state: EditState): BigUint64Array[] {
  const links = state.freezeLinks();
  const bodies = new Map<bigint, bigint[]>();
  for (let row = 0; row < links.rows; row += PAGE_ROWS) {
    const page = links.page(row, PAGE_ROWS);
    const view = new DataView(page.buffer, page.byteOffset, page.length);
    for (let at = 0; at < page.length; at += ROW_BYTES) {
      const id = view.getBigUint64(at, true);
      const root = view.getBigUint64(at + 8, true);
      const body = bodies.get(root);
      if (body === undefined) bodies.set(root, [root, id]);
      else body.push(id);
    }
  }
  return Array.from(bodies.values(), (body) => BigUint64Array.from(body).sort());
}

/** Bodies without regions, in the order of a merge table. */
function formatBodies(bodies: readonly BigUint64Array[]): string[][] {
  return bodies
    .map((ids) => ({ first: ids[0] as bigint, ids }))
    .sort((a, b) => (a.first < b.first ? -1 : 1))
    .map(({ ids }) => Array.from(ids, (id) => id.toString()));
}

/** Splits that are no regions: `editsOfTables` keeps them as metadata. */
function metaSplits(state: EditState): LegacySplit[] {
  const splits: LegacySplit[] = [];
  for (const [key, value] of state.meta) {
    if (!key.startsWith(SPLIT_META_PREFIX) || !isBounds(value)) continue;
    const [id = '', region = ''] = key.slice(SPLIT_META_PREFIX.length).split(':');
    if (/^\d{1,20}$/.test(id) && /^\d{1,15}$/.test(region))
      splits.push({ id: BigInt(id), region: Number(region), box: value });
  }
  return splits;
}

/** Anybody with the right to may have written there. */
function isBounds(value: unknown): value is Box {
  return Array.isArray(value) && value.length === 6 && value.every((bound) => Number.isSafeInteger(bound));
}
