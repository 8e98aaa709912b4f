/** Compares what a log comes to with what was derived from it, in both directions. */
import { isDeepStrictEqual } from 'node:util';
import { TABLES } from '../../../protocol/edit-ops.ts';
import type { EditState } from '../../../protocol/edit-state.ts';
import type { EditView } from '../../../protocol/edit-view.ts';
import { pack, unpack } from '../../../protocol/msgpack.ts';
import type { ChannelRows } from './log-context.ts';

/** Takes what is wrong, one sentence. */
export type Tell = (fault: string) => void;

/** A replay, and what a snapshot with the edits behind it comes to. */
export function compareStates(replayed: EditState, opened: EditState, tell: Tell): void {
  let isSound = true;
  const differ = (fault: string): void => {
    isSound = false;
    tell(fault);
  };
  if (replayed.seq !== opened.seq)
    differ(`the replay ends at ${replayed.seq}, the snapshot and its tail at ${opened.seq}`);
  const tellRoots = (id: bigint): void =>
    differ(`id ${id}: the replay has root ${replayed.rootOf(id)}, the snapshot ${opened.rootOf(id)}`);
  for (const [id, root] of linksOf(replayed)) if (opened.rootOf(id) !== root) tellRoots(id);
  for (const [id, root] of linksOf(opened)) if (replayed.rootOf(id) !== root) tellRoots(id);
  if (!isSame([...replayed.regions()], [...opened.regions()]))
    differ('the regions of the replay and the snapshot differ');
  if (!isSame([...replayed.meta], [...opened.meta])) differ('the metadata of the replay and the snapshot differ');
  if (!isSame([...replayed.outOfForce()].sort(), [...opened.outOfForce()].sort()))
    differ('the replay and the snapshot differ in which edits are in force');
  for (const table of TABLES)
    for (const state of [replayed, opened])
      for (const [key] of state.editedRows(table))
        if (!isSame(replayed.row(table, key), opened.row(table, key)))
          differ(`row ${key} of ${table} differs between the replay and the snapshot`);
  // What only later undos would show.
  if (isSound && !isSameBytes(replayed.checkpoint(), opened.checkpoint()))
    tell('the replay and the snapshot differ in what edits did');
}

/** A replay, and what a client that was told all changes believes. */
export function compareView(state: EditState, view: EditView, tell: Tell): void {
  const tellRoots = (id: bigint): void =>
    tell(`id ${id} has root ${state.rootOf(id)}; who was told all changes believes ${view.rootOf(id)}`);
  for (const [id, root] of linksOf(state)) if (view.rootOf(id) !== root) tellRoots(id);
  for (const [id, root] of view.links()) if (state.rootOf(id) !== root) tellRoots(id);
  const regions = [...state.regions()];
  for (const region of regions)
    if (!isSame(region, view.region(region.id, region.region)))
      tell(`region ${region.region} of id ${region.id} is another to who was told all changes`);
  for (const { id, region } of view.regions())
    if (state.region(id, region) === undefined)
      tell(`there is no region ${region} of id ${id}; who was told all changes believes that there is`);
  for (const key of new Set([...state.meta.keys(), ...view.meta.keys()]))
    if (!isSame(state.meta.get(key), view.meta.get(key)))
      tell(`metadata ${JSON.stringify(key)} is another to who was told all changes`);
}

/** Rows: a replay, what clients were told, and the tables in the store. The base rows need not be known. */
export function compareTables(state: EditState, view: EditView, rows: ChannelRows, tell: Tell): void {
  for (const table of TABLES) {
    for (const [key, row] of state.editedRows(table)) {
      if (!isSame(row, rows.row(table, key))) tell(`row ${key} of ${table} is not in the tables as the edits made it`);
      if (!isSame(row, view.row(table, key))) tell(`row ${key} of ${table} is another to who was told all changes`);
    }
    // An undo brings a base row back, which changes tell of, and which is then kept among the changed ones.
    const told = view.rows(table);
    const kept = new Set<bigint>();
    for (const [key, row] of rows.changedRows(table)) {
      kept.add(key);
      if (!isSame(row, told.get(key))) tell(`row ${key} of ${table} is in the tables as no edit made it`);
    }
    for (const key of told.keys()) if (!kept.has(key)) tell(`row ${key} of ${table} is missing in the tables`);
  }
}

function* linksOf(state: EditState): Generator<readonly [id: bigint, root: bigint]> {
  const links = state.freezeLinks();
  for (let from = 0; from < links.rows; from += 4_096) {
    const page = links.page(from, 4_096);
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    for (let at = 0; at < page.length; at += 16) yield [view.getBigUint64(at, true), view.getBigUint64(at + 8, true)];
  }
}

function isSameBytes(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((part, i) => Buffer.compare(part, b[i] as Uint8Array) === 0);
}

/** Whether two values travel as the same, whatever the order of keys in them. */
function isSame(a: unknown, b: unknown): boolean {
  const [packedA, packedB] = [pack(a ?? null).slice(), pack(b ?? null).slice()];
  return Buffer.compare(packedA, packedB) === 0 || isDeepStrictEqual(unpack(packedA), unpack(packedB));
}
