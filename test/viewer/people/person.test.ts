import { describe, expect, it } from 'vitest';
import type { Peer, PresenceState } from '../../../src/client/index.ts';
import { COLORS } from '../../../src/viewer/page/identity.ts';
import { inkOn, joinPeers, type Person } from '../../../src/viewer/page/people/person.ts';
import { fakeInfo } from '../../support/fake-stage.ts';

const ME = { id: 'u0', window: 'w0' };

const peer = (id: string, user: string, state: PresenceState = {}, color = '#e6194b'): Peer => ({
  peer: id,
  user: { id: user, name: user.toUpperCase() },
  name: user.toUpperCase(),
  color,
  state,
});

const join = (peers: readonly Peer[], others: readonly Peer[] = []): Person[] =>
  joinPeers(
    [
      { path: 'em', info: fakeInfo('em', [8, 8, 30]), peers },
      { path: 'labels', info: fakeInfo('labels', [16, 16, 30]), peers: others },
    ],
    ME,
  );

describe('people', () => {
  it('are listed once however many channels they have open', () => {
    const state = { window: 'w1' };
    expect(
      join([peer('p1', 'ada', state)], [peer('p2', 'ada', state), peer('p3', 'ben', { window: 'w2' })]),
    ).toMatchObject([{ name: 'ADA' }, { name: 'BEN' }]);
  });

  it('are listed once for each window', () => {
    expect(join([peer('p1', 'ada', { window: 'w1' }), peer('p2', 'ada', { window: 'w2' })])).toHaveLength(2);
  });

  it('of programs that name no window are told apart by their number in a channel', () => {
    expect(join([peer('p1', 'ada'), peer('p2', 'ada')], [peer('p3', 'ada')])).toHaveLength(2);
    expect(join([peer('p1', '')], [peer('p3', '')])).toHaveLength(2);
  });

  it('are not this window, but other windows of mine', () => {
    expect(join([peer('p1', 'u0', { window: 'w0' }), peer('p2', 'u0', { window: 'w9' })])).toMatchObject([
      { isMe: true, key: 'u0 w9' },
    ]);
    // Another one may say the same word.
    expect(join([peer('p1', 'eve', { window: 'w0' })])).toHaveLength(1);
  });

  it('have one cursor, in nanometres, of the first channel that tells of it', () => {
    const told = [peer('p2', 'ada', { window: 'w', cursor: [1, 2, 3] })];
    expect(join([peer('p1', 'ada', { window: 'w', cursor: [3, 4, 5] })], told)[0]?.cursor).toEqual([24, 32, 150]);
    expect(join([peer('p1', 'ada', { window: 'w' })], told)[0]?.cursor).toEqual([16, 32, 90]);
  });

  it('have what they selected by channel, and how much more there is', () => {
    const [ada] = join([], [peer('p', 'ada', { window: 'w', select: [7, 9n], selected: 300 })]);
    expect([...(ada?.selected ?? [])]).toEqual([['labels', { ids: [7n, 9n], count: 300 }]]);
  });

  it.each([
    { cursor: 'here' },
    { cursor: [1, 2] },
    { cursor: [1, 2, 'x'] },
    { cursor: [1, 2, Number.POSITIVE_INFINITY] },
    { view: 7 },
    { view: { place: [1, 2, 3], nm: -1, deep: 1 } },
    { view: { place: [1, 2], nm: 1, deep: 1 } },
    { select: 'all' },
    { select: [1.5, null] },
    { tool: 7 },
  ])('survive what others may say: %j', (state) => {
    const [ada] = join([peer('p', 'ada', state as unknown as PresenceState, 'url(javascript:1)')]);
    expect(ada).toMatchObject({ cursor: undefined, look: undefined, tool: '' });
    expect(ada?.selected.size).toBe(0);
    expect(COLORS).toContain(ada?.color);
  });

  it('have long names cut', () => {
    expect(join([{ ...peer('p', 'ada'), name: 'x'.repeat(500) }])[0]?.name).toHaveLength(64);
  });
});

describe('ink', () => {
  const channel = (part: string): number => {
    const value = Number.parseInt(part, 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const light = (color: string): number =>
    0.2126 * channel(color.slice(1, 3)) + 0.7152 * channel(color.slice(3, 5)) + 0.0722 * channel(color.slice(5, 7));

  it.each([...COLORS, '#777777', '#000000', '#ffffff'])('on %s has a contrast of 4.5 or more', (color) => {
    const [a, b] = [light(color), light(inkOn(color) === '#000' ? '#000000' : '#ffffff')];
    expect((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)).toBeGreaterThanOrEqual(4.5);
  });

  it('reads short colours', () => {
    expect(inkOn('#fff')).toBe('#000');
    expect(inkOn('#00f')).toBe('#fff');
  });
});
