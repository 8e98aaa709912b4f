/** Which levels of a channel are resolutions of Butterfly's: x and y are halved, z never is. Source: parity.md 2. */
import type { MipInfo } from '../../protocol/volume.ts';
import type { Channel } from './channel.ts';

/** Tiles that one sampled answer may read. */
export const MAX_SAMPLED_TILES = 4_096;

/** How many levels of a source, the finest among them, are the resolutions 0, 1, 2, … */
export function flatLevels({ mips, sourceMips }: Pick<Channel, 'mips' | 'sourceMips'>): number {
  const finest = mips[0] as MipInfo;
  let levels = 1;
  for (; levels < sourceMips; levels++) {
    const { shape } = mips[levels] as MipInfo;
    const isHalved = (axis: number): boolean => {
      const exact = (finest.shape[axis] as number) / 2 ** levels;
      return Math.abs((shape[axis] as number) - exact) < 1;
    };
    if (!isHalved(0) || !isHalved(1) || shape[2] !== finest.shape[2]) break;
  }
  return levels;
}
