import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { decodeServer } from '../../../protocol/decode-server.ts';
import type { WireMap } from '../../../protocol/messages.ts';
import {
  type Membership,
  PRESENCE_TTL_MS,
  type PresenceOptions,
  PresenceRooms,
} from '../../../src/access/presence/presence.ts';
import { testRuns, testSeed } from '../../support/seed.ts';

const TICK = 50;
const PATH = 'exp/s/d/seg';

/** A peer that keeps what it hears, as a client would. */
class Tab {
  readonly id: string;
  readonly frames: { readonly bytes: number; readonly at: number; readonly rows: readonly string[] }[] = [];
  readonly peers = new Map<string, WireMap>();
  readonly lastN = new Map<string, number>();
  quiet = true;
  member: Membership;

  constructor(rooms: Rooms, id: string, path = PATH, color?: string) {
    this.id = id;
    this.member = rooms.rooms.join(path, {
      sub: 7,
      peerId: id,
      user: { id: `user:${id}`, name: id.toUpperCase() },
      color,
      send: (frame) => this.#hear(frame, rooms.now),
      isQuiet: () => this.quiet,
    });
  }

  #hear(frame: Uint8Array, at: number): void {
    const message = decodeServer(new Uint8Array(frame));
    if (message.kind !== 'PEERS') throw new Error(`not PEERS: ${message.kind}`);
    expect(message.id).toBe(7);
    this.frames.push({ bytes: frame.length, at, rows: message.peers.map(([id]) => id) });
    for (const [id, n, state] of message.peers) {
      if (state === null) this.peers.delete(id);
      else {
        expect(n).toBeGreaterThanOrEqual(this.lastN.get(id) ?? 0);
        this.lastN.set(id, n);
        this.peers.set(id, state);
      }
    }
  }

  /** What it knows, without what the server adds. */
  get view(): Record<string, unknown> {
    return Object.fromEntries([...this.peers].map(([id, { user: _user, color: _color, ...rest }]) => [id, rest]));
  }
}

/** Rooms whose time the test makes. */
class Rooms {
  now = 1_000;
  readonly rooms: PresenceRooms;

  constructor(options: Partial<PresenceOptions> = {}) {
    this.rooms = new PresenceRooms({ now: () => this.now, presencePerSecond: 30, tickMs: 0, ...options });
  }

  tick(): void {
    this.now += TICK;
    this.rooms.tick(this.now);
  }

  /** Until nobody is owed anything. */
  settle(): number {
    let ticks = 0;
    for (; this.rooms.owing; ticks++) {
      if (ticks > 10_000) throw new Error('presence never comes to rest');
      this.tick();
    }
    return ticks;
  }
}

