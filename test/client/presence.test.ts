import { describe, expect, it } from 'vitest';
import type { WireMap } from '../../protocol/index.ts';
import type { Subscription } from '../../src/client/subscription.ts';
import { type EditStage, editStage, PATH } from '../support/edit-stage.ts';
import { settled } from '../support/fake-server.ts';

interface PresenceStage extends EditStage {
  readonly subscription: Subscription;
  /** The subscription's id on the newest connection. */
  readonly sub: () => number;
  readonly peers: (...rows: (readonly [string, number, WireMap | null])[]) => Promise<void>;
  /** States that came, on every connection. */
  readonly sent: () => unknown[];
}

async function stage(): Promise<PresenceStage> {
  const all = await editStage();
  const subscription = all.session.subscribe(PATH, { presence: true });
  await subscription.ready;
  await settled();
  const sub = (): number => [...all.server.last.subscriptions.keys()][0] ?? 0;
  return {
    ...all,
    subscription,
    sub,
    peers: async (...rows) => {
      all.server.last.send({ kind: 'PEERS', id: sub(), peers: rows });
      await settled();
    },
    sent: () => all.server.connections.flatMap((connection) => connection.all('PRESENCE').map(({ state }) => state)),
  };
}

const ada = (cursor: number) => ({ user: { id: 'u7', name: 'Ada' }, color: '#f00', cursor: [cursor, 0, 0] });

describe('presence', () => {
  it('[P1] shows a state under the subscription, with a number that rises', async () => {
    const { server, clock, subscription, sub } = await stage();
    expect(server.last.all('SUBSCRIBE')[0]).toMatchObject({ presence: true });
    subscription.presence.set({ cursor: [1, 2.5, 3], select: [2n ** 60n] });
    await clock.advance(100);
    subscription.presence.set(null);
    await clock.advance(100);
    expect(server.last.all('PRESENCE')).toEqual([
      { kind: 'PRESENCE', id: sub(), n: 1, state: { cursor: [1, 2.5, 3], select: [2n ** 60n] } },
      { kind: 'PRESENCE', id: sub(), n: 2, state: null },
    ]);
  });

  it('[P3] goes out at most 20 times a second, the first at once and the newest always', async () => {
    const { clock, subscription, sent } = await stage();
    subscription.presence.set({ cursor: [0, 0, 0] });
    await settled();
    expect(sent()).toEqual([{ cursor: [0, 0, 0] }]);
    for (let i = 1; i <= 200; i++) {
      subscription.presence.set({ cursor: [i, 0, 0] });
      await clock.advance(5);
    }
    expect(sent().length).toBeGreaterThanOrEqual(19);
    expect(sent().length).toBeLessThanOrEqual(21);
    await clock.advance(50);
    expect(sent().at(-1)).toEqual({ cursor: [200, 0, 0] });
  });

  it('[P2] is said again in time while it stays the same, and not when there is none', async () => {
    const { clock, subscription, sent } = await stage();
    await clock.advance(60_000);
    expect(sent()).toEqual([]);
    subscription.presence.set({ tool: 'brush' });
    await clock.advance(45_000);
    expect(sent()).toEqual([{ tool: 'brush' }, { tool: 'brush' }, { tool: 'brush' }, { tool: 'brush' }]);
    subscription.presence.set(null);
    await clock.advance(60_000);
    expect(sent()).toHaveLength(5);
  });

  it('is shown again after a lost connection, as it is then', async () => {
    const { server, clock, subscription } = await stage();
    subscription.presence.set({ tool: 'brush' });
    await settled();
    server.last.drop();
    subscription.presence.set({ tool: 'hand' });
    await clock.advance(1_000);
    expect(server.last.all('HELLO')[0]?.resume).toMatchObject([{ presence: true }]);
    expect(server.last.all('PRESENCE')).toMatchObject([{ state: { tool: 'hand' } }]);
    expect(server.last.all('PRESENCE')[0]?.n).toBeGreaterThan(1);
  });

  it('[P1] refuses more than 512 bytes, and a subscription without it', async () => {
    const { session, subscription } = await stage();
    expect(() => subscription.presence.set({ text: 'x'.repeat(600) })).toThrow(/512/);
    expect(() => subscription.presence.set({ f: () => {} })).toThrow();
    const other = session.subscribe(PATH);
    expect(() => other.presence.set({})).toThrow(/presence: true/);
  });

  it('[H5] is not sent where the server has none', async () => {
    const { server, clock, subscription, sent } = await stage();
    server.welcome = { feat: ['subscribe'] };
    server.last.drop();
    await clock.advance(1_000);
    subscription.presence.set({ tool: 'brush' });
    await clock.advance(1_000);
    expect(sent()).toEqual([]);
  });
});

describe('peers', () => {
  it('[P3] are those that the server tells of, with what it says of them', async () => {
    const { subscription, peers } = await stage();
    const sizes: number[] = [];
    subscription.on('peers', ({ size }) => sizes.push(size));
    await peers(['a', 1, ada(1)], ['b', 1, { tool: 'hand' }]);
    expect([...subscription.peers]).toEqual([
      ['a', { peer: 'a', user: { id: 'u7', name: 'Ada' }, name: 'Ada', color: '#f00', state: { cursor: [1, 0, 0] } }],
      ['b', { peer: 'b', user: { id: '', name: '' }, name: '', color: '', state: { tool: 'hand' } }],
    ]);
    await peers(['a', 2, null]);
    expect([...subscription.peers.keys()]).toEqual(['b']);
    expect(sizes).toEqual([2, 1]);
  });

  it('[P2] have their newest state, whatever comes late', async () => {
    const { subscription, peers } = await stage();
    await peers(['a', 5, ada(5)], ['a', 4, ada(4)]);
    await peers(['a', 5, ada(6)]);
    expect(subscription.peers.get('a')?.state).toEqual({ cursor: [5, 0, 0] });
    await peers(['a', 0, null]);
    expect(subscription.peers.size).toBe(0);
  });

  it('[P2] are gone after 45 s without a word', async () => {
    const { clock, subscription, peers } = await stage();
    await peers(['a', 1, ada(1)], ['b', 1, ada(1)]);
    let last = -1;
    subscription.on('peers', ({ size }) => {
      last = size;
    });
    await clock.advance(30_000);
    await peers(['b', 2, ada(1)]);
    await clock.advance(15_000);
    expect([...subscription.peers.keys()]).toEqual(['b']);
    expect(last).toBe(1);
    await clock.advance(30_000);
    expect(subscription.peers.size).toBe(0);
  });

  it('[P3] are told anew on each connection', async () => {
    const { server, clock, subscription, peers } = await stage();
    await peers(['a', 1, ada(1)]);
    server.last.drop();
    expect(subscription.peers.size).toBe(1);
    await clock.advance(1_000);
    expect(subscription.peers.size).toBe(0);
    await peers(['c', 1, ada(2)]);
    expect([...subscription.peers.keys()]).toEqual(['c']);
  });

  it('leave no timer behind', async () => {
    const { session, clock, subscription, peers } = await stage();
    subscription.presence.set({ tool: 'brush' });
    await peers(['a', 1, ada(1)]);
    await session.close();
    expect(clock.timers).toBe(0);
  });
});
