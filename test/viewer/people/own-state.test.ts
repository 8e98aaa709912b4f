import { describe, expect, it } from 'vitest';
import { presenceFault } from '../../../src/access/presence/presence-state.ts';
import { ownState } from '../../../src/viewer/page/people/own-state.ts';
import { isSameLook, lookFrom, tellLook } from '../../../src/viewer/page/people/told-look.ts';
import type { StageLook } from '../../../src/viewer/page/stage.ts';
import { fakeInfo } from '../../support/fake-stage.ts';

const LOOK: StageLook = { place: [1_255.1, 1 / 3, 99_999.9], nmPerPixel: 0.123456789, nmDeep: 1e5 / 7 };
const TURNED: StageLook = { ...LOOK, turn: [0.1, 0.2, 0.3, Math.sqrt(0.86)], turn3d: [0.5, 0.5, 0.5, 0.5] };
const info = fakeInfo('labels', [10, 10, 10]);
const doing = { window: 'abcdefghij', cursor: [1_000 / 3, 20, 30] as const, look: TURNED, tool: 'annotate' };

describe('what one shows', () => {
  it.each([0, 1, 5, 29, 64, 1_000])('[P1] is what the server takes, with %i segments selected', (count) => {
    const selected = Array.from({ length: count }, (_, i) => 2n ** 63n + BigInt(i));
    const state = ownState(doing, { info, selected });
    expect(presenceFault(state)).toBeUndefined();
    const told = state.select?.length ?? 0;
    if (count <= 5) expect(told).toBe(count);
    else expect(told).toBeGreaterThan(5);
    expect(told < count ? state['selected'] : undefined).toBe(told < count ? count : undefined);
  });

  it('[P1] is what the server takes also where other words take the room', () => {
    const selected = Array.from({ length: 100 }, (_, i) => 2n ** 63n + BigInt(i));
    const state = ownState({ ...doing, window: 'w'.repeat(150) }, { info, selected });
    expect(presenceFault(state)).toBeUndefined();
    expect(state.select?.length).toBeGreaterThan(0);
  });

  it('has the cursor in voxels of the channel, to a tenth', () => {
    expect(ownState(doing, { info, selected: [] })).toMatchObject({ cursor: [33.3, 2, 3], tool: 'annotate' });
  });

  it('has no more than there is', () => {
    const state = ownState({ ...doing, cursor: undefined, look: LOOK, tool: '' }, { info, selected: [] });
    expect(Object.keys(state)).toEqual(['window', 'view']);
  });
});

describe('a look', () => {
  it.each([LOOK, TURNED])('is read as it was told', (look) => {
    expect(lookFrom(tellLook(look))).toEqual(look);
  });

  it('is the same but for rounding', () => {
    expect(isSameLook(LOOK, { ...LOOK, place: [1_255.1004, 1 / 3, 99_999.9] })).toBe(true);
    expect(isSameLook(LOOK, { ...LOOK, turn: [0, 0, 0, 1] })).toBe(true);
  });

  it.each<Partial<StageLook>>([
    { place: [1_255.1, 2, 99_999.9] },
    { nmPerPixel: 0.2 },
    { nmDeep: 1e5 },
    { turn: [0, 0, 1, 0] },
    { turn3d: [0, 1, 0, 0] },
  ])('is another with %j', (change) => {
    expect(isSameLook(LOOK, { ...LOOK, ...change })).toBe(false);
  });
});