describe('presence', () => {
  it('[P1] [P3] shows a state to everybody else on the path, with the name and colour that the server knows', () => {
    const rooms = new Rooms();
    const [a, b, elsewhere] = [
      new Tab(rooms, 'a', PATH, '#f00'),
      new Tab(rooms, 'b'),
      new Tab(rooms, 'c', 'exp/s/d/em'),
    ];
    expect(a.member.update(1, { cursor: [1, 2.5, 3], user: 'someone else', color: 'white' })).toBeUndefined();
    expect(b.member.update(1, { tool: 'merge', color: 'white' })).toBeUndefined();
    rooms.settle();
    expect(b.peers.get('a')).toEqual({ cursor: [1, 2.5, 3], user: { id: 'user:a', name: 'A' }, color: '#f00' });
    expect(a.peers.get('b')).toEqual({ tool: 'merge', user: { id: 'user:b', name: 'B' } });
    expect([a.peers.size, b.peers.size]).toEqual([1, 1]);
    expect(elsewhere.frames).toEqual([]);
  });

  it('[P2] ignores a stale n, and counts the newest of many as one change', () => {
    const rooms = new Rooms();
    const [a, b] = [new Tab(rooms, 'a'), new Tab(rooms, 'b')];
    for (const n of [1, 2, 5, 4, 5, 3]) a.member.update(n, { n });
    rooms.settle();
    expect(b.view).toEqual({ a: { n: 5 } });
    expect(b.frames).toHaveLength(1);
    a.member.update(4, null);
    rooms.settle();
    expect(b.view).toEqual({ a: { n: 5 } });
  });

  it('[P2] [P3] removes a peer that says nil, leaves, or is silent for 45 s, and keeps one that renews its state', () => {
    const rooms = new Rooms();
    const [watcher, nil, gone, silent, lively] = ['w', 'nil', 'gone', 'silent', 'lively'].map(
      (id) => new Tab(rooms, id),
    ) as [Tab, Tab, Tab, Tab, Tab];
    for (const tab of [nil, gone, silent, lively]) tab.member.update(1, {});
    rooms.settle();
    expect([...watcher.peers.keys()].sort()).toEqual(['gone', 'lively', 'nil', 'silent']);
    nil.member.update(2, null);
    gone.member.leave();
    rooms.settle();
    expect([...watcher.peers.keys()].sort()).toEqual(['lively', 'silent']);
    rooms.now += PRESENCE_TTL_MS - 1_000;
    lively.member.update(2, {});
    rooms.rooms.expire(rooms.now);
    rooms.settle();
    expect([...watcher.peers.keys()].sort()).toEqual(['lively', 'silent']);
    rooms.now += 1_000;
    rooms.rooms.expire(rooms.now);
    rooms.settle();
    expect([...watcher.peers.keys()]).toEqual(['lively']);
    silent.member.update(2, { back: true });
    rooms.settle();
    expect(watcher.view).toEqual({ lively: {}, silent: { back: true } });
  });

  it('[P1] refuses a state of more than 512 bytes or 64 values, and changes nothing by it', () => {
    const rooms = new Rooms();
    const [a, b] = [new Tab(rooms, 'a'), new Tab(rooms, 'b')];
    // The map, a key and 62 values; 3 bytes for key and map, 3 for the head of the string.
    const [widest, longest] = [{ m: new Array(61).fill(1.1) }, { t: 'x'.repeat(512 - 6) }];
    const halves = { m: Float32Array.from({ length: 61 }, (_, i) => i + 0.5) };
    expect(a.member.update(1, { m: Array.from(halves.m) })).toBeUndefined();
    expect(a.member.update(2, longest)).toBeUndefined();
    rooms.settle();
    expect(b.view).toEqual({ a: longest });
    for (const state of [
      { m: new Array(62).fill(1) },
      { t: 'x'.repeat(512 - 5) },
      widest,
      { a: new Uint8Array(600) },
      { deep: { deeper: { deepest: 'ü'.repeat(260) } } },
    ]) {
      expect(a.member.update(3, state)?.code, JSON.stringify(state).slice(0, 40)).toBe('BAD_REQUEST');
    }
    rooms.settle();
    expect(b.view).toEqual({ a: longest });
    expect(a.member.update(3, {})).toBeUndefined();
  });

  it('[P3] sends those who are there to one who joins, at most 200, and lets the next in when a place is free', () => {
    const rooms = new Rooms();
    const tabs = Array.from({ length: 203 }, (_, i) => new Tab(rooms, `p${i}`));
    for (const [i, tab] of tabs.entries()) tab.member.update(1, { i });
    rooms.settle();
    const late = new Tab(rooms, 'late');
    rooms.settle();
    expect(late.peers.size).toBe(200);
    expect(late.peers.has('p200')).toBe(false);
    for (const i of [0, 1, 200]) tabs[i]?.member.leave();
    rooms.settle();
    expect(late.peers.size).toBe(200);
    expect(late.view['p201']).toEqual({ i: 201 });
    expect(late.view['p202']).toEqual({ i: 202 });
  });

  it('[P3] sends at most 20 frames and 32 KiB in any second to one receiver, and starves nobody under that', () => {
    const rooms = new Rooms();
    const watcher = new Tab(rooms, 'watcher');
    const tabs = Array.from({ length: 100 }, (_, i) => new Tab(rooms, `p${i}`));
    let n = 0;
    for (let round = 0; round < 400; round++) {
      n++;
      for (const tab of tabs) tab.member.update(n, { n, pad: 'x'.repeat(200) });
      rooms.now += 7;
      rooms.rooms.tick(rooms.now);
    }
    for (const { at } of watcher.frames) {
      const second = watcher.frames.filter((frame) => frame.at > at - 1_000 && frame.at <= at);
      expect(second.length).toBeLessThanOrEqual(20);
      expect(second.reduce((sum, frame) => sum + frame.bytes, 0)).toBeLessThanOrEqual(32 * 1024);
    }
    const shown = watcher.frames.flatMap(({ rows }) => rows);
    const counts = tabs.map(({ id }) => shown.filter((row) => row === id).length);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    rooms.settle();
    expect(Object.values(watcher.view).every((state) => (state as { n: number }).n === n)).toBe(true);
  });

  it('[L1] shows no more changes of one peer a second than its rate, and the newest in the end', () => {
    const rooms = new Rooms({ presencePerSecond: 2 });
    const [a, b] = [new Tab(rooms, 'a'), new Tab(rooms, 'b')];
    for (let n = 1; n <= 100; n++) {
      expect(a.member.update(n, { n })).toBeUndefined();
      rooms.tick();
    }
    // 5 s at 2 a second, and the burst of 2.
    expect(b.frames.length).toBeLessThanOrEqual(12);
    expect(b.frames.length).toBeGreaterThanOrEqual(10);
    rooms.settle();
    expect(b.view).toEqual({ a: { n: 100 } });
  });

  it('[P3] [D18] waits for receivers that are not quiet, owes them no more than there are peers, and tells nobody of those who came and went', () => {
    const rooms = new Rooms();
    const [stalled, told] = [new Tab(rooms, 'stalled'), new Tab(rooms, 'told')];
    told.member.update(1, {});
    rooms.settle();
    stalled.quiet = false;
    told.member.update(2, null);
    for (let i = 0; i < 5_000; i++) {
      const visitor = new Tab(rooms, `v${i}`);
      visitor.member.update(1, { i });
      rooms.tick();
      visitor.member.leave();
      rooms.tick();
    }
    expect(stalled.frames).toHaveLength(1);
    stalled.quiet = true;
    rooms.settle();
    expect(stalled.frames.at(-1)?.rows).toEqual(['told']);
    expect(stalled.frames).toHaveLength(2);
    expect(stalled.peers.size).toBe(0);
    // One that it heard of before, and that is gone since, is nobody's news either.
    stalled.quiet = false;
    told.member.update(3, {});
    rooms.tick();
    told.member.update(4, null);
    rooms.tick();
    stalled.quiet = true;
    rooms.settle();
    expect(stalled.frames).toHaveLength(2);
  });

  it('keeps no room that everybody has left, and nothing of a peer that comes back', () => {
    const rooms = new Rooms();
    const a = new Tab(rooms, 'a');
    a.member.update(1, {});
    rooms.settle();
    a.member.leave();
    a.member.leave();
    expect(a.member.update(2, {})).toBeUndefined();
    expect(rooms.rooms.size).toBe(0);
    expect(rooms.rooms.owing).toBe(false);
    const b = new Tab(rooms, 'b');
    rooms.settle();
    expect(b.frames).toEqual([]);
  });

  it('has a timer of its own, which rests while nothing is owed', () => {
    vi.useFakeTimers();
    try {
      const rooms = new Rooms({ now: () => Date.now(), tickMs: 51 });
      const [a, b] = [new Tab(rooms, 'a'), new Tab(rooms, 'b')];
      expect(vi.getTimerCount()).toBe(0);
      a.member.update(1, { n: 1 });
      vi.advanceTimersByTime(1);
      expect(b.view).toEqual({ a: { n: 1 } });
      expect(vi.getTimerCount()).toBe(0);
      a.member.update(2, { n: 2 });
      a.member.update(3, { n: 3 });
      vi.advanceTimersByTime(49);
      expect(b.frames).toHaveLength(1);
      vi.advanceTimersByTime(2);
      expect(b.view).toEqual({ a: { n: 3 } });
      expect(b.frames).toHaveLength(2);
      a.member.update(4, {});
      rooms.rooms.close();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('[P2] [P3] ends with the newest states in every receiver, whatever came in whatever order', () => {
    const seed = testSeed('presence');
    const who = fc.nat(5);
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant({ kind: 'tick' as const, who: 0, n: 0, v: 0 }) },
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('update' as const), who, n: fc.nat(40), v: fc.nat(99) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('nil' as const), who, n: fc.nat(40), v: fc.nat(0) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constantFrom('leave' as const, 'stall' as const, 'wake' as const),
          who,
          n: fc.nat(0),
          v: fc.nat(0),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('age' as const), who, n: fc.nat(0), v: fc.nat(30_000) }) },
    );
    const property = fc.property(fc.array(step, { maxLength: 120 }), fc.constantFrom(2, 30), (steps, rate) => {
      const rooms = new Rooms({ presencePerSecond: rate });
      let made = 0;
      const join = (): Tab => new Tab(rooms, `t${made++}`);
      const tabs = Array.from({ length: 6 }, join);
      const model = new Map<Tab, { n: number; at: number; state: WireMap | null }>();
      for (const { kind, who, n, v } of steps) {
        const tab = tabs[who] as Tab;
        if (kind === 'tick') rooms.tick();
        else if (kind === 'stall' || kind === 'wake') tab.quiet = kind === 'wake';
        else if (kind === 'age') rooms.now += v;
        else if (kind === 'leave') {
          tab.member.leave();
          model.delete(tab);
          tabs[who] = join();
        } else {
          const state = kind === 'nil' ? null : { v };
          tab.member.update(n, state);
          if (n > (model.get(tab)?.n ?? -1)) model.set(tab, { n, at: rooms.now, state });
        }
      }
      const last = rooms.now;
      rooms.rooms.expire(last);
      for (const tab of tabs) tab.quiet = true;
      rooms.settle();
      for (const tab of tabs) {
        const others = [...model].filter(
          ([other, { state, at }]) => other !== tab && state !== null && last - at < PRESENCE_TTL_MS,
        );
        expect(tab.view).toEqual(Object.fromEntries(others.map(([other, { state }]) => [other.id, state])));
      }
    });
    fc.assert(property, { seed, numRuns: testRuns(300) });
  });
});
