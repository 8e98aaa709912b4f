import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { WireMap } from '../../protocol/messages.ts';
import { EditLedger, editName, type FinalLog, type SeenLog } from '../support/edit-ledger.ts';
import { AppliedView, digestOf, foldLog } from '../support/edit-oracle.ts';

const EPOCH = '0102030405060708';
const WID = Uint8Array.from({ length: 16 }, (_, i) => i);
const W = createHash('sha256').update(WID).digest().subarray(0, 4);

const bin = (...ids: number[]): Uint8Array => new Uint8Array(BigUint64Array.from(ids, BigInt).buffer);

interface Written {
  readonly ops: readonly WireMap[];
  readonly results: readonly unknown[];
  readonly changes: WireMap;
}

const WRITTEN: readonly Written[] = [
  { ops: [{ op: 'merge', ids: [2, 3] }], results: [{ root: 2 }], changes: { joined: bin(3, 2) } },
  { ops: [{ op: 'merge', ids: [5, 3] }], results: [{ root: 2 }], changes: { joined: bin(5, 2) } },
  {
    ops: [{ op: 'put', table: 'annotation', rows: [{ kind: 'point', points: [1, 2, 3] }] }],
    results: [{ keys: [1] }],
    changes: { rows: { annotation: [{ key: 1, kind: 'point', points: [1, 2, 3], author: 'a' }] } },
  },
  {
    ops: [{ op: 'cleave', ids: [3] }],
    results: [{ root: 3 }],
    changes: {
      parted: [
        [2, bin(2, 5)],
        [3, bin(3)],
      ],
    },
  },
  {
    ops: [{ op: 'undo', seq: 1 }],
    results: [null],
    changes: {
      // 3 and 5 were joined by edit 2, and 3 left them.
      parted: [
        [2, bin(2)],
        [3, bin(3)],
        [5, bin(5)],
      ],
      undone: [1],
    },
  },
  { ops: [{ op: 'delete', table: 'annotation', keys: [1] }], results: [null], changes: { gone: { annotation: [1] } } },
];

/** A storm in which all went well: one writer, one subscriber from the start, one from a snapshot at 3. */
function goodStorm(): { ledger: EditLedger; log: FinalLog; seen: SeenLog[] } {
  const ledger = new EditLedger();
  ledger.writer('ann', WID);
  const edits = WRITTEN.map(
    (written, at): WireMap => ({
      seq: at + 1,
      time: 5,
      user: { id: 'u', name: '' },
      w: W,
      ...written,
      note: editName('ann', 2 * at + 1),
    }),
  );
  for (const [at, { ops, results }] of WRITTEN.entries()) {
    ledger.submit('ann', 2 * at + 1, ops);
    ledger.acknowledge('ann', 2 * at + 1, { epoch: EPOCH, seq: at + 1, status: 'applied', results });
  }
  ledger.submit('ann', 20, [{ op: 'merge', ids: [8, 9] }]);
  ledger.refuse('ann', 20, { error: 'RATE_LIMITED', message: 'wait' });
  const whole = new AppliedView();
  for (const { changes } of WRITTEN) whole.apply(changes);
  const late = new AppliedView();
  late.takePage('links', bin(3, 2, 5, 2));
  late.takePage('rows:annotation', [{ key: 1n, kind: 'point', points: [1, 2, 3] }]);
  for (const { changes } of WRITTEN.slice(3)) late.apply(changes);
  const digests = edits.map(digestOf);
  return {
    ledger,
    log: { epoch: EPOCH, head: edits.length, edits },
    seen: [
      { name: 'sam', epoch: EPOCH, start: 0, digests, views: [whole] },
      { name: 'sue', epoch: EPOCH, start: 3, digests: digests.slice(3), views: [late] },
    ],
  };
}

/** What the ledger says of the good storm with something made wrong. */
function faultsOf(spoil: (storm: ReturnType<typeof goodStorm>) => Partial<ReturnType<typeof goodStorm>>): string[] {
  const storm = goodStorm();
  const { ledger, log, seen } = { ...storm, ...spoil(storm) };
  return ledger.check(log, seen);
}

