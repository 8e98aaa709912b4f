/** Butterfly's two tables out of the folded state of a path. Source: parity.md 5.4, 5.5. */
import type { EditState } from '../../protocol/edit-state.ts';
import type { Box } from '../../protocol/volume.ts';
import { type KnownRegions, SPLIT_META_PREFIX } from '../utility/legacy-ops.ts';
import {
  compareSplits,
  formatSets,
  formatSplit,
  type LegacyNode,
  type LegacySplit,
  type LegacyTables,
  readNode,
} from '../utility/legacy-text.ts';

/** Rows of links that are looked at together; each is an id and its root, u64. */
const PAGE_ROWS = 65_536;
const ROW_BYTES = 16;

/** The whole tables as they are at this moment, edits that are not durable yet included. */
export function tablesOf(state: EditState): LegacyTables {
  const nodes = new Map<bigint, LegacyNode>();
  const splits: LegacySplit[] = [];
  for (const { id, region, box, alias } of state.regions()) {
    nodes.set(alias, { id, region });
    if (box !== null) splits.push({ id, region, box });
  }
  splits.push(...metaSplits(state));
  return { merge: formatSets(bodiesOf(state, nodes)), split: splits.sort(compareSplits).map(formatSplit) };
}

/** What `editsOfTables` has to know of a path. */
export function knownRegions(state: EditState): KnownRegions {
  const { meta } = state;
  return { regionOf: (id, region) => state.region(id, region), metaOf: (key) => meta.get(key) };
}

/** The bodies of two nodes and more. */
function bodiesOf(state: EditState, aliases: ReadonlyMap<bigint, LegacyNode>): LegacyNode[][] {
  const links = state.freezeLinks();
  const bodies = new Map<bigint, LegacyNode[]>();
  const nodeOf = (id: bigint): LegacyNode => aliases.get(id) ?? { id, region: 0 };
  for (let row = 0; row < links.rows; row += PAGE_ROWS) {
    const page = links.page(row, PAGE_ROWS);
    const view = new DataView(page.buffer, page.byteOffset, page.length);
    for (let at = 0; at < page.length; at += ROW_BYTES) {
      const root = view.getBigUint64(at + 8, true);
      let body = bodies.get(root);
      if (body === undefined) {
        body = [nodeOf(root)];
        bodies.set(root, body);
      }
      body.push(nodeOf(view.getBigUint64(at, true)));
    }
  }
  return [...bodies.values()];
}

/** Splits that are no regions: `editsOfTables` keeps them as metadata. */
function metaSplits(state: EditState): LegacySplit[] {
  const splits: LegacySplit[] = [];
  for (const [key, value] of state.meta) {
    if (!key.startsWith(SPLIT_META_PREFIX) || !isBounds(value)) continue;
    splits.push({ ...readNode(key.slice(SPLIT_META_PREFIX.length), 'the key of a split'), box: value });
  }
  return splits;
}

/** Anybody with the right to may have written there. */
function isBounds(value: unknown): value is Box {
  return Array.isArray(value) && value.length === 6 && value.every((bound) => Number.isSafeInteger(bound));
}
