import { describe, expect, it } from 'vitest';
import { Force } from '../../protocol/edit-force.ts';
import { Heap } from '../../protocol/heap.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

/** Rule [E21], word by word: one pass from the newest edit to the oldest. */
function naiveOut(undos: readonly (readonly number[])[]): Set<number> {
  const out = new Set<number>();
  for (let seq = undos.length - 1; seq >= 1; seq--)
    if (!out.has(seq)) for (const target of undos[seq] ?? []) out.add(target);
  return out;
}

describe('force', () => {
  it('[E21] is that of one pass from the newest undo to the oldest, and each change of it is told, the newest first', () => {
    const random = seededRandom(testSeed('force'));
    const below = (n: number): number => Math.floor(random() * n);
    for (let run = testRuns(60); run > 0; run--) {
      const force = new Force();
      const undos: number[][] = [[]];
      let out = new Set<number>();
      for (let seq = 1; seq < 40; seq++) {
        undos.push([]);
        // Chains, ping-pong on one edit, and many targets at once.
        for (let more = below(3) === 0 ? below(12) : 1; more > 0 && seq > 1; more--) {
          const target = below(2) === 0 ? seq - 1 : 1 + below(seq - 1);
          undos[seq]?.push(target);
          const before = out;
          out = naiveOut(undos);
          const turn = force.undo(seq, target);
          expect(turn.out).toEqual([...out].filter((one) => !before.has(one)).sort((a, b) => b - a));
          expect(turn.into).toEqual([...before].filter((one) => !out.has(one)).sort((a, b) => b - a));
        }
        if (below(6) === 0) {
          const before = out;
          undos[seq] = [];
          out = naiveOut(undos);
          const turn = force.takeBack(seq);
          expect(new Set(turn.out)).toEqual(new Set([...out].filter((one) => !before.has(one))));
          expect(new Set(turn.into)).toEqual(new Set([...before].filter((one) => !out.has(one))));
        }
        for (let one = 1; one <= seq; one++) expect(force.isInForce(one)).toBe(!out.has(one));
        expect(force.outOfForce(seq)).toEqual(out);
      }
      const loaded = Force.load(force.dump());
      for (let one = 1; one < 40; one++) expect(loaded.isInForce(one)).toBe(!out.has(one));
    }
  });
});

describe('a heap', () => {
  it('gives its numbers back, the largest first', () => {
    const random = seededRandom(testSeed('heap'));
    const heap = new Heap();
    const model: number[] = [];
    for (let step = 0; step < testRuns(2_000); step++) {
      if (random() < 0.6) {
        const number = Math.floor(random() * 50);
        heap.push(number);
        model.push(number);
      } else {
        model.sort((a, b) => a - b);
        expect(heap.pop()).toBe(model.pop());
      }
    }
    for (const number of model.sort((a, b) => b - a)) expect(heap.pop()).toBe(number);
    expect(heap.pop()).toBeUndefined();
  });
});