const withEdits = (log: FinalLog, edits: readonly WireMap[]): FinalLog => ({ ...log, edits, head: edits.length });
const edited = (log: FinalLog, at: number, fields: WireMap): FinalLog =>
  withEdits(
    log,
    log.edits.map((edit, i) => (i === at ? { ...edit, ...fields } : edit)),
  );

describe('the ledger of the storms', () => {
  it('finds nothing wrong where nothing is wrong', () => {
    expect(faultsOf(() => ({}))).toEqual([]);
  });

  it('accepts a subscriber that is behind', () => {
    expect(
      faultsOf(({ seen }) => {
        const view = new AppliedView();
        for (const { changes } of WRITTEN.slice(0, 2)) view.apply(changes);
        return { seen: seen.slice(0, 1).map((one) => ({ ...one, digests: one.digests.slice(0, 2), views: [view] })) };
      }),
    ).toEqual([]);
  });

  it('accepts the second acknowledgement of a resend that says the same', () => {
    expect(
      faultsOf(({ ledger }) => {
        ledger.acknowledge('ann', 1, { epoch: EPOCH, seq: 1, status: 'applied', results: [{ root: 2n }] });
        return {};
      }),
    ).toEqual([]);
  });

  const wrongs: readonly [string, RegExp, Parameters<typeof faultsOf>[0]][] = [
    [
      'an acknowledged edit is lost from the end',
      /ann:11 was acknowledged as edit 6/,
      ({ log }) => ({ log: withEdits(log, log.edits.slice(0, 5)) }),
    ],
    [
      'an edit is lost from the middle',
      /edit 4 stands in the log's place 3/,
      ({ log }) => ({ log: withEdits(log, log.edits.toSpliced(2, 1)) }),
    ],
    ['the head says more than there is', /has 6 edits and head 7/, ({ log }) => ({ log: { ...log, head: 7 } })],
    [
      'an edit stands there twice',
      /edit 7 \(ann:1\) is edit 1 once more/,
      ({ log }) => ({ log: withEdits(log, [...log.edits, { ...log.edits[0], seq: 7 }]) }),
    ],
    [
      'a refused edit stands there',
      /was refused with RATE_LIMITED/,
      ({ log }) => ({
        log: withEdits(log, [
          ...log.edits,
          { ...log.edits[0], seq: 7, note: 'ann:20', ops: [{ op: 'merge', ids: [8, 9] }] },
        ]),
      }),
    ],
    [
      'an edit stands there that nobody sent',
      /edit 7 \(eve:1\) was never sent/,
      ({ log }) => ({ log: withEdits(log, [...log.edits, { ...log.edits[0], seq: 7, note: 'eve:1' }]) }),
    ],
    [
      'an edit holds other ops',
      /edit 1 \(ann:1\) holds other ops/,
      ({ log }) => ({ log: edited(log, 0, { ops: [{ op: 'merge', ids: [2, 4] }] }) }),
    ],
    [
      'an edit has other results',
      /ann:1 was acknowledged with/,
      ({ log }) => ({ log: edited(log, 0, { results: [{ root: 3 }] }) }),
    ],
    [
      "an edit is said to be another's",
      /is said to be another's/,
      ({ log }) => ({ log: edited(log, 0, { w: W.map((byte) => byte ^ 1) }) }),
    ],
    [
      'two edits changed places',
      /was acknowledged as edit 1, which is ann:3/,
      ({ log }) => {
        const [first, second, ...rest] = log.edits;
        return { log: withEdits(log, [{ ...second, seq: 1 }, { ...first, seq: 2 }, ...rest]) };
      },
    ],
    ['the log has another epoch', /was acknowledged in epoch/, ({ log }) => ({ log: { ...log, epoch: 'ff' } })],
    [
      'a subscriber saw an edit that is not there',
      /sam saw another edit 7 .*none/,
      ({ seen }) => ({ seen: seen.map((one) => ({ ...one, digests: [...one.digests, 'abc'] })) }),
    ],
    [
      'a subscriber saw another edit',
      /sue saw another edit 5/,
      ({ seen }) => ({
        seen: seen.map((one) => (one.start === 0 ? one : { ...one, digests: one.digests.with(1, 'abc') })),
      }),
    ],
    [
      'a subscriber missed an edit',
      /sam saw another edit 2/,
      ({ seen }) => ({
        seen: seen.map((one) => (one.start === 0 ? { ...one, digests: one.digests.toSpliced(1, 1) } : one)),
      }),
    ],
    [
      'a subscriber heard an edit twice',
      /sam saw another edit 3/,
      ({ seen }) => ({
        seen: seen.map((one) =>
          one.start === 0 ? { ...one, digests: one.digests.toSpliced(1, 0, one.digests[1] ?? '') } : one,
        ),
      }),
    ],
    [
      'a subscriber has another body',
      /sam at 6: id 3 has root 2, not 3/,
      ({ seen }) => {
        const view = new AppliedView();
        for (const { changes } of [...WRITTEN, { changes: { joined: bin(3, 2) } }]) view.apply(changes);
        return { seen: seen.map((one) => ({ ...one, views: [view] })) };
      },
    ],
    [
      'a subscriber kept a row',
      /row annotation\/1 is too many/,
      ({ seen }) => {
        const view = new AppliedView();
        for (const { changes } of WRITTEN.slice(0, 5)) view.apply(changes);
        return { seen: seen.map((one) => ({ ...one, views: [view] })) };
      },
    ],
    [
      'an edit was acknowledged as two seqs',
      /was acknowledged as .* and as/,
      ({ ledger }) => {
        ledger.acknowledge('ann', 1, { epoch: EPOCH, seq: 2, status: 'applied', results: [{ root: 2 }] });
        return {};
      },
    ],
    [
      'an edit was acknowledged and refused',
      /was acknowledged and refused with REJECTED/,
      ({ ledger }) => {
        ledger.refuse('ann', 1, { error: 'REJECTED', message: 'never' });
        return {};
      },
    ],
    [
      'a number was given to other ops',
      /ann:1 was given to other ops/,
      ({ ledger }) => {
        ledger.submit('ann', 1, []);
        return {};
      },
    ],
    [
      'a client saw what it must not see',
      /the sky fell/,
      ({ ledger }) => {
        ledger.fault('the sky fell');
        return {};
      },
    ],
  ];
  it.each(wrongs)('says so where %s', (_, fault, spoil) => {
    expect(faultsOf(spoil).join('\n')).toMatch(fault);
  });
});

