import { describe, expect, it } from 'vitest';
import { UndoWords } from '../../src/commands/undo-words.ts';
import { FakeLog } from './fake-log.ts';
import { run } from './terminal.ts';

const merge = { ops: [{ op: 'merge', ids: [1, 2] }], results: [{ root: 1 }] };
const undo = (...seqs: number[]) => ({ ops: seqs.map((seq) => ({ op: 'undo', seq })) });
const history = (log: FakeLog, ...args: string[]) =>
  run(['history', 'host:1', 'a/b/c/d', ...args], { parts: { connectEditor: async () => log.session } });
/** What the column EDIT says, by line. */
const edits = async (log: FakeLog, ...args: string[]): Promise<(string | undefined)[]> =>
  (await history(log, ...args)).out
    .split('\n')
    .slice(1, -1)
    .map((line) => /Ada +(.*)$/.exec(line)?.[1]);

describe('bfly history', () => {
  it('says of an edit that nothing changed', async () => {
    const log = new FakeLog([merge, { ...merge, changes: {} }, { ops: [{ op: 'merge' }], changes: {}, cut: true }]);
    expect(await edits(log)).toEqual([
      'merge 1, 2 → 1',
      'merge 1, 2 → 1 (nothing changed)',
      'merge (too large to show)',
    ]);
  });

  it('[E21] says what an undo undoes, and what the undo of an undo redoes', async () => {
    const log = new FakeLog([
      merge,
      merge,
      undo(1),
      undo(3),
      undo(4),
      undo(1, 2),
      undo(6),
      { ops: [...undo(2).ops, ...merge.ops] },
      undo(8),
    ]);
    expect(await edits(log)).toEqual([
      ...['merge 1, 2 → 1', 'merge 1, 2 → 1'],
      ...['undoes 1', 'redoes 1', 'undoes 1', 'undoes 1; undoes 2', 'redoes 1, 2', 'undoes 2; merge 1, 2', 'undoes 8'],
    ]);
  });

  it('looks up edits that it does not list', async () => {
    const log = new FakeLog([merge, undo(1), ...Array.from({ length: 20 }, () => merge), undo(2), merge]);
    expect(await edits(log, '--last', '2')).toEqual(['redoes 1', 'merge 1, 2 → 1']);
    expect(await edits(log, '--kind', 'undo')).toEqual(['undoes 1', 'redoes 1']);
    // Too far in for the first page of what is asked for.
    const far = new FakeLog([...Array.from({ length: 9 }, () => merge), undo(9), undo(10)]);
    expect(await edits(far, '--last', '1')).toEqual(['redoes 9']);
  });

  it('[E21] is done soon with undos of undos of undos, and of many at once', async () => {
    // Each undoes the two before it: as many ways back as rabbits.
    const log = new FakeLog([merge, undo(1), ...Array.from({ length: 998 }, (_, i) => undo(i + 1, i + 2))]);
    const words = new UndoWords(log.session, 'a/b/c/d');
    await words.learn(log.edits);
    expect(words.word(999)).toBe('undoes 1 and redoes 1');
    const chain = new FakeLog([merge, ...Array.from({ length: 999 }, (_, i) => undo(i + 1))]);
    const end = new UndoWords(chain.session, 'a/b/c/d');
    await end.learn(chain.edits.slice(-1));
    expect(end.word(999)).toMatch(/^(un|re)does \d+$/);
    expect(chain.asked.length).toBeLessThan(100);
  });

  describe('of one user', () => {
    const by = (id: string, name: string) => ({ ...merge, user: { id, name } });
    const log = new FakeLog([
      by('ada', 'Ada'),
      by('u2', 'Ada'),
      by('Bob', 'Robert'),
      by('u3', 'Bob'),
      by('ada', 'Ada'),
    ]);
    const seqs = async (...args: string[]): Promise<unknown> => {
      const { out, err } = await history(log, '--json', ...args);
      return [
        out
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line).seq),
        err,
      ];
    };

    it('takes the id, which wins where it is also a name', async () => {
      expect(await seqs('--user', 'ada')).toEqual([[1, 5], '']);
      expect(await seqs('--user', 'Bob')).toEqual([[3], '']);
    });

    it('takes the name, of all who have it, and says who they are', async () => {
      expect(await seqs('--user', 'Robert')).toEqual([[3], '']);
      expect(await seqs('--user', 'Ada')).toEqual([
        [1, 2, 5],
        'bfly: "Ada" is the name of several: ada, u2; --user ID shows one of them\n',
      ]);
    });

    it('counts those of the name for --limit, and goes by --after and --last', async () => {
      expect(await seqs('--user', 'Ada', '--limit', '1')).toEqual([[1], '']);
      expect(await seqs('--user', 'Ada', '--after', '2')).toEqual([[5], '']);
      expect(await seqs('--user', 'Bob', '--last', '2')).toEqual([[], '']);
    });

    it('says that nobody is called so', async () => {
      const { code, out, err } = await history(log, '--user', 'eve\u001b[2J');
      expect([code, out, err]).toEqual([
        0,
        'no edits\n',
        'bfly: no edit here is by anybody of the id or name "eve [2J"\n',
      ]);
    });
  });
});
