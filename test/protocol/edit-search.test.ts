import { describe, expect, it } from 'vitest';
import { EditGraph } from '../../protocol/edit-graph.ts';
import { type Parts, partsCutOff, SearchMarks } from '../../protocol/edit-search.ts';
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
  for (let seq = 1; seq <= graph.seq; seq++) if (below(5) === 0) graph.setForce(seq, false);
  return graph;
}

/** All lives and their neighbours, told one by one. */
function neighbours(graph: EditGraph): Map<number, Set<number>> {
  const all = new Map<number, Set<number>>();
  for (let number = 0; number < NUMBERS; number++) all.set(number, new Set());
  for (let cleaving = 0; cleaving < graph.cleavings; cleaving++)
    if (graph.isCleavingInForce(cleaving)) all.set(~cleaving, new Set());
  for (let seq = 1; seq <= graph.seq; seq++)
    graph.forEachEdge(seq, (edge, a, b) => {
      if (graph.isEdge[edge] === 0) return;
      const ends = [graph.lifeAt(a, edge), graph.lifeAt(b, edge)] as const;
      all.get(ends[0])?.add(ends[1]);
      all.get(ends[1])?.add(ends[0]);
    });
  return all;
}

/** The lives of each part, ascending. */
function listsOf({ lives, ends }: Parts): string[] {
  return [...ends].map((end, part) => {
    const start = part === 0 ? 0 : (ends[part - 1] as number);
    return [...lives.subarray(start, end)].sort((a, b) => a - b).join();
  });
}

function partOf(life: number, all: ReadonlyMap<number, ReadonlySet<number>>): string {
  const seen = new Set([life]);
  for (const one of seen) for (const next of all.get(one) ?? []) seen.add(next);
  return [...seen].sort((a, b) => a - b).join();
}

describe('the search for parts', () => {
  it('finds all but one of those that the lives are in, whole, whatever searches came before with the same marks', () => {
    const random = seededRandom(testSeed('parts'));
    const below = (n: number): number => Math.floor(random() * n);
    // The marks come to their end, and begin again.
    const marks = new SearchMarks(2 ** 31 - 500);
    for (let run = testRuns(400); run > 0; run--) {
      const graph = randomGraph(below);
      const all = neighbours(graph);
      const every = [...all.keys()];
      const lives = Array.from({ length: 1 + below(12) }, () => every[below(every.length)] ?? 0);
      const wanted = new Set(lives.map((life) => partOf(life, all)));
      const found = listsOf(partsCutOff(graph, marks, lives, 1 + below(5)));
      expect(new Set(found).size, 'each part once').toBe(found.length);
      expect(found.length).toBe(wanted.size - 1);
      for (const part of found) expect(wanted).toContain(part);
    }
  });

  it('walks no farther than through the small part', () => {
    const graph = new EditGraph();
    graph.reserve(100_001);
    for (let number = 1; number < 100_000; number++) {
      graph.begin();
      graph.connect(number - 1, number);
    }
    const marks = new SearchMarks();
    expect(listsOf(partsCutOff(graph, marks, [50_000, 100_000]))).toEqual(['100000']);
    const visited = marks.words.filter((word, i) => i % 2 === 0 && word !== 0).length;
    expect(visited).toBeGreaterThan(1);
    expect(visited).toBeLessThan(1_000);
  });

  it('finds parts of one life each in one search, though there are very many', () => {
    const graph = new EditGraph();
    graph.reserve(20_001);
    graph.begin();
    for (let number = 1; number <= 20_000; number++) graph.connect(0, number);
    graph.setForce(1, false);
    const lives = Array.from({ length: 20_001 }, (_, number) => number);
    const found = listsOf(partsCutOff(graph, new SearchMarks(), lives));
    expect(found.length).toBe(20_000);
    expect(new Set(found).size).toBe(20_000);
  });
});
