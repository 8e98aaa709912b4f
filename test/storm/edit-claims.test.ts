import { describe, expect, it } from 'vitest';
import type { WireMap } from '../../protocol/messages.ts';
import { type Claim, falseConflicts, missedConflicts } from '../support/edit-claims.ts';

const OPS: readonly WireMap[] = [
  { op: 'merge', ids: [1, 2] },
  { op: 'put', table: 'annotation', rows: [{ kind: 'point', points: [1, 2, 3] }] },
  { op: 'cleave', ids: [2] },
  { op: 'delete', table: 'annotation', keys: [7] },
  { op: 'region', id: 2, region: 1, box: null },
  { op: 'merge', ids: [8, 9] },
];
const RESULTS: readonly (readonly unknown[])[] = [[{ root: 1 }], [{ keys: [7] }], [null], [null], [null], [null]];
const LOG = {
  head: OPS.length,
  edits: OPS.map((op, at): WireMap => ({ seq: at + 1, ops: [op], results: RESULTS[at] })),
};

describe('the check of edits with a base', () => {
  const applied = (seq: number, claim: Claim): string[] => missedConflicts([['ann:1', { ack: { seq }, claim }]], LOG);

  it('[E18] finds nothing wrong where nothing came between that writes the same', () => {
    expect(applied(3, { base: 1, policy: 'scope' })).toEqual([]);
    expect(applied(4, { base: 2, policy: 'scope' })).toEqual([]);
    expect(applied(6, { base: 0, policy: 'scope' })).toEqual([]);
    expect(applied(3, { base: 2, policy: 'strict' })).toEqual([]);
  });

  it('[E18] notices an id, and a row whose key the server gave, that another wrote in between', () => {
    expect(applied(3, { base: 0, policy: 'scope' }).join()).toMatch('edit 1 was in its way');
    expect(applied(4, { base: 1, policy: 'scope' }).join()).toMatch('edit 2 was in its way');
  });

  it('[E17] notices a strict edit that does not follow its base', () => {
    expect(applied(3, { base: 1, policy: 'strict' }).join()).toMatch('was strict on 1 and is 3');
  });

  const lost = (claim: Claim | undefined, details: WireMap): string[] =>
    falseConflicts([{ name: 'ann:1', claim, details }], LOG);
  const claim: Claim = { base: 1, policy: 'scope' };
  const winner = (seq: number, op = OPS[seq - 1]): WireMap => ({ seq, ops: [op], results: [] });

  it('[E19] accepts a CONFLICT that names edits of the log behind the base', () => {
    expect(lost(claim, { head: 4, edits: [winner(2), winner(4)], more: false })).toEqual([]);
  });

  it.each([
    ['of an edit without a base', undefined, { head: 4, edits: [winner(2)] }],
    ['that names nobody', claim, { head: 4, edits: [] }],
    ['that names an edit up to the base', claim, { head: 4, edits: [winner(1)] }],
    ['that names an edit beyond its head', claim, { head: 3, edits: [winner(4)] }],
    ['that tells other ops than the log has', claim, { head: 4, edits: [winner(2, OPS[2])] }],
    ['at a head that was lost', claim, { head: 99, edits: [winner(2)] }],
  ] as const)('[E19] notices a CONFLICT %s', (_, of, details) => {
    expect(lost(of, details)).toHaveLength(1);
  });
});
