import { afterEach, describe, expect, it } from 'vitest';
import { decodeServer } from '../../../protocol/decode-server.ts';
import type { ServerMessage, WireMap } from '../../../protocol/messages.ts';
import { EditFilter } from '../../../src/access/subscriptions/edit-filter.ts';
import { freezeTables } from '../../../src/access/subscriptions/frozen-states.ts';
import { Subscription, type SubscriptionHost } from '../../../src/access/subscriptions/subscription.ts';
import type { Connection } from '../../../src/access/transport/transport.ts';
import type { OpenLog } from '../../../src/core/edits/edit-logs.ts';
import { LogReader } from '../../../src/core/edits/log-reader.ts';
import type { Author } from '../../../src/core/rights.ts';
import { startTestServer, type TestServer } from '../../support/test-server.ts';

const SEG = 'lab/fly/cube/seg';
const AUTHOR: Author = { user: { id: 'x', name: 'x' }, rights: { allows: () => true } };
const WID = new Uint8Array(16).fill(4);
const volumes = [
  {
    path: SEG,
    data: new Uint8Array(new Uint32Array(8 ** 3).fill(1).buffer),
    shape: [8, 8, 8] as const,
    dtype: 'uint32' as const,
    type: 'segmentation' as const,
  },
];

function idsFrom(first: number, count: number): Uint8Array {
  return new Uint8Array(BigUint64Array.from({ length: count }, (_, i) => BigInt(first + i)).buffer);
}

/** A subscription whose frames are kept. */
class Stage {
  readonly open: OpenLog;
  readonly frames: ServerMessage[] = [];
  readonly subscription: Subscription;
  pumps: (() => void)[] = [];
  now = 0;
  buffered = 0;
  #wseq = 0;

  constructor(open: OpenLog, after: number, filter?: WireMap) {
    this.open = open;
    // A subscription asks nothing else of its connection.
    const connection = { bufferedBytes: () => this.buffered } as Connection;
    const host: SubscriptionHost = {
      connection,
      now: () => this.now,
      sendFrame: (frame) => this.frames.push(decodeServer(frame.slice())),
      isOwn: () => false,
      user: () => 'x',
      freeze: (log) => freezeTables(log, this.now),
      pump: () => {
        for (const pump of this.pumps.splice(0)) pump();
      },
    };
    this.subscription = new Subscription(host, 9, open, after, {
      windowBytes: 1e9,
      filter: filter === undefined ? undefined : new EditFilter(filter),
      snapshot: undefined,
    });
  }

  edit(...ops: WireMap[]): Promise<unknown> {
    return this.#submit(ops, '');
  }

  /** More than is kept in memory: a megabyte, and what a turn can pass over. */
  fill(edits: number): Promise<unknown> {
    const note = 'x'.repeat(400);
    return Promise.all(Array.from({ length: edits }, () => this.#submit([{ op: 'merge', ids: [1, 2] }], note)));
  }

  #submit(ops: readonly WireMap[], note: string): Promise<unknown> {
    return this.open.log.submit({ wid: WID, wseq: ++this.#wseq, base: null, ops, note }, AUTHOR);
  }

  /** Sends all that can be sent in this turn. */
  run(): void {
    while (this.subscription.step());
  }

  edits(): Extract<ServerMessage, { kind: 'EDITS' }>[] {
    return this.frames.filter((frame) => frame.kind === 'EDITS');
  }
}

describe('a subscription', () => {
  let server: TestServer | undefined;
  const stage = async (filter?: WireMap): Promise<Stage> => {
    server = await startTestServer({ kind: 'ws', volumes });
    return new Stage(await server.hub.openLog(SEG), 0, filter);
  };

  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });

  it('[H11] sends nothing before its reply', async () => {
    const { subscription, frames, ...rest } = await stage();
    expect(rest.open.log.head).toBe(0);
    subscription.pumpUrgent();
    subscription.sweep(0);
    expect(frames).toEqual([]);
    subscription.begin();
    subscription.pumpUrgent();
    expect(frames).toMatchObject([{ kind: 'LIVE', seq: 0 }]);
  });

  it('[S7] [S9] says nothing of its position while it is in the middle of an edit', async () => {
    const one = await stage();
    const { subscription } = one;
    subscription.begin();
    await one.edit({ op: 'merge', ids: idsFrom(1, 30_000) });
    one.run();
    await one.edit({ op: 'cleave', ids: idsFrom(15_000, 15_001) });
    expect(subscription.isLive).toBe(false);
    expect(subscription.step()).toBe(true);
    one.buffered = 1e9;
    one.now = 26_000;
    expect(subscription.step()).toBe(false);
    subscription.sweep(25_000);
    one.buffered = 0;
    one.run();
    const cut = one.edits().filter(({ upto }) => upto === 2);
    expect(cut.map(({ flags }) => flags)).toEqual([...cut.slice(1).map(() => 1), 0]);
    expect(cut.every(({ edits }) => edits.length === 1)).toBe(true);
    expect(subscription.isLive).toBe(true);
  });

  it('[S12] with a filter passes over edits in several turns, and reads none of them twice', async () => {
    const one = await stage({ kinds: ['delete'] });
    const { subscription, open } = one;
    await one.fill(8_000);
    const original = LogReader.prototype.page;
    let read = 0;
    LogReader.prototype.page = function (...args) {
      const page = original.apply(this, args);
      read += page.length;
      return page;
    };
    try {
      subscription.begin();
      one.run();
      let turns = 0;
      // The clock of the subscription stands still: no empty EDITS is due on the way.
      while (!subscription.isLive) {
        await new Promise<void>((resolve) => {
          one.pumps.push(resolve);
        });
        one.run();
        turns++;
      }
      expect(turns).toBeGreaterThan(0);
    } finally {
      LogReader.prototype.page = original;
    }
    expect(read).toBeGreaterThan(1_000);
    // The end of a page is read again with the next one.
    expect(read).toBeLessThan(8_000 + 8_000 / 32);
    expect(one.frames.at(-1)).toMatchObject({ kind: 'LIVE', seq: 8_000 });
    // Only the first of them changed anything.
    expect(one.edits().flatMap(({ edits }) => edits.map(({ seq }) => seq))).toEqual([1]);
    expect(one.edits().at(-1)).toMatchObject({ upto: open.log.head });
  });

  it('[S12] with a filter takes edits that have just been made from memory', async () => {
    const one = await stage({ kinds: ['merge'] });
    one.subscription.begin();
    one.run();
    const original = LogReader.prototype.page;
    LogReader.prototype.page = () => {
      throw new Error('nothing is to be read');
    };
    try {
      await one.edit({ op: 'merge', ids: [1, 2] });
      one.run();
    } finally {
      LogReader.prototype.page = original;
    }
    expect(one.edits()).toMatchObject([{ from: 0, upto: 1, edits: [{ seq: 1 }] }]);
  });
});
