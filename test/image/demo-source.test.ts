import { describe, expect, it } from 'vitest';
import { type Box, boxShape, viewVoxels, volumeOf } from '../../protocol/volume.ts';
import { type DemoName, openDemoSource } from '../../src/image/demo-source.ts';

const read = async (name: DemoName, box: Box, seed = 20): Promise<Uint8Array> =>
  (await openDemoSource(name, { seed })).read(0, box);

/** The part of a block that a smaller box has. */
function cut(raw: Uint8Array, box: Box, part: Box, bytes: number): Uint8Array {
  const [nx, ny] = boxShape(box);
  const [px, py, pz] = boxShape(part);
  const out = new Uint8Array(volumeOf([px, py, pz]) * bytes);
  for (let z = 0; z < pz; z++)
    for (let y = 0; y < py; y++) {
      const from = part[0] - box[0] + nx * (part[1] - box[1] + y + ny * (part[2] - box[2] + z));
      out.set(raw.subarray(from * bytes, (from + px) * bytes), px * (y + py * z) * bytes);
    }
  return out;
}

const BLOCK: Box = [40, 100, 20, 140, 190, 50];

describe('the demonstration volume', () => {
  it('says what it is', async () => {
    const em = await openDemoSource('em');
    expect(em.info).toMatchObject({ kind: 'demo', type: 'image', dtype: 'uint8', voxelKnown: true });
    expect(em.info.mips).toEqual([
      { shape: [512, 512, 128], chunk: [64, 64, 64], voxel: [8, 8, 8], offset: [0, 0, 0] },
    ]);
    const ids = await openDemoSource('segmentation', { shape: [100, 90, 80] });
    expect(ids.info).toMatchObject({ kind: 'demo', type: 'segmentation', dtype: 'uint64' });
    expect(ids.info.mips[0]?.shape).toEqual([100, 90, 80]);
    expect(ids.info.fingerprint).not.toBe(em.info.fingerprint);
    await em.close();
  });

  it.each([
    ['em', 1],
    ['segmentation', 8],
  ] as const)('%s has no seams: a voxel is the same in whatever box it is read', async (name, bytes) => {
    const whole = await read(name, BLOCK);
    expect(whole.length).toBe(100 * 90 * 30 * bytes);
    for (const part of [
      [40, 100, 20, 41, 101, 21],
      [64, 128, 32, 128, 190, 50],
      [139, 189, 49, 140, 190, 50],
      [77, 111, 23, 101, 170, 43],
    ] as const)
      expect(Buffer.compare(await read(name, part), cut(whole, BLOCK, part, bytes))).toBe(0);
  });

  it('depends on its seed alone', async () => {
    for (const name of ['em', 'segmentation'] as const) {
      expect(Buffer.compare(await read(name, BLOCK), await read(name, BLOCK))).toBe(0);
      expect(Buffer.compare(await read(name, BLOCK), await read(name, BLOCK, 21))).not.toBe(0);
    }
  });

  it('has dozens of cells, ids above 2³² among them, and membranes of id 0 between', async () => {
    const raw = await read('segmentation', [0, 0, 60, 256, 256, 64]);
    const voxels = Array.from(viewVoxels('uint64', raw) as BigUint64Array);
    const ids = new Set(voxels);
    expect(ids.size).toBeGreaterThan(24);
    expect([...ids].filter((id) => id > 0xffff_ffffn).length).toBeGreaterThan(5);
    const membrane = voxels.filter((id) => id === 0n).length / voxels.length;
    expect(membrane).toBeGreaterThan(0.04);
    expect(membrane).toBeLessThan(0.25);
  });

  it('has membrane between different ids, but for a voxel in a million', async () => {
    const box: Box = [0, 0, 0, 128, 128, 64];
    const ids = viewVoxels('uint64', await read('segmentation', box)) as BigUint64Array;
    const touching = [1, 128, 128 * 128].flatMap((step) =>
      Array.from({ length: ids.length - step }, (_, i) => i).filter((i) => {
        const wraps = (step === 1 && i % 128 === 127) || (step === 128 && Math.floor(i / 128) % 128 === 127);
        return !wraps && ids[i] !== ids[i + step] && ids[i] !== 0n && ids[i + step] !== 0n;
      }),
    );
    expect(touching.length / ids.length).toBeLessThan(2e-6);
  });

  it('is dark where the ids say membrane, and grey inside', async () => {
    const box: Box = [0, 0, 60, 256, 256, 64];
    const grey = await read('em', box);
    const ids = viewVoxels('uint64', await read('segmentation', box)) as BigUint64Array;
    const mean = (inside: boolean): number => {
      const values = grey.filter((_, i) => (ids[i] !== 0n) === inside);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    expect(mean(false)).toBeLessThan(100);
    expect(mean(true)).toBeGreaterThan(130);
    expect(new Set(grey).size).toBeGreaterThan(100);
  });

  it('refuses what it does not have', async () => {
    const em = await openDemoSource('em');
    for (const box of [
      [0, 0, 0, 513, 1, 1],
      [-1, 0, 0, 1, 1, 1],
      [5, 5, 5, 5, 6, 6],
    ] as const)
      await expect(em.read(0, box)).rejects.toThrow(/not inside the demonstration volume/);
    await expect(em.read(1, [0, 0, 0, 1, 1, 1])).rejects.toThrow(/level 1/);
    await expect(openDemoSource('em', { shape: [0, 1, 1] })).rejects.toThrow(/three positive integers/);
    await expect(openDemoSource('em', { seed: 0.5 })).rejects.toThrow(/integer, not 0.5/);
  });
});
