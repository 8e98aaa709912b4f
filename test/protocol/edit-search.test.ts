import { describe, expect, it } from 'vitest';
import { EditGraph } from '../../protocol/edit-graph.ts';
import { partsCutOff, SearchMarks } from '../../protocol/edit-search.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const NUMBERS = 40;

/** A random graph: edges, cleavings, and edits out of force. */
function randomGraph(below: (n: number) => number): EditGraph {
  const graph = new EditGraph();
  graph.reserve(NUMBERS);
  for (let edits = 5 + below(25); edits > 0; edits--) {
    graph.begin();
    const a = below(NUMBERS);
    if (below(4) === 0) graph.cleave(a, 0);
    else
      for (let more = below(4); more >= 0; more--)
        graph.connect(below(8) === 0 ? 0 : a, (a + 1 + below(NUMBERS - 1)) % NUMBERS);
  }
  for (let seq = 1; seq <= graph.seq; seq++) if (below(5) === 0) graph.inForce[seq] = 0;
  return graph;
}

/** All lives and their neighbours, told one by one. */
function neighbours(graph: EditGraph): Map<number, Set<number>> {
  const all = new Map<number, Set<number>>();
  for (let number = 0; number < NUMBERS; number++) all.set(number, new Set());
  for (let cleaving = 0; cleaving < graph.cleavings; cleaving++)
    if (graph.isCleavingInForce(cleaving)) all.set(~cleaving, new Set());
  for (let seq = 1; seq <= graph.seq; seq++)
    if (graph.inForce[seq] === 1)
      graph.forEachEdge(seq, (edge, a, b) => {
        const ends = [graph.lifeAt(a, edge), graph.lifeAt(b, edge)] as const;
        all.get(ends[0])?.add(ends[1]);
        all.get(ends[1])?.add(ends[0]);
      });
  return all;
}

function partOf(life: number, all: ReadonlyMap<number, ReadonlySet<number>>): string {
  const seen = new Set([life]);
  for (const one of seen) for (const next of all.get(one) ?? []) seen.add(next);
  return [...seen].sort((a, b) => a - b).join();
}

describe('the search for parts', () => {
  it('finds all but one of those that the lives are in, whole, and leaves its marks clean', () => {
    const random = seededRandom(testSeed('parts'));
    const below = (n: number): number => Math.floor(random() * n);
    const marks = new SearchMarks();
    for (let run = testRuns(400); run > 0; run--) {
      const graph = randomGraph(below);
      const all = neighbours(graph);
      const every = [...all.keys()];
      const lives = Array.from({ length: 1 + below(12) }, () => every[below(every.length)] ?? 0);
      const wanted = new Set(lives.map((life) => partOf(life, all)));
      const found = partsCutOff(graph, marks, lives, 1 + below(5)).map((part) =>
        [...part].sort((a, b) => a - b).join(),
      );
      expect(new Set(found).size, 'each part once').toBe(found.length);
      expect(found.length).toBe(wanted.size - 1);
      for (const part of found) expect(wanted).toContain(part);
      expect([...marks.living, ...marks.ended].every((mark) => mark === 0)).toBe(true);
    }
  });

  it('walks no farther than through the small part', () => {
    const graph = new EditGraph();
    graph.reserve(100_001);
    for (let number = 1; number < 100_000; number++) {
      graph.begin();
      graph.connect(number - 1, number);
    }
    let looked = 0;
    const { lifeAt } = graph;
    graph.lifeAt = (number, edge) => {
      looked++;
      return lifeAt.call(graph, number, edge);
    };
    expect(partsCutOff(graph, new SearchMarks(), [50_000, 100_000])).toEqual([Int32Array.of(100_000)]);
    expect(looked).toBeLessThan(1_000);
  });
});
