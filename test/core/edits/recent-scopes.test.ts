/** The base check against the last edits of a path, in memory and in the log. Rule [E18]. */
import { describe, expect, it } from 'vitest';
import { parseOps } from '../../../protocol/parse-ops.ts';
import { RecentScopes } from '../../../src/core/edits/recent-scopes.ts';
import { type Scope, scopeOfOps } from '../../../src/core/edits/scope.ts';
import { seededRandom, testSeed } from '../../support/seed.ts';

const scope = (reads: readonly string[], writes: readonly string[]): Scope => ({ reads, writes });
const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

/** Rule [E18], to the letter. */
function naiveWinners(log: readonly Scope[], base: number, mine: Scope, limit: number): number[] {
  const winners: number[] = [];
  for (let seq = base + 1; seq <= log.length && winners.length < limit; seq++) {
    const other = log[seq - 1] as Scope;
    const isHit =
      other.writes.some((name) => mine.reads.includes(name) || mine.writes.includes(name)) ||
      other.reads.some((name) => mine.writes.includes(name));
    if (isHit) winners.push(seq);
  }
  return winners;
}

describe('scopes of the last edits', () => {
  it('find the same conflicts as the rule, with much room and with little, in memory and in the log', async () => {
    const random = seededRandom(testSeed('recent scopes'));
    const some = (most: number): string[] =>
      [...new Set(names('', Math.floor(random() * most)))].map(() => `i${Math.floor(random() * 4_000)}`);
    const scopeOf = (most: number): Scope => {
      const writes = [...new Set(some(most))];
      return scope(
        [...new Set(some(most))].filter((name) => !writes.includes(name)),
        writes,
      );
    };
    const log = Array.from({ length: 200 }, (_, i) => scopeOf(i % 40 === 7 ? 600 : 6));
    for (const budget of [2 ** 25, 8_000, 0])
      for (const opened of [0, 150, 200]) {
        const scopes = new RecentScopes(opened, (seq) => log[seq - 1], budget);
        for (let seq = opened + 1; seq <= log.length; seq++) scopes.add(seq, log[seq - 1] as Scope);
        for (let i = 0; i < 30; i++) {
          const base = Math.floor(random() * log.length);
          const mine = scopeOf(i % 10 === 0 ? 600 : 6);
          const scan = scopes.needsScan(base) ? await scopes.scan(base, mine) : undefined;
          expect(scopes.winners(base, mine, 5, scan)).toEqual(naiveWinners(log, base, mine, 5));
        }
      }
  });

  it('hold no more bytes than their budget, and large scopes in few', () => {
    const large = scope([], names('i', 100_000));
    const scopes = new RecentScopes(0, () => large, 4 * 2 ** 20);
    scopes.add(1, large);
    expect(scopes.byteSize).toBeLessThan(1_000_000);
    for (let seq = 2; seq <= 20; seq++) {
      scopes.add(seq, large);
      expect(scopes.byteSize).toBeLessThanOrEqual(4 * 2 ** 20);
    }
    expect(scopes.needsScan(1)).toBe(true);
    expect(scopes.needsScan(19)).toBe(false);
    expect(scopes.at(20)).toBe(large);
  });

  it('do not take a scan that is not of the same question, or came too early', async () => {
    const log = [scope([], ['a']), scope([], ['b'])];
    const scopes = new RecentScopes(2, (seq) => log[seq - 1], 0);
    const mine = scope([], ['a']);
    const scan = await scopes.scan(0, mine);
    expect(scopes.winners(0, mine, 5, scan)).toEqual([1]);
    expect(scopes.winners(0, scope([], ['b']), 5, scan)).toBe('unknown');
    expect(scopes.winners(0, mine, 5)).toBe('unknown');
    for (const [i, name] of ['c', 'd', 'a'].entries()) {
      log.push(scope([], [name]));
      scopes.add(3 + i, scope([], [name]));
    }
    expect(scopes.winners(0, mine, 5, scan)).toBe('unknown');
  });

  it('tell where the base is too long ago', () => {
    const scopes = new RecentScopes(0, () => undefined);
    for (let seq = 1; seq <= 10_005; seq++) scopes.add(seq, scope([], [`i${seq}`]));
    expect(scopes.winners(4, scope([], ['i6']), 5)).toBe('old');
    expect(scopes.winners(5, scope([], ['i6']), 5)).toEqual([6]);
  });

  it('load many edits a few in each turn of the event loop', async () => {
    const scopes = new RecentScopes(2_000, (seq) => scope([], [`i${seq}`]));
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    await scopes.scan(0, scope([], ['i7']));
    isOver = true;
    expect(turns).toBeGreaterThan(20);
  });
});

describe('the scope of an edit', () => {
  const context = { rootOf: (id: bigint) => (id === 9n ? 4n : id), tilesOf: () => [], scopeOf: () => undefined };

  it('[E18] names ids and roots: a merge reads the bodies, a cleave writes them', () => {
    expect(scopeOfOps(parseOps([{ op: 'merge', ids: [4, 9] }]), context)).toEqual({
      reads: ['r4'],
      writes: ['i4', 'i9'],
    });
    expect(scopeOfOps(parseOps([{ op: 'cleave', ids: [9] }]), context)).toEqual({ reads: [], writes: ['i9', 'r4'] });
  });

  it('refuses undos that name too much together', () => {
    const undone = (count: number) => (seq: number) => scope([], names(`${seq}i`, count));
    const undos = (...seqs: number[]) => parseOps(seqs.map((seq) => ({ op: 'undo', seq })));
    const name = (ops: ReturnType<typeof undos>, count: number) => () =>
      scopeOfOps(ops, { ...context, scopeOf: undone(count) });
    expect(name(undos(1, 2), 2 ** 18)).not.toThrow();
    expect(name(undos(1, 1, 1, 1, 1, 1, 1, 1, 1), 2 ** 18)).not.toThrow();
    expect(name(undos(1, 2, 3, 4, 5, 6, 7, 8, 9), 2 ** 18)).toThrow(/several edits/);
  });
});
