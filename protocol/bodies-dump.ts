/** Bodies as a checkpoint keeps them: ids, edges and cleavings as they are, and for each id and ended life the set that it is in. */
import type { PartReader, PartWriter } from './checkpoint-parts.ts';
import { Bodies } from './edit-bodies.ts';
import { cleavingStarts, EditGraph } from './edit-graph.ts';
import { IdTable } from './id-table.ts';
import { Partition } from './partition.ts';
import { inPieces, type Sliced } from './slices.ts';

/**
 * Writes bodies as they are at the call, though edits go on while it is done: copies what they change. No edit is under way.
 *
 * Sets are numbered in the order in which they come, so that the same bodies give the same bytes.
 */
export function dumpBodies({ ids, graph, sets }: Bodies, writer: PartWriter): Sliced<void> {
  const views = graph.dump();
  const frozen = sets.freezeSets();
  const [low, high] = [ids.low.subarray(0, ids.size), ids.high.subarray(0, ids.size)];
  /** Labels of lives that have ended, -1 of those that have not. */
  const ended = new Int32Array(views.cleaved.length);
  for (let cleaving = 0; cleaving < ended.length; cleaving++)
    ended[cleaving] = graph.isCleavingInForce(cleaving) ? graph.labelOfCleaving(cleaving) : -1;
  return write();

  function* write(): Sliced<void> {
    /** Number + 1 by root label. */
    const numberOf = new Int32Array(frozen.labels);
    let count = 0;
    const setOf = (label: number): number => {
      const root = frozen.rootOf(label);
      if (numberOf[root] === 0) numberOf[root] = ++count;
      return (numberOf[root] as number) - 1;
    };
    const members = new Int32Array(low.length);
    yield* inPieces(members.length, (from, end) => {
      for (let number = from; number < end; number++) members[number] = setOf(frozen.labelOf(number));
    });
    yield* inPieces(ended.length, (from, end) => {
      for (let cleaving = from; cleaving < end; cleaving++)
        if (ended[cleaving] !== -1) ended[cleaving] = setOf(ended[cleaving] as number);
    });
    const { ends, edgeStart, cleaved, cleavedAt, cleavingSeq } = views;
    const cleavingStart = yield* cleavingStarts(cleavingSeq, edgeStart.length - 1);
    writer.value(count);
    for (const words of [low, high, members, ended, ends, edgeStart, cleaved, cleavedAt, cleavingStart])
      yield* writer.words(words);
  }
}

/** Reads bodies. */
export function* loadBodies(reader: PartReader, outOfForce: Iterable<number>): Sliced<Bodies> {
  const count = Number(reader.value());
  const ids = new IdTable();
  yield* ids.load(yield* reader.uint32(), yield* reader.uint32());
  const members = yield* reader.int32();
  const ended = yield* reader.int32();
  const dump = {
    ends: yield* reader.int32(),
    edgeStart: yield* reader.uint32(),
    cleaved: yield* reader.int32(),
    cleavedAt: yield* reader.int32(),
    cleavingStart: yield* reader.uint32(),
  };
  const force = new Uint8Array(dump.edgeStart.length).fill(1);
  for (const seq of outOfForce) force[seq] = 0;
  const graph = new EditGraph();
  yield* graph.load(dump, ids.size, force, ended);
  const sets = new Partition();
  yield* sets.load(members, count, (a, b) => ids.isBefore(a, b));
  return new Bodies(ids, graph, sets);
}
