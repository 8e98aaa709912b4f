/** Streams that the published package wrote, and what it reads out of them. */
import { readdirSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type DType, type Vec3, viewVoxels, volumeOf } from '../../protocol/volume.ts';
import { decodeCompresso } from '../../src/image/compresso.ts';
import { precomputedFormat } from '../../src/image/precomputed-source.ts';
import { describeShared, errorOf, randomFrom, shared } from './source-fixtures.ts';

const SHAPE: Vec3 = [10, 7, 4];

interface Published {
  readonly dtype: DType;
  readonly bits: number;
  /** The stream of `voxelAt`, gzipped. */
  readonly packed: string;
}

/** By the package `compresso` 3.3: windows, connectivity and index differ from one to the next. */
const PUBLISHED: Readonly<Record<string, Published>> = {
  'uint8, windows 4×4×1, slice by slice, with an index': {
    dtype: 'uint8',
    bits: 8,
    packed:
      'H4sIAAAAAAACAz1LWwrCQAycuI+EEnxRiojeQdhreAsPoOAl+iHsxQpeZwtC3V1rM8kkmUxuj+edqAHDwlo64xebXNd5tqBpdA7075kLUWXA4IJAwfQSJUkI' +
      'qf+8+jjEmN7JT37UnMwiZa5VV+VFYC7nohRNuT7V+2JRVu5wgGCdYbFHCw/NWOGIE7ZoMgyKx88eESdod90XVM2nH+MAAAA=',
  },
  'uint16, windows 8×8×1, slice by slice': {
    dtype: 'uint16',
    bits: 16,
    packed:
      'H4sIAAAAAAACA11QwREDIQhcT0+dG1tIRSkjBSQzacLSbOleBATGy4HsLiv48PX5vrEdKEioNTygUbiephMQQHTSjh2i771qV+HiRg55IsaAaCxi2nxodOq9Y6jA' +
      'GIzUkXk746QGxcJZOd1fvG7bxPtEgmSZ6DM+J911zv3/V9Lc0tLIxofxZlyNo3FbHzjjB6PcBcNsAQAA',
  },
  'uint32, windows 3×5×2, from slice to slice': {
    dtype: 'uint32',
    bits: 32,
    packed:
      'H4sIAAAAAAACA0suKM5nYOFiYGdgYWBmZeJmgAABIHaDstlABCMQ/weCn0DMCmSzQiUZ0eRAbHYg5mhgYLBoYGbgb2Bh8GxiYbBsYGcQZ+BksGrgZmDne8Dg' +
      '2aDC4T/vCef+9f+FDjDKWJycbGP5f+l/KzaoWSAaZB4P1AEwNjvMfChGV4+Nj00vDxIbXQ8zFjFs+tD1w+Sw+YEdi3p87ofpgdFSQCwDxHJALALETFCz+IAY' +
      '5F4hIBYDYgkg5oKaywONSBYgBgCMPjzX6AEAAA==',
  },
  'uint64, windows 2×2×2, slice by slice': {
    dtype: 'uint64',
    bits: 64,
    packed:
      'H4sIAAAAAAACA0suKM5n4OBiYGdgYWBiYpJlgAAeIPaGslmgNAMjlP4PBT+hNCtUHEajq6dUPy71hNQxkmguA7OwvJLN6t37Drz6z4amBsaHqeWB8nGJs6PR' +
      'HGg0IfOJlSfWXh4c4pS6gwUtkbCg2YMuTsg9hNyHro9U9xEyn9xwYcHhL3S+kIiQmBgTDxMfC5cAEDJzACGQKyYG4rIBZUWEwGIAKUC+DpgDAAA=',
  },
  'uint64, windows 4×4×1, slice by slice, with an index': {
    dtype: 'uint64',
    bits: 64,
    packed:
      'H4sIAAAAAAACA61RbQrCMAx9dd0axvCLMUT0DkKv4S08gIKX2A+hFxt4nQqCFs3+BEors6G8Jn1JXtrT5XpWVMNAQ2u1x3ctwj7yWTNCMb54PRhLjo8o+VPz' +
      'Y/wUT/1YFyhwgFW26MmRJ2t9/7z1bnDO330lskZ/zG7Yj8WNQBKYqp97n9u3icSn6jCRvrG5U3pS+mRe7j/lzv+vd5H9pN9hEzTMg2ms0YZ+TbAZtthhiTpY' +
      '8eFUzCEqCe2qewNjwkTMwgMAAA==',
  },
};

/** Boxes of labels, with a corner in which each voxel has another neighbour; among them those that are next to the largest. */
function labelsOf({ bits }: Published): bigint[] {
  const top = 2n ** BigInt(bits);
  const labels = [0n, 1n, top - 1n, top - 7n, 5n];
  return Array.from({ length: volumeOf(SHAPE) }, (_, i) => {
    const [x, y, z] = [i % SHAPE[0], Math.floor(i / SHAPE[0]) % SHAPE[1], Math.floor(i / SHAPE[0] / SHAPE[1])];
    const inCorner = x > 6 && y < 3;
    const n = inCorner ? x + y * y + z : Math.floor(x / 4) + 2 * Math.floor((y + z) / 3);
    return labels[n % labels.length] ?? 0n;
  });
}

const streamOf = ({ packed }: Published): Uint8Array => new Uint8Array(gunzipSync(Buffer.from(packed, 'base64')));

const decoded = (published: Published): bigint[] =>
  Array.from(
    viewVoxels(published.dtype, decodeCompresso(streamOf(published), SHAPE, published.bits / 8)) as ArrayLike<
      number | bigint
    >,
    BigInt,
  );