describe('the naive fold of the storms', () => {
  const edit = (...ops: WireMap[]): WireMap => ({ ops, results: [] });
  const merge = (...ids: number[]): WireMap => ({ op: 'merge', ids });
  const cleave = (...ids: number[]): WireMap => ({ op: 'cleave', ids });
  const undo = (seq: number): WireMap => ({ op: 'undo', seq });
  const roots = (log: readonly WireMap[], ...ids: number[]): string[] => {
    const view = foldLog(log);
    return ids.map((id) => view.root(String(id)));
  };

  it('[E35] knows the counter-examples', () => {
    expect(roots([edit(merge(4, 2, 5)), edit(cleave(1, 4))], 1, 2, 4, 5)).toEqual(['1', '2', '1', '2']);
    expect(roots([edit(merge(1, 5)), edit(cleave(1, 4)), edit(undo(1)), edit(undo(2))], 1, 4, 5)).toEqual([
      '1',
      '4',
      '5',
    ]);
    expect(roots([edit(merge(5, 1)), edit(merge(1, 5)), edit(undo(1))], 1, 5)).toEqual(['1', '1']);
    expect(roots([edit(merge(4, 3)), edit(cleave(4, 2))], 2, 3, 4)).toEqual(['2', '3', '2']);
  });

  it('[E21] takes a redo as an undo of the undo, and counts a second undo as a second', () => {
    expect(roots([edit(merge(1, 2)), edit(undo(1)), edit(undo(2))], 2)).toEqual(['1']);
    expect(roots([edit(merge(1, 2)), edit(undo(1)), edit(undo(1)), edit(undo(2))], 2)).toEqual(['2']);
  });
});
