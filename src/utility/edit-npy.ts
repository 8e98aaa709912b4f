/**
 * Butterfly's files of merges and splits, `NAME.merge.npy` and `NAME.split.npy`. Source: parity.md 5.6.
 *
 * Rows of uint64, all one more than what they mean, so that nothing is 0: (id, root, region) for merges, where those of one root are
 * one set; (region, id, x0, x1, y0, y1, z0, z1) for splits. Rows ascend by their first column; two and more are stored column by column.
 */
import { BflyError } from '../../protocol/errors.ts';
import {
  compareNodes,
  compareSplits,
  DEMO_SPLIT,
  formatSets,
  formatSplit,
  type LegacyNode,
  readNode,
  readSplit,
} from './legacy-text.ts';
import { npyArrayHeader, readNpyTable } from './npy.ts';

const MERGE_COLUMNS = 3;
const SPLIT_COLUMNS = 8;

/**
 * Reads a file of merges.
 *
 * @param bytes borrowed.
 * @returns sets of two and more nodes, in their order.
 * @throws BflyError BAD_REQUEST where the bytes are not such a file, whole.
 */
export function readMergeNpy(bytes: Uint8Array): string[][] {
  const sets = new Map<bigint, LegacyNode[]>();
  for (const [id = 0n, root = 0n, region = 0n] of readRows(bytes, MERGE_COLUMNS, 'merge')) {
    const node = readNode(`${id}:${region}`, 'a row of the merge file');
    const set = sets.get(root);
    if (set === undefined) sets.set(root, [node]);
    else set.push(node);
  }
  return formatSets([...sets.values()]);
}

/**
 * Writes a file of merges.
 *
 * @param sets disjoint.
 * @returns owned bytes.
 */
export function writeMergeNpy(sets: readonly (readonly string[])[]): Uint8Array {
  const rootOf = rootChooser();
  const rows = sets.flatMap((set) => {
    const nodes = set.map((node) => readNode(node, 'a node')).sort(compareNodes);
    const root = nodes.length === 0 ? 0n : rootOf(nodes);
    return nodes.map((node) => ({ node, root }));
  });
  rows.sort((a, b) => compareNodes(a.node, b.node));
  return writeRows(
    rows.map(({ node, root }) => [node.id, root, BigInt(node.region)]),
    MERGE_COLUMNS,
  );
}

/**
 * Reads a file of splits.
 *
 * @param bytes borrowed.
 * @param dropDemo leaves out the one split that Butterfly's viewer saved by itself.
 * @throws BflyError BAD_REQUEST where the bytes are not such a file, whole.
 */
export function readSplitNpy(bytes: Uint8Array, { dropDemo = false } = {}): string[] {
  const splits = readRows(bytes, SPLIT_COLUMNS, 'split').map(([region, id, ...bounds]) =>
    readSplit([id, region, ...bounds].join(':'), 'a row of the split file'),
  );
  const texts = splits.sort(compareSplits).map(formatSplit);
  return dropDemo ? texts.filter((text) => text !== DEMO_SPLIT) : texts;
}

/**
 * Writes a file of splits.
 *
 * @returns owned bytes.
 */
export function writeSplitNpy(splits: readonly string[]): Uint8Array {
  const rows = splits.map((split) => readSplit(split, 'a split')).sort(compareSplits);
  return writeRows(
    rows.map(({ id, region, box: [x0, y0, z0, x1, y1, z1] }) =>
      [region, id, x0, x1, y0, y1, z0, z1].map((value) => BigInt(value)),
    ),
    SPLIT_COLUMNS,
  );
}

/**
 * The root column tells sets apart and has no room for regions: a set is called by its smallest id that no set before it has.
 * Where all are taken ("1" with "1:1", "1:2" with "1:3"), by a number far above ids.
 */
function rootChooser(): (nodes: readonly LegacyNode[]) => bigint {
  const taken = new Set<bigint>();
  let spare = 2n ** 64n - 2n;
  return (nodes) => {
    let root = nodes.find(({ id }) => !taken.has(id))?.id;
    while (root === undefined) {
      if (!taken.has(spare)) root = spare;
      spare--;
    }
    taken.add(root);
    return root;
  };
}

/** Rows of a file as what they mean. */
function readRows(bytes: Uint8Array, columns: number, what: string): bigint[][] {
  const { rows, columns: found, values } = readNpyTable(bytes, `the ${what} file`);
  if (rows > 0 && found !== columns)
    throw new BflyError('BAD_REQUEST', `the ${what} file must have ${columns} columns, it has ${found}`);
  return Array.from({ length: rows }, (_, row) =>
    Array.from(values.subarray(row * columns, (row + 1) * columns), (value) => BigInt.asUintN(64, value - 1n)),
  );
}

function writeRows(rows: readonly (readonly bigint[])[], columns: number): Uint8Array {
  const isFortran = rows.length >= 2;
  const header = npyArrayHeader('<u8', isFortran, [rows.length, columns]);
  const bytes = new Uint8Array(header.length + rows.length * columns * 8);
  bytes.set(header);
  const view = new DataView(bytes.buffer, header.length);
  for (const [row, values] of rows.entries())
    for (const [column, value] of values.entries()) {
      const at = isFortran ? column * rows.length + row : row * columns + column;
      view.setBigUint64(at * 8, BigInt.asUintN(64, value + 1n), true);
    }
  return bytes;
}
