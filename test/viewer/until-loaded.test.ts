/** Code that is loaded late. */
import { describe, expect, it } from 'vitest';
import { untilLoaded } from '../../src/viewer/page/until-loaded.ts';

describe('untilLoaded', () => {
  it('tries again until it can be had', async () => {
    let tries = 0;
    const load = async (): Promise<string> => {
      if (++tries < 3) throw new Error('away');
      return 'code';
    };
    expect(await untilLoaded(load, [0, 0, 0])).toBe('code');
    expect(tries).toBe(3);
  });

  it('gives up after the last try', async () => {
    let tries = 0;
    const load = (): Promise<never> => Promise.reject(new Error(`try ${++tries}`));
    await expect(untilLoaded(load, [0, 0])).rejects.toThrow('try 3');
  });
});
