/** Boxes that are whole answers: right, and not all in one turn of the event loop. */
import { describe, expect, it } from 'vitest';
import type { Box, Vec3 } from '../../protocol/volume.ts';
import { openArrayCore, voxelsOf } from '../support/array-core.ts';

const PATH = 'e/s/d/c';
const SHAPE: Vec3 = [130, 70, 40];
const value = (x: number, y: number, z: number): number => (x * 7 + y * 31 + z * 101) & 0xff;

async function open() {
  const data = voxelsOf(SHAPE, 'uint8', value);
  const level = { data, shape: SHAPE, offset: [0, 0, 0], voxel: [1, 1, 1], chunk: [64, 64, 64] } as const;
  const { core } = openArrayCore([{ path: PATH, levels: [{ ...level, dtype: 'uint8', type: 'image' }] }]);
  return { core, channel: await core.updateQuery({ path: PATH }) };
}

describe('a box as one answer', () => {
  it.each([
    ['of many planes', [-10, -10, -10, 1_014, 1_014, 50]],
    ['of one plane', [0, -100, 3, 8_192, 5_900, 4]],
    ['of one long row', [-5, 3, 3, 40_000_000, 4, 4]],
  ] as const)('%s is read in several turns, and is right', async (_, bounds) => {
    const { core, channel } = await open();
    const box: Box = [...bounds];
    await core.readBox(channel, 0, [0, 0, 0, ...SHAPE]);
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      if (isDone) return;
      turns++;
      setImmediate(count);
    };
    setImmediate(count);
    const { raw, shape } = await core.readBox(channel, 0, box);
    isDone = true;
    const [nx, ny, nz] = shape;
    expect(shape).toEqual([box[3] - box[0], box[4] - box[1], box[5] - box[2]]);
    let wrong = 0;
    let inside = 0;
    for (let z = 0; z < SHAPE[2]; z++)
      for (let y = 0; y < SHAPE[1]; y++)
        for (let x = 0; x < SHAPE[0]; x++) {
          const [i, j, k] = [x - box[0], y - box[1], z - box[2]];
          if (i < 0 || j < 0 || k < 0 || i >= nx || j >= ny || k >= nz) continue;
          inside++;
          if (raw[i + nx * (j + ny * k)] !== value(x, y, z)) wrong++;
        }
    expect([wrong, inside > 0]).toEqual([0, true]);
    expect(raw.filter((byte) => byte !== 0).length).toBeLessThanOrEqual(inside);
    // Everything was at hand.
    expect(turns).toBeGreaterThanOrEqual(2);
  });
});
