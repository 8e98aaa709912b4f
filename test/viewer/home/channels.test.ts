import { describe, expect, it } from 'vitest';
import type { ChannelInfo, Peer, Vec3 } from '../../../src/client/index.ts';
import { peopleOf } from '../../../src/viewer/page/home/people.ts';
import { openedTogether } from '../../../src/viewer/page/home/together.ts';

function info(name: string, type: ChannelInfo['type'], shape: Vec3 = [100, 100, 100], voxel = 8): ChannelInfo {
  return {
    ...{ path: `e/s/d/${name}`, kind: 'channel', type, dtype: 'uint8', enc: ['raw'], source: 'array' },
    mips: [{ shape, chunk: [64, 64, 64], voxel: [voxel, voxel, voxel], offset: [0, 0, 0] }],
    ...{ editable: true, epoch: new Uint8Array(8), first: 1, head: 0, tables: {} },
  };
}

const together = (...infos: ChannelInfo[]): string[] => openedTogether(infos).map(({ path }) => path.slice(6));

describe('openedTogether', () => {
  it('takes the first image with the first segmentation', () => {
    expect(together(info('ids', 'segmentation'), info('em', 'image'), info('more', 'segmentation'))).toEqual([
      'em',
      'ids',
    ]);
  });

  it('prefers the segmentation that is as large as the image, whatever its voxels', () => {
    const crop = info('crop', 'segmentation', [20, 20, 20]);
    const coarse = info('coarse', 'segmentation', [50, 50, 50], 16);
    expect(together(info('em', 'image'), crop, coarse)).toEqual(['em', 'coarse']);
    expect(together(info('em', 'image'), crop)).toEqual(['em', 'crop']);
  });

  it('takes all of a few images, and nothing of one channel or of many', () => {
    const images = Array.from({ length: 5 }, (_, n) => info(`i${n}`, 'image'));
    expect(together(...images.slice(0, 3))).toEqual(['i0', 'i1', 'i2']);
    expect(together(...images)).toEqual([]);
    expect(together(info('em', 'image'))).toEqual([]);
  });
});

const peer = (name: string, id: string, color: string, n = name): Peer => ({
  ...{ peer: n, user: { id, name }, name, color, state: {} },
});

describe('peopleOf', () => {
  it('names everybody once, however many windows they have, by name', () => {
    const peers = [peer('Grace', 'grace', '#0f0'), peer('Ada', 'ada', '#ff0000'), peer('Ada', 'ada', '#ff0000', 'b')];
    expect(peopleOf(peers, 'grace')).toEqual([
      { id: 'ada', name: 'Ada', color: '#ff0000', isMe: false },
      { id: 'grace', name: 'Grace', color: '#0f0', isMe: true },
    ]);
  });

  it('gives whoever has no colour, or something else than one, always the same', () => {
    const [first] = peopleOf([peer('Ada', 'ada', '')], '');
    const [second] = peopleOf([peer('Ada', 'ada', 'url(//evil.example)')], '');
    expect(first?.color).toMatch(/^rgb\(\d+ \d+ \d+\)$/);
    expect(second?.color).toBe(first?.color);
  });

  it('has a word for who has no name, and nobody is me before the server has said who that is', () => {
    expect(peopleOf([peer('', '', '', 'p1')], '')).toMatchObject([{ id: 'p1', name: 'somebody', isMe: false }]);
  });
});
