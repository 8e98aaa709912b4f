/** Our compressed segmentation through Neuroglancer's own decoder, voxel for voxel. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { decodeChannels as decode32 } from 'neuroglancer/unstable/sliceview/compressed_segmentation/decode_uint32.js';
import { decodeChannels as decode64 } from 'neuroglancer/unstable/sliceview/compressed_segmentation/decode_uint64.js';
import { expect, it } from 'vitest';
import { type DType, type Vec3, volumeOf } from '../../../protocol/volume.ts';
import { precomputedRoute } from '../../../src/access/http/precomputed-route.ts';
import { precomputedFormat } from '../../../src/image/precomputed-source.ts';
import { channelOf, openArrayCore } from '../../support/array-core.ts';
import { ask } from '../../support/ask-route.ts';
import { seededRandom, testRuns, testSeed } from '../../support/seed.ts';
import { describeWithShared, SHARED_DATA } from '../../support/shared-data.ts';

const PATH = 'e/s/d/c';

/** What Neuroglancer makes of the one chunk of a volume. */
async function shownBy(data: Uint8Array, shape: Vec3, dtype: 'uint32' | 'uint64'): Promise<Uint8Array> {
  const { core } = openArrayCore([channelOf(PATH, { data, shape, dtype }, { chunk: shape, type: 'segmentation' })]);
  const name = `0-${shape[0]}_0-${shape[1]}_0-${shape[2]}`;
  const { bytes, status } = await ask([precomputedRoute(core)], `/precomputed/${PATH}/1_1_1/${name}`);
  expect(status).toBe(200);
  const words = new Uint32Array(bytes.buffer);
  const size = [...shape, 1];
  if (dtype === 'uint32') {
    const out = new Uint32Array(volumeOf(shape));
    decode32(out, words, 0, size, [8, 8, 8]);
    return new Uint8Array(out.buffer);
  }
  const out = new BigUint64Array(volumeOf(shape));
  decode64(out, words, 0, size, [8, 8, 8]);
  return new Uint8Array(out.buffer);
}

it('of random ids, few or many in a block, at sizes that are no multiple of a block, is the same', async () => {
  const random = seededRandom(testSeed('compressed segmentation in Neuroglancer'));
  for (let run = 0; run < testRuns(40); run++) {
    const shape: Vec3 = [1 + Math.floor(40 * random()), 1 + Math.floor(40 * random()), 1 + Math.floor(20 * random())];
    const ids = 2 ** Math.floor(11 * random());
    const dtype: DType = random() < 0.5 ? 'uint32' : 'uint64';
    const values = Array.from({ length: volumeOf(shape) }, () => Math.floor(ids * random()));
    const data =
      dtype === 'uint32'
        ? new Uint8Array(Uint32Array.from(values, (id) => 4_000_000_000 + id).buffer)
        : new Uint8Array(BigUint64Array.from(values, (id) => 2n ** 63n + BigInt(id) * 0x1_0000_0001n).buffer);
    expect([shape, ids, dtype, Buffer.compare(await shownBy(data, shape, dtype), data)]).toEqual([
      shape,
      ids,
      dtype,
      0,
    ]);
  }
});

describeWithShared('compressed segmentation of real labels in Neuroglancer', () => {
  for (const name of ['fib19-64x64x64-sample1', 'fib19-64x64x64-sample2'])
    it(`is the same voxel for voxel: ${name}`, async () => {
      const zipped = await readFile(path.join(SHARED_DATA, 'dvid-blocks', `${name}.dat.gz`));
      const data = Uint8Array.from(gunzipSync(zipped));
      expect(Buffer.compare(await shownBy(data, [64, 64, 64], 'uint64'), data)).toBe(0);
    });

  it('is the same voxel for voxel: bodies of FIB-25', async () => {
    const folder = path.join(SHARED_DATA, 'fib25-training2-precomputed/bodies_cseg');
    const source = await precomputedFormat.open({ path: folder });
    const data = await source.read(0, [64, 64, 64, 128, 128, 128]);
    const dtype = source.info.dtype as 'uint32' | 'uint64';
    await source.close();
    expect(new Set(data).size).toBeGreaterThan(10);
    expect(Buffer.compare(await shownBy(data, [64, 64, 64], dtype), data)).toBe(0);
  });
});