describe('a compresso stream', () => {
  it.each(Object.entries(PUBLISHED))('of %s gives back every label', (_, published) => {
    expect(decoded(published)).toEqual(labelsOf(published));
  });

  it('gives back labels next to 2³² among its locations, where 7 that was added has carried over', () => {
    const packed =
      'H4sIAAAAAAACA0suKM5n4GBjYGVgYmBhYWRigAAWILaCsX/+//+fEchghwowMvAzGBv//8+OpBgkz8YAZQAByCA+qDxMHSF5dHMIyaObQ6w7WBDSRLmDVubC' +
      '1A2WcGQDyjAxMMNpACYS+SUcAgAA';
    const labels = [0n, 2n ** 32n - 3n, 2n ** 40n - 1n, 2n ** 33n - 7n, 7n];
    const shape: Vec3 = [6, 5, 2];
    const voxels = viewVoxels('uint64', decodeCompresso(streamOf({ dtype: 'uint64', bits: 64, packed }), shape, 8));
    for (const [i, label] of voxels.entries()) {
      const [x, y, z] = [i % 6, Math.floor(i / 6) % 5, Math.floor(i / 30)];
      expect(label, `${x},${y},${z}`).toBe(labels[(x + 2 * y + z) % 5]);
    }
  });

  const [first] = Object.values(PUBLISHED) as [Published]; // there are some
  const failing = (bytes: Uint8Array, shape: Vec3 = SHAPE, width = 1): Promise<string> =>
    errorOf(Promise.resolve().then(() => decodeCompresso(bytes, shape, width))).then(({ code, message }) => {
      expect(code).toBe('INTERNAL');
      return message;
    });
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = streamOf(first);
    bytes[at] = value;
    return bytes;
  };

  it.each([
    ['an empty file', new Uint8Array(0), 'it has 0 bytes, fewer than the 36 of its header'],
    ['something else', changed(0, 0x43), 'it does not begin with "cpso"'],
    ['a later version', changed(4, 2), 'it is version 2 of the format, and only 0 and 1 are known'],
    ['other labels', changed(5, 4), 'its labels have 4 bytes instead of 1'],
    ['another size', changed(6, 11), 'it is 11×7×4 instead of 10×7×4'],
    ['windows of nothing', changed(12, 0), 'its windows are 0×4×1; 1 to 64 voxels would be right'],
    ['windows too large', changed(14, 5), 'its windows are 4×4×5; 1 to 64 voxels would be right'],
    ['another connectivity', changed(35, 8), 'its connectivity is 8; 4 or 6 would be right'],
    ['more labels than bytes', changed(22, 255), 'and its header asks for at least'],
    ['a stream that was cut', streamOf(first).subarray(0, -40), 'windows instead of'],
  ])('that is %s is refused with what is wrong', async (_, bytes, message) => {
    expect(await failing(bytes)).toContain(message);
  });

  it('that is damaged anywhere gives voxels or says that it is broken, and never reads or writes outside', async () => {
    const seed = 20_240_117;
    const random = randomFrom(seed);
    for (const published of Object.values(PUBLISHED))
      for (let n = 0; n < 400; n++) {
        const bytes = streamOf(published);
        for (let k = 0; k < 3; k++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
        const size = volumeOf(SHAPE) * (published.bits / 8);
        try {
          expect(decodeCompresso(bytes, SHAPE, published.bits / 8).length, `seed ${seed}`).toBe(size);
        } catch (error) {
          expect(error, `seed ${seed}`).toMatchObject({ name: 'BflyError', code: 'INTERNAL' });
        }
      }
  });
});

describeShared('pinky40, the real labels in compresso', () => {
  it('opens with its three levels', async () => {
    const source = await precomputedFormat.open({ path: shared('pinky40-precomputed') });
    expect(source.info).toMatchObject({ kind: 'precomputed', type: 'segmentation', dtype: 'uint32', voxelKnown: true });
    expect(source.info.mips.map(({ shape, voxel }) => [shape, voxel])).toEqual([
      [
        [1024, 1024, 512],
        [8, 8, 40],
      ],
      [
        [512, 512, 512],
        [16, 16, 40],
      ],
      [
        [256, 256, 512],
        [32, 32, 40],
      ],
    ]);
    expect(await source.readChunk?.(0, [0, 0, 0])).toBeUndefined();
    await source.close();
  });

  it('has the 2,512 labels of its coarsest level, and no others', { timeout: 60_000 }, async () => {
    expect(readdirSync(shared('pinky40-precomputed/32_32_40'))).toHaveLength(8);
    const source = await precomputedFormat.open({ path: shared('pinky40-precomputed') });
    const labels = new Set<number>();
    for (let z = 0; z < 512; z += 64)
      for (const label of new Uint32Array((await source.read(2, [0, 0, z, 256, 256, z + 64])).buffer))
        labels.add(label);
    expect(labels.size).toBe(2_512);
    expect(Math.max(...labels)).toBe(98_340_797);
    await source.close();
  });

  it('reads the same voxels whatever box is asked for', { timeout: 60_000 }, async () => {
    const source = await precomputedFormat.open({ path: shared('pinky40-precomputed') });
    const across = new Uint32Array((await source.read(1, [250, 250, 60, 262, 262, 68])).buffer);
    let i = 0;
    for (let z = 60; z < 68; z += 4)
      for (let zz = z; zz < z + 4; zz++) {
        const plane = new Uint32Array((await source.read(1, [250, 250, zz, 262, 262, zz + 1])).buffer);
        expect(across.subarray(i, i + plane.length)).toEqual(plane);
        i += plane.length;
      }
    expect(i).toBe(across.length);
    await source.close();
  });
});
