import { describe, expect, it } from 'vitest';
import type { ChannelInfo, LiveChannel } from '../../../src/client/index.ts';
import type { StageVolume } from '../../../src/viewer/page/stage.ts';
import { legalRadius, nextRadius, RADIUS, ToolState, whyNot } from '../../../src/viewer/page/tools/tool-state.ts';

const info: ChannelInfo = {
  ...{ path: 'e/s/d/labels', kind: 'channel', type: 'segmentation', dtype: 'uint32', enc: ['raw'], source: 'array' },
  mips: [{ shape: [8, 8, 8], chunk: [8, 8, 8], voxel: [1, 1, 1], offset: [0, 0, 0] }],
  ...{ editable: true, epoch: new Uint8Array(8), first: 1, head: 0, tables: {} },
};
const channel = {} as LiveChannel; // only whether there is one matters

function volume(changes: Partial<ChannelInfo> = {}, rest: Partial<StageVolume> = {}): StageVolume {
  const path = changes.path ?? info.path;
  const known = { ...{ name: 'labels', path, info: { ...info, ...changes }, channel, isVisible: true } };
  return { ...known, selected: [], hovered: undefined, colorOf: () => undefined, ...rest };
}

describe('whether a tool can be used', () => {
  it('says why it cannot', () => {
    expect(whyNot('paint', volume(), undefined, undefined)).toBeUndefined();
    expect(whyNot('paint', undefined, undefined, undefined)).toMatch(/No layer/);
    expect(whyNot('paint', volume(), 12, undefined)).toMatch(/past/);
    expect(whyNot('merge', volume({}, { channel: undefined }), undefined, undefined)).toMatch(/past, or bodies/);
    expect(whyNot('merge', volume({ editable: false }), undefined, undefined)).toMatch(/cannot be edited/);
    expect(whyNot('merge', volume({ rights: ['read', 'annotate'] }), undefined, undefined)).toMatch(/not edit it/);
    expect(whyNot('merge', volume({ rights: ['read', 'annotate', 'edit'] }), undefined, undefined)).toBeUndefined();
  });

  it('knows that images have no segments, and no colour to erase with unless one is chosen', () => {
    const image = volume({ type: 'image', dtype: 'uint8' });
    expect(whyNot('merge', image, undefined, undefined)).toMatch(/no segments/);
    expect(whyNot('paint', image, undefined, undefined)).toBeUndefined();
    expect(whyNot('erase', image, undefined, undefined)).toMatch(/grey value/);
    expect(whyNot('erase', image, undefined, 0)).toBeUndefined();
    expect(whyNot('paint', volume({ type: 'image', dtype: 'float32' }), undefined, 1)).toMatch(/fractions/);
  });

  it('edits the first segmentation that is seen, unless another layer is chosen', () => {
    const state = new ToolState();
    const em = volume({ type: 'image', dtype: 'uint8', path: 'em' }, { name: 'em' });
    const hidden = volume({ path: 'old' }, { name: 'old', isVisible: false });
    state.volumes.value = [em, hidden, volume()];
    expect(state.target.value?.name).toBe('labels');
    state.chosen.value = 'em';
    expect(state.target.value?.name).toBe('em');
    state.volumes.value = [hidden, volume()];
    expect(state.target.value?.name).toBe('labels');
  });
});

describe('the radius of the brush', () => {
  it('goes through legal values from the smallest to the largest and back', () => {
    const up: number[] = [RADIUS.min];
    for (let r: number = RADIUS.min; r < RADIUS.max; up.push(r)) r = nextRadius(r, 1);
    expect(up.every((r) => r === legalRadius(r))).toBe(true);
    expect(up.at(-1)).toBe(RADIUS.max);
    let r: number = RADIUS.max;
    for (let step = 0; step < up.length + 5; step++) r = nextRadius(r, -1);
    expect(r).toBe(RADIUS.min);
    expect([legalRadius(Number.NaN), legalRadius(-3), legalRadius(1e9)]).toEqual([RADIUS.min, RADIUS.min, RADIUS.max]);
  });
});
