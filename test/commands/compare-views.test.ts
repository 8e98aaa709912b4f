import { describe, expect, it } from 'vitest';
import { EditView } from '../../protocol/edit-view.ts';
import { compareViews, MAX_FAULTS } from '../../src/commands/compare-views.ts';
import { bodiesOf, legacyTables } from '../../src/commands/legacy-export.ts';

const links = (...rows: readonly (readonly [bigint, bigint])[]): Uint8Array =>
  new Uint8Array(BigUint64Array.from(rows.flat()).buffer);
const NOTHING = { neuron: new Set<bigint>(), synapse: new Set<bigint>(), annotation: new Set<bigint>() };

function view(rows: readonly (readonly [bigint, bigint])[]): EditView {
  const made = new EditView();
  made.loadLinks(links(...rows));
  return made;
}

describe('two states of a log', () => {
  it('agree, however they were made', () => {
    const told = new EditView();
    told.apply(1, { joined: links([3n, 2n]) });
    told.apply(2, { joined: links([2n, 1n]) });
    told.apply(3, { joined: links([9n, 8n]) });
    told.apply(4, { parted: [[9n, links([9n, 9n]).subarray(0, 8)]] });
    expect([...told.links()].sort()).toEqual([
      [2n, 1n],
      [3n, 1n],
    ]);
    expect(
      compareViews(
        told,
        view([
          [2n, 1n],
          [3n, 1n],
        ]),
        NOTHING,
      ),
    ).toEqual([]);
  });

  it('differ where an id has another root, from either side, and each is named once', () => {
    const a = view([
      [2n, 1n],
      [5n, 4n],
    ]);
    const b = view([
      [2n, 1n],
      [5n, 3n],
      [7n, 6n],
    ]);
    expect(compareViews(a, b, NOTHING)).toEqual([
      'id 5: root 4 by the log, 3 by the snapshot',
      'id 7: root 7 by the log, 6 by the snapshot',
    ]);
  });

  it('differ in regions, metadata and the rows that edits touched, whatever the width of integers', () => {
    const [a, b] = [new EditView(), new EditView()];
    const row = { key: 1n, kind: 'point', points: [1, 2, 3] };
    a.loadRows('annotation', [row, { key: 2n, text: 'a' }]);
    b.loadRows('annotation', [
      { points: [1, 2, 3], key: 1, kind: 'point' },
      { key: 3, text: 'of a file' },
    ]);
    a.loadRegions([{ id: 5, region: 1, box: null, alias: 9 }]);
    a.loadMeta({ species: 'fly', same: 1 });
    b.loadMeta({ same: 1n });
    expect(compareViews(a, b, { ...NOTHING, annotation: new Set([1n, 2n]) })).toEqual([
      'region 5:1: {"id":"5","region":"1","box":null,"alias":"9"} by the log, none by the snapshot'.replace(
        '{"id":"5","region":"1","box":null,"alias":"9"}',
        '{"alias":"9","box":null,"id":"5","region":"1"}',
      ),
      'metadata species: "fly" by the log, none by the snapshot',
      'row 2 of annotation: {"key":"2","text":"a"} by the log, none by the snapshot',
    ]);
  });

  it('are described by the first differences alone', () => {
    const many = Array.from({ length: 100 }, (_, i) => [BigInt(i) + 2n, 1n] as const);
    expect(compareViews(view(many), new EditView(), NOTHING)).toHaveLength(MAX_FAULTS);
  });
});

describe('Butterfly’s tables of a state', () => {
  it('have the bodies in order, with aliases as id:region, and the splits of regions and metadata', () => {
    const state = view([
      [30n, 20n],
      [5n, 2n],
      [100n, 2n],
    ]);
    state.loadRegions([
      { id: 7, region: 3, box: [0, 1, 2, 3, 4, 5], alias: 100 },
      { id: 8, region: 1, box: null, alias: 101 },
    ]);
    state.loadMeta({ 'butterfly.split:46:0': [0, 0, 0, 0, 0, 0], 'butterfly.split:x': 1, other: [1] });
    expect(bodiesOf(state)).toEqual([
      [2n, 5n, 100n],
      [20n, 30n],
    ]);
    expect(legacyTables(state)).toEqual({
      merge: [
        ['2', '5', '7:3'],
        ['20', '30'],
      ],
      split: ['46:0:0:0:0:0:0:0', '7:3:0:3:1:4:2:5'],
    });
  });
});
