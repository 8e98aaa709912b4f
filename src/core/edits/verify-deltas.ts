/** Proves that the voxels that edits changed are in the log, all of them and as they were written. Rule [E26]. */
import { crc32 } from 'node:zlib';
import { LogKind, logDeltaKey, logPart, logRange, logSeq } from '../../database/keys.ts';
import { decodeDelta } from '../../image/voxel-delta.ts';
import type { Tell } from './compare-states.ts';
import type { ChangedTiles } from './delta-entries.ts';
import type { LogContext } from './log-context.ts';
import { LogReader } from './log-reader.ts';

/** Lists, or keys, that are read at once. */
const PAGE = 512;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Verifies the DELTAs of a log against the lists of their tiles, and both against the edits.
 *
 * @param withVoxels edits that say that they changed voxels. @returns number of DELTAs.
 */
export async function verifyDeltas(context: LogContext, withVoxels: ReadonlySet<number>, tell: Tell): Promise<number> {
  const parts = await verifyLists(context, withVoxels, tell);
  return await countDeltas(context, parts, tell);
}

/** @returns the number of parts of each edit that has a list. */
async function verifyLists(
  context: LogContext,
  withVoxels: ReadonlySet<number>,
  tell: Tell,
): Promise<ReadonlyMap<number, number>> {
  const { channel, database } = context;
  const reader = new LogReader(database, channel.number);
  const parts = new Map<number, number>();
  const { start, end } = logRange(channel.number, LogKind.TILES);
  for (let from = start; ; ) {
    const keys = database.entryKeys('log', { start: from, end, limit: PAGE });
    for (const key of keys) {
      const seq = logSeq(key);
      parts.set(seq, Number.POSITIVE_INFINITY);
      const list = listAt(reader, seq, tell);
      if (list === undefined) continue;
      parts.set(seq, list.tiles.length);
      await verifyParts(context, list, tell);
    }
    const last = keys[keys.length - 1];
    if (keys.length < PAGE || last === undefined) break;
    from = Uint8Array.of(...last, 0);
    await nextTurn();
  }
  for (const seq of withVoxels) if (!parts.has(seq)) tell(`the list of tiles of edit ${seq} is missing`);
  return parts;
}

function listAt(reader: LogReader, seq: number, tell: Tell): ChangedTiles | undefined {
  try {
    return reader.tiles(seq - 1, seq, 1)[0];
  } catch {
    tell(`the list of tiles of edit ${seq} is damaged`);
    return undefined;
  }
}

/** One by one: each may have megabytes. */
async function verifyParts({ channel, database }: LogContext, list: ChangedTiles, tell: Tell): Promise<void> {
  const { seq, tiles, sums } = list;
  for (const [part, tile] of tiles.entries()) {
    const bytes = database.entry('log', logDeltaKey(channel.number, seq, part));
    if (bytes === undefined) tell(`part ${part} of the voxels of edit ${seq} is missing`);
    else if (crc32(bytes) !== sums[part] || String(tileOf(bytes)) !== String(tile))
      tell(`part ${part} of the voxels of edit ${seq} was changed`);
    await nextTurn();
  }
}

function tileOf(bytes: Uint8Array): readonly number[] | undefined {
  try {
    return decodeDelta(bytes).tile;
  } catch {
    return undefined;
  }
}

async function countDeltas(
  { channel, database }: LogContext,
  parts: ReadonlyMap<number, number>,
  tell: Tell,
): Promise<number> {
  const { start, end } = logRange(channel.number, LogKind.DELTA);
  let count = 0;
  for (let from = start; ; ) {
    const keys = database.entryKeys('log', { start: from, end, limit: PAGE });
    for (const key of keys) {
      const listed = parts.get(logSeq(key));
      if (listed === undefined) tell(`the list of tiles of edit ${logSeq(key)} is missing`);
      else if (logPart(key) >= listed) tell(`part ${logPart(key)} of the voxels of edit ${logSeq(key)} is in no list`);
    }
    count += keys.length;
    const last = keys[keys.length - 1];
    if (keys.length < PAGE || last === undefined) return count;
    from = Uint8Array.of(...last, 0);
    await nextTurn();
  }
}
