import { describe, expect, it } from 'vitest';
import { EditState, type FoldContext } from '../../protocol/edit-state.ts';
import { EditView } from '../../protocol/edit-view.ts';
import { pack } from '../../protocol/msgpack.ts';

const CONTEXT: FoldContext = {
  maxId: () => 100n,
  maxLegalId: 2n ** 64n - 1n,
  baseRow: () => undefined,
  lastBaseKey: () => -1n,
};
const COUNT = 300_000;

/** One large body, a cleave, an undo, and a row. */
function largeState(): EditState {
  const state = new EditState(CONTEXT);
  const ids = Array.from({ length: COUNT }, (_, i) => BigInt(i) * 2n + 5n);
  state.apply([{ op: 'merge', ids }]);
  state.apply([{ op: 'cleave', ids: ids.slice(0, 10) }]);
  state.apply([{ op: 'merge', ids: [5n, 1n, 2n] }]);
  state.apply([
    { op: 'undo', seq: 2 },
    { op: 'meta', key: 'a', value: { b: [1.5, null] } },
  ]);
  state.apply([{ op: 'cleave', ids: ids.slice(5, 9) }]);
  return state;
}

/** Whether bytes are equal; for many of them far faster than `toEqual`. */
function isSame(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((bytes, i) => Buffer.compare(bytes, b[i] ?? new Uint8Array()) === 0);
}

describe('[E20] checkpoints', () => {
  it('are cut in parts of at most 4 MiB, and bring everything back', () => {
    const state = largeState();
    const parts = state.checkpoint();
    expect(parts.length).toBeGreaterThan(1);
    expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(4 * 1024 * 1024);
    const restored = EditState.fromCheckpoint(CONTEXT, parts);
    expect(restored.linkCount).toBe(state.linkCount);
    for (const id of [1n, 5n, 15n, 17n, 605n]) expect(restored.rootOf(id)).toBe(state.rootOf(id));
    expect(restored.membersOf(15n).join()).toBe(state.membersOf(15n).join());
    for (const fold of [state, restored]) fold.apply([{ op: 'undo', seq: 4 }]);
    expect(isSame([restored.freezeLinks().page(0, COUNT)], [state.freezeLinks().page(0, COUNT)])).toBe(true);
    expect(isSame(restored.checkpoint(), state.checkpoint())).toBe(true);
  });

  it('that are damaged or of another version are refused', () => {
    const [first = new Uint8Array(), ...others] = largeState().checkpoint();
    const bad = [[], [first], [first.subarray(0, 100), ...others], [first.slice(3), ...others]];
    for (const parts of bad) expect(() => EditState.fromCheckpoint(CONTEXT, parts)).toThrow();
    const header = pack({ layout: 99 }).slice();
    const length = new Uint8Array(8);
    new DataView(length.buffer).setFloat64(0, header.length);
    expect(() => EditState.fromCheckpoint(CONTEXT, [length, header])).toThrow('another version');
  });
});

describe('[S10] links of a moment', () => {
  it('stay as they were while edits go on, page by page and in any order', () => {
    const state = largeState();
    const links = state.freezeLinks();
    const whole = links.page(0, links.rows);
    expect(whole.length).toBe(links.rows * 16);
    state.apply([
      { op: 'cleave', ids: [5n, 105n, 205n] },
      { op: 'merge', ids: [3n, 1n, 99n, 605n] },
    ]);
    for (let id = 10_000n; id < 80_000n; id += 2n) state.apply([{ op: 'merge', ids: [id, 8n] }]);
    expect(isSame([links.page(0, links.rows)], [whole])).toBe(true);
    for (const row of [70_000, 10, 11, 200_000, links.rows - 1, links.rows, links.rows + 5])
      expect(links.page(row, 3)).toEqual(whole.subarray(row * 16, (row + 3) * 16));
    expect([links.seq, links.rootOf(105n), links.rootOf(10_000n), links.rootOf(77n)]).toEqual([5, 1n, 10_000n, 1n]);
  });

  it('[E34] make a view that goes on with the changes that follow', () => {
    const state = largeState();
    const view = new EditView();
    const links = state.freezeLinks();
    for (let row = 0; row < links.rows; row += 4_096) view.loadLinks(links.page(row, 4_096));
    view.begin(state.seq);
    for (const seq of [1, 3, 5]) {
      const { changes } = state.apply([{ op: 'undo', seq }]);
      view.apply(state.seq, changes);
      for (const id of [1n, 2n, 5n, 7n, 15n, 605n]) {
        expect(view.rootOf(id)).toBe(state.rootOf(id));
        expect(view.bodySize(id)).toBe(state.bodySize(id));
      }
    }
    expect(view.seq).toBe(8);
    view.clear();
    expect([view.seq, view.rootOf(7n), view.bodySize(7n)]).toEqual([0, 7n, 1]);
  });
});
