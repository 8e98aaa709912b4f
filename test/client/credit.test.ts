import { describe, expect, it } from 'vitest';
import { MalformedFrame } from '../../protocol/index.ts';
import { CreditAccount, CreditLedger, type Grants } from '../../src/client/credit.ts';
import { ManualClock, seededRandom, settled } from '../support/fake-server.ts';

const KiB = 1024;
const OVERSHOOT = 4 * KiB * KiB + 64;

describe('a credit account', () => {
  it('[D13] promises more when half the window is used, not before', () => {
    const account = new CreditAccount(() => 1_000, 1_000);
    account.arrive(499);
    expect(account.due()).toBe('no');
    account.arrive(1);
    expect(account.due()).toBe('now');
    expect(account.grant()).toBe(1_500);
    expect(account.due()).toBe('no');
  });

  it('[D13] does not count what waits for its consumer', () => {
    const account = new CreditAccount(() => 1_000, 1_000);
    account.arrive(1_000);
    account.park(1_000);
    expect(account.due()).toBe('no');
    account.take(500);
    expect(account.due()).toBe('now');
    expect(account.grant()).toBe(1_500);
  });

  it('[D13] promises the little that was used when nothing promised is in flight', () => {
    const account = new CreditAccount(() => 1_000, 1_000);
    account.arrive(1_000);
    account.park(1_000);
    account.take(100);
    expect(account.due()).toBe('soon');
    expect(account.grant()).toBe(1_100);
  });

  it('[D14] never takes a promise back when the window shrinks', () => {
    let window = 1_000;
    const account = new CreditAccount(() => window, 1_000);
    account.arrive(600);
    expect(account.grant()).toBe(1_600);
    window = 200;
    account.arrive(100);
    expect(account.due()).toBe('no');
    expect(account.grant()).toBe(1_600);
  });

  it('[D12] accepts the overshoot of one message and no byte more', () => {
    const account = new CreditAccount(() => 1_000, 1_000);
    account.arrive(1_000 + OVERSHOOT);
    expect(() => account.arrive(1)).toThrow(MalformedFrame);
  });
});

describe('a credit ledger', () => {
  it('sends what is due in one turn as one CREDIT', async () => {
    const sent: Grants[] = [];
    const clock = new ManualClock();
    const connection = new CreditAccount(() => 1_000, 1_000);
    const ledger = new CreditLedger(connection, (grants) => sent.push(grants), clock);
    const stream = new CreditAccount(() => 1_000, 1_000);
    ledger.open(5, stream);
    stream.arrive(600);
    ledger.arrive(600);
    ledger.check(stream);
    stream.arrive(100);
    ledger.arrive(100);
    ledger.check(stream);
    await settled();
    expect(sent).toEqual([
      [
        [0, 1_700],
        [5, 1_700],
      ],
    ]);
  });

  it('lets small grants wait a millisecond for company', async () => {
    const sent: Grants[] = [];
    const clock = new ManualClock();
    const ledger = new CreditLedger(new CreditAccount(() => 1e6, 1e6), (grants) => sent.push(grants), clock);
    const stream = new CreditAccount(() => 1_000, 1_000);
    ledger.open(5, stream);
    stream.arrive(1_000);
    stream.park(1_000);
    for (let i = 0; i < 10; i++) {
      stream.take(10);
      ledger.check(stream);
    }
    await settled();
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(sent).toEqual([[[5, 1_100]]]);
  });

  it('sends nothing once its connection is gone', async () => {
    const sent: Grants[] = [];
    const clock = new ManualClock();
    const ledger = new CreditLedger(new CreditAccount(() => 1_000, 1_000), (grants) => sent.push(grants), clock);
    ledger.arrive(900);
    ledger.shut();
    await clock.advance(10);
    expect(sent).toEqual([]);
  });
});

/** A server of one stream, a client's account, and a road between them on which grants come late, twice or in wrong order. */
function simulate(seed: number): void {
  const random = seededRandom(seed);
  const pick = (max: number): number => 1 + Math.floor(random() * max);
  const window = 64 * KiB + Math.floor(random() ** 3 * 4 * KiB * KiB);
  const frame = 32 * KiB + Math.floor(random() ** 2 * 4 * KiB * KiB);
  const account = new CreditAccount(() => window, window);
  const tiles = Array.from({ length: 40 }, () => pick(random() < 0.5 ? 2_000 : 4 * KiB * KiB));
  const road: number[] = [];
  const queue: number[] = [];
  let limit = window;
  let sent = 0;
  let unsent = tiles[0] ?? 0;
  let next = 0;
  let joined = 0;
  let taken = 0;
  const grantIfDue = (soonToo: boolean): void => {
    const due = account.due();
    if (due === 'now' || (due === 'soon' && soonToo)) {
      const offset = account.grant();
      road.push(offset);
      if (random() < 0.3) road.push(offset);
    }
  };
  let idle = 0;
  while (taken < tiles.length) {
    let moved = false;
    if (next < tiles.length && sent < limit && random() < 0.7) {
      const payload = Math.min(unsent, frame);
      const bytes = payload + 64;
      sent += bytes;
      unsent -= payload;
      joined += bytes;
      account.arrive(bytes);
      if (unsent === 0) {
        account.park(joined);
        queue.push(joined);
        joined = 0;
        unsent = tiles[++next] ?? 0;
      }
      moved = true;
    }
    if (queue.length > 0 && random() < 0.5) {
      account.take(queue.shift() ?? 0);
      taken++;
      moved = true;
    }
    grantIfDue(random() < 0.5);
    if (road.length > 0 && random() < 0.4) {
      limit = Math.max(limit, road.splice(Math.floor(random() * road.length), 1)[0] ?? 0);
      moved = true;
    }
    idle = moved ? 0 : idle + 1;
    if (idle > 200) throw new Error(`stuck: sent ${sent}, limit ${limit}, window ${window}, taken ${taken}`);
    const waiting = queue.reduce((sum, bytes) => sum + bytes, 0);
    // What may come is never more than the window beyond what was used up, plus one message on the way.
    if (account.granted > Math.max(window, account.received + window)) throw new Error(`${account.granted} granted`);
    if (waiting > window + 2 * OVERSHOOT) throw new Error(`${waiting} bytes wait`);
  }
}

describe('credits', () => {
  it('never come to a stop, whatever the window and the tiles, with grants late, double and in any order', () => {
    for (let seed = 1; seed <= 300; seed++) {
      try {
        simulate(seed);
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
  });
});
