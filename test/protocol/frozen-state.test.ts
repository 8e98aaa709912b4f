import { describe, expect, it } from 'vitest';
import { TABLES } from '../../protocol/edit-ops.ts';
import { EditState, type FrozenTables } from '../../protocol/edit-state.ts';
import { parseOps } from '../../protocol/parse-ops.ts';
import { seededRandom, testSeed } from '../support/seed.ts';

function newState(): EditState {
  return new EditState({
    maxId: () => 10n,
    maxLegalId: 2n ** 63n,
    baseRow: () => undefined,
    lastBaseKey: () => -1n,
  });
}

interface Copy {
  readonly rows: unknown;
  readonly regions: unknown;
  readonly meta: unknown;
}

function copyOf(state: EditState): Copy {
  const byKey = ([a]: readonly [bigint, unknown], [b]: readonly [bigint, unknown]): number => (a < b ? -1 : 1);
  return {
    rows: TABLES.map((table) => [...state.editedRows(table)].filter(([, row]) => row !== undefined).sort(byKey)),
    regions: [...state.regions()],
    meta: new Map(state.meta),
  };
}

function read(tables: FrozenTables): Copy {
  return {
    rows: TABLES.map((table) =>
      [...tables.editedKeys(table)]
        .map((key) => [key, tables.editedRow(table, key)] as const)
        .filter(([, row]) => row !== undefined && row !== null),
    ),
    regions: [...tables.regions()],
    meta: new Map(tables.meta()),
  };
}

describe('a state that is frozen', () => {
  it('[S10] has the regions, rows and metadata of its seq, whatever edits and undos follow or are refused', () => {
    const next = seededRandom(testSeed('frozen states'));
    const upto = (count: number): number => Math.floor(next() * count);
    const state = newState();
    const frozen: { readonly tables: FrozenTables; readonly copy: Copy }[] = [];
    for (let i = 0; i < 400; i++) {
      const key = upto(12);
      const points = [upto(9), 1, 2];
      const op = [
        { op: 'put', table: 'annotation', rows: [{ key, kind: 'point', points }] },
        { op: 'put', table: 'annotation', rows: [{ kind: 'point', points }] },
        { op: 'put', table: 'neuron', rows: [{ key, point: points }] },
        { op: 'delete', table: 'annotation', keys: [key] },
        { op: 'meta', key: `m${upto(4)}`, value: upto(2) === 0 ? null : i },
        { op: 'region', id: 1 + upto(3), region: upto(4), box: [0, 0, 0, 1 + upto(5), 2, 2] },
        { op: 'undo', seq: 1 + upto(Math.max(1, state.seq)) },
      ][upto(7)] as Record<string, unknown>;
      try {
        // One in eight is refused behind its first op.
        state.apply(parseOps(upto(8) === 0 ? [op, { op: 'undo', seq: 100_000 }] : [op]));
      } catch {
        // It was refused whole.
      }
      if (upto(5) === 0) frozen.push({ tables: state.freezeTables(), copy: copyOf(state) });
    }
    expect(state.seq).toBeGreaterThan(200);
    for (const { tables, copy } of frozen) expect(read(tables)).toEqual(copy);
  });

  it('[S11] gives pages of links to several readers in any order', () => {
    const state = newState();
    for (let i = 0; i < 200; i++) {
      const ids = BigUint64Array.from({ length: 100 }, (_, n) => BigInt(1 + 100 * i + n));
      state.apply(parseOps([{ op: 'merge', ids: new Uint8Array(ids.buffer) }]));
    }
    const links = state.freezeLinks();
    const whole = state.freezeLinks().page(0, links.rows);
    const next = seededRandom(testSeed('frozen states'));
    for (let i = 0; i < 300; i++) {
      const row = Math.floor(next() * (links.rows + 10));
      const count = Math.floor(next() * 6_000);
      expect(Buffer.compare(links.page(row, count), whole.subarray(16 * row, 16 * (row + count)))).toBe(0);
    }
    expect(whole).toHaveLength(16 * links.rows);
  });
});
