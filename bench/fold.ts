/**
 * The fold of edits on bodies of a million ids, beside what it may cost.
 *
 *   node dist/bench/fold.js [--ids 1000000] [--rounds 5] [--only TEXT]
 */

import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Op } from '../protocol/edit-ops.ts';
import { EditState, type FoldContext } from '../protocol/edit-state.ts';
import { EditView } from '../protocol/edit-view.ts';
import { formatRows, makeRow, type Row } from './report.ts';

const { values: options } = parseArgs({
  options: {
    ids: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
  },
});
const IDS = Number(options.ids);
const ROUNDS = Number(options.rounds);
const CONTEXT: FoldContext = {
  maxId: () => 1n << 40n,
  maxLegalId: (1n << 64n) - 1n,
  bodyIds: 2 ** 26,
  baseRow: () => undefined,
  lastBaseKey: () => -1n,
};

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

/** Bytes in use, after the collection of what is not. */
function bytesInUse(): number {
  if (typeof collect === 'function') collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

let state = 12_345;
function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 0x1_0000_0000) * below);
}

/** Ids of a body: scattered over 40 bits, all different. */
function idOf(n: number): bigint {
  return BigInt((n * 0x9e37_79b1) % 2 ** 32) * 256n + BigInt(n % 251) + 1n;
}

function merge(...ids: bigint[]): Op[] {
  return [{ op: 'merge', ids }];
}

/** Milliseconds that a piece of work takes. */
function timed(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

/** A body that grew by one merge an edit: each id was merged with the one before it, or with any one before it. */
function grow(kind: 'chain' | 'tree', from = 0, to = IDS): EditState {
  const fold = new EditState(CONTEXT);
  for (let n = from + 1; n < to; n++)
    fold.apply(merge(idOf(n), idOf(kind === 'chain' ? n - 1 : from + random(n - from))));
  return fold;
}

/** One figure a round, beside what it may be. */
function row(name: string, unit: string, limit: number, measure: (round: number) => number): Row | undefined {
  if (!name.includes(options.only)) return undefined;
  process.stderr.write(`${name} …\n`);
  const ours = Array.from({ length: ROUNDS }, (_, round) => measure(round));
  const limits = ours.map(() => limit);
  return { ...makeRow(name, unit, ours, limits, 1), lowerIsBetter: true };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

function several(times: number, work: (i: number) => unknown): number {
  return median(Array.from({ length: times }, (_, i) => timed(() => work(i))));
}

let fresh = 0;
function freshId(): bigint {
  return (1n << 41n) + BigInt(fresh++);
}

function bodyRows(name: string, fold: EditState): (Row | undefined)[] {
  const undo = (): number => several(11, () => fold.apply([{ op: 'undo', seq: 1 + random(IDS - 1) }]));
  return [
    row(`${name}: merge of one more id / 1 ms`, 'ms', 1, () =>
      several(101, () => fold.apply(merge(freshId(), idOf(random(IDS))))),
    ),
    row(`${name}: root of an id / 1 µs`, 'µs', 1, () => {
      const ids = Array.from({ length: 100_000 }, () => idOf(random(IDS)));
      const lookUpAll = (): void => {
        for (const id of ids) fold.rootOf(id);
      };
      return timed(lookUpAll) / 100;
    }),
    row(`${name}: cleave of 10 ids / 50 ms`, 'ms', 50, () =>
      several(11, () => fold.apply([{ op: 'cleave', ids: Array.from({ length: 10 }, () => idOf(random(IDS))) }])),
    ),
    row(`${name}: cleave of the root and 9 ids / 50 ms`, 'ms', 50, () =>
      several(5, () => {
        const root = fold.rootOf(idOf(random(IDS)));
        fold.apply([{ op: 'cleave', ids: [root, ...Array.from({ length: 9 }, () => idOf(random(IDS)))] }]);
      }),
    ),
    row(`${name}: undo of a merge at random, cleaves in force / 50 ms`, 'ms', 50, undo),
  ];
}

function foldRows(): (Row | undefined)[] {
  const before = bytesInUse();
  const start = performance.now();
  const tree = grow('tree');
  const buildMs = performance.now() - start;
  const bytes = (bytesInUse() - before) / tree.linkCount;
  // What a search keeps stays.
  for (const seq of [IDS >> 1, tree.seq + 1]) tree.apply([{ op: 'undo', seq }]);
  const bytesThen = (bytesInUse() - before) / tree.linkCount;
  const rows = [
    row('tree: memory of a linked id / 100 bytes', 'bytes', 100, () => bytes),
    row('tree: memory of a linked id, after an undo / 100 bytes', 'bytes', 100, () => bytesThen),
    row('tree: an edit of one merge, taken in / 20 µs', 'µs', 20, () => (buildMs * 1_000) / IDS),
    row('tree: undo of a merge at random / 50 ms', 'ms', 50, () =>
      several(11, () => tree.apply([{ op: 'undo', seq: 1 + random(IDS - 1) }])),
    ),
    ...bodyRows('tree', tree),
    ...checkpointRows(tree),
  ];
  return rows;
}

function checkpointRows(fold: EditState): (Row | undefined)[] {
  const parts = fold.checkpoint();
  return [
    row('checkpoint: written / 1 s', 's', 1, () => timed(() => fold.checkpoint()) / 1_000),
    row('checkpoint: loaded / 1 s', 's', 1, () => timed(() => EditState.fromCheckpoint(CONTEXT, parts)) / 1_000),
    row('links frozen / 50 ms', 'ms', 50, () => timed(() => fold.freezeLinks())),
    row('links of a snapshot in a client / 1 s', 's', 1, () => timed(() => loadView(fold)) / 1_000),
    row('members of a body told / 1 s', 's', 1, () => timed(() => fold.membersOf(idOf(1))) / 1_000),
  ];
}

function loadView(fold: EditState): EditView {
  const view = new EditView();
  const links = fold.freezeLinks();
  for (let at = 0; at < links.rows; at += 4_096) view.loadLinks(links.page(at, 4_096));
  return view;
}

function worstRows(): (Row | undefined)[] {
  const chain = grow('chain');
  const middle = IDS >> 1;
  return [
    row('chain: undo of the merge in its middle, the worst there is / 50 ms', 'ms', 50, () => {
      const cut = timed(() => chain.apply([{ op: 'undo', seq: middle }]));
      const seq = chain.seq;
      chain.apply([{ op: 'undo', seq }]);
      return cut;
    }),
    row('chain: its halves united again / 1 ms', 'ms', 1, () => {
      chain.apply([{ op: 'undo', seq: middle }]);
      const seq = chain.seq;
      return timed(() => chain.apply([{ op: 'undo', seq }]));
    }),
    ...bodyRows('chain', chain),
  ];
}

/** One merge of as many ids as a message holds: its undo is told root by root. */
function starRows(): (Row | undefined)[] {
  const star = new EditState(CONTEXT);
  star.apply([{ op: 'merge', ids: Array.from({ length: 130_000 }, (_, n) => idOf(n)) }]);
  return [
    row('star of 130,000 ids: undo, and undo of that / 200 ms', 'ms', 200, () =>
      several(5, () => {
        star.apply([{ op: 'undo', seq: 1 }]);
        star.apply([{ op: 'undo', seq: star.seq }]);
      }),
    ),
  ];
}

const rows = [...foldRows(), ...worstRows(), ...starRows()].filter((one) => one !== undefined);
process.stdout.write(`${formatRows(rows)}\n`);
