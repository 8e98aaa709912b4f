/** Bodies as a checkpoint keeps them: ids, edges and cleavings as they are, and for each id and ended life the set that it is in. */
import type { PartReader, PartWriter } from './checkpoint-parts.ts';
import { Bodies } from './edit-bodies.ts';
import { EditGraph } from './edit-graph.ts';
import { IdTable } from './id-table.ts';
import { Partition } from './partition.ts';

/** Writes bodies; no edit is under way. Sets are numbered in the order in which they come, so that the same bodies give the same bytes. */
export function dumpBodies({ ids, graph, sets }: Bodies, writer: PartWriter): void {
  const { ends, edgeStart, cleaved, cleavedAt, cleavingStart } = graph.dump();
  const numberOf = new Int32Array(sets.labels).fill(-1);
  let count = 0;
  const setOf = (label: number): number => {
    const root = sets.find(label);
    if (numberOf[root] === -1) numberOf[root] = count++;
    return numberOf[root] as number;
  };
  // Loops: the callbacks of `Int32Array.from` are ten times slower.
  const members = new Int32Array(ids.size);
  for (let number = 0; number < ids.size; number++) members[number] = setOf(sets.labelOf(number));
  const ended = new Int32Array(cleaved.length).fill(-1);
  for (let cleaving = 0; cleaving < ended.length; cleaving++)
    if (graph.isCleavingInForce(cleaving)) ended[cleaving] = setOf(graph.labelOfCleaving(cleaving));
  writer.value(count);
  writer.words(ids.low.subarray(0, ids.size));
  writer.words(ids.high.subarray(0, ids.size));
  for (const words of [members, ended, ends, edgeStart, cleaved, cleavedAt, cleavingStart]) writer.words(words);
}

/** Reads bodies. */
export function loadBodies(reader: PartReader, outOfForce: Iterable<number>): Bodies {
  const count = Number(reader.value());
  const ids = new IdTable();
  ids.load(reader.uint32(), reader.uint32());
  const members = reader.int32();
  const ended = reader.int32();
  const dump = {
    ends: reader.int32(),
    edgeStart: reader.uint32(),
    cleaved: reader.int32(),
    cleavedAt: reader.int32(),
    cleavingStart: reader.uint32(),
  };
  const force = new Uint8Array(dump.edgeStart.length).fill(1);
  for (const seq of outOfForce) force[seq] = 0;
  const graph = new EditGraph();
  graph.load(dump, ids.size, force, ended);
  const sets = new Partition();
  sets.load(members, count, (a, b) => ids.isBefore(a, b));
  return new Bodies(ids, graph, sets);
}
