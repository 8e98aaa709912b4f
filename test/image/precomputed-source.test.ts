import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeCompressedSegmentation } from '../../protocol/compressed-segmentation.ts';
import { crc32 } from '../../protocol/crc32.ts';
import { type Box, type Vec3, viewVoxels } from '../../protocol/volume.ts';
import { hdf5Format } from '../../src/image/hdf5-source.ts';
import { compressedMortonCode, murmurHash64, shardOf } from '../../src/image/precomputed-sharding.ts';
import { precomputedFormat } from '../../src/image/precomputed-source.ts';
import { stackFormat } from '../../src/image/stack-source.ts';
import { copyBox } from '../../src/query/copy-box.ts';
import {
  bytesIn,
  CHUNK,
  chunksOf,
  infoOf,
  type Json,
  labels,
  nameOf,
  OFFSET,
  plain,
  raw16,
  SIZE,
  SPEC,
  VOLUMES,
  type Written,
  writeFiles,
  writeShards,
} from './precomputed-fixture.ts';
import {
  bytesRead,
  describeShared,
  errorOf,
  randomBytes,
  randomFrom,
  readWhole,
  shared,
  sumOf,
  temporaryFolder,
  voxelAt,
} from './source-fixtures.ts';

const root = temporaryFolder();
let folder = '';
let folders = 0;

beforeEach(() => {
  folder = join(root, `volume-${folders++}`);
  mkdirSync(folder);
});

describeShared('the real precomputed volumes', () => {
  it('em_jpeg is the PNG stack, up to the losses of JPEG, in two levels', async () => {
    const source = await precomputedFormat.open({ path: shared('fib25-training2-precomputed/em_jpeg') });
    const stack = await stackFormat.open({ path: shared('fib25-training2/grayscale_maps') });
    expect(source.info).toMatchObject({ kind: 'precomputed', type: 'image', dtype: 'uint8', voxelKnown: true });
    expect(source.info.mips).toEqual([
      { shape: [250, 250, 250], chunk: [64, 64, 64], voxel: [10, 10, 10], offset: [0, 0, 0] },
      { shape: [125, 125, 125], chunk: [64, 64, 64], voxel: [20, 20, 20], offset: [0, 0, 0] },
    ]);
    const [got, expected] = [await readWhole(source), await readWhole(stack)];
    let worst = 0;
    let total = 0;
    for (let i = 0; i < got.length; i++) {
      const difference = Math.abs((got[i] ?? 0) - (expected[i] ?? 0));
      worst = Math.max(worst, difference);
      total += difference;
    }
    expect(total / got.length).toBeLessThan(4);
    expect(worst).toBeLessThan(50);
    const half = await readWhole(source, 1);
    expect(half.length).toBe(125 ** 3);
    expect(Math.abs(sumOf(source, half) / half.length - sumOf(source, got) / got.length)).toBeLessThan(2);
    await source.close();
    await stack.close();
  });

  it('bodies_cseg is the HDF5 file and its transforms, voxel for voxel', async () => {
    const path = join(folder, 'groundtruth.h5');
    writeFileSync(path, gunzipSync(readFileSync(shared('fib25-training2/groundtruth.h5.gz'))));
    const { File, ready } = await import('h5wasm/node');
    await ready;
    const file = new File(path, 'r');
    const transforms = file.get('transforms');
    const pairs = transforms !== null && 'value' in transforms ? transforms.value : undefined;
    if (!(pairs instanceof BigInt64Array)) throw new Error('no transforms');
    file.close();
    const bodies = new Map<number, number>();
    for (let i = 0; i < pairs.length; i += 2) bodies.set(Number(pairs[i]), Number(pairs[i + 1]));
    const supervoxels = await hdf5Format.open({ path, dataset: 'stack' });
    const source = await precomputedFormat.open({ path: shared('fib25-training2-precomputed/bodies_cseg') });
    expect(source.info).toMatchObject({ type: 'segmentation', dtype: 'uint32' });
    const whole = await readWhole(source);
    const [got, from] = [viewVoxels('uint32', whole), viewVoxels('int32', await readWhole(supervoxels))];
    let wrong = 0;
    for (let i = 0; i < got.length; i++) if (got[i] !== bodies.get(Number(from[i]))) wrong++;
    expect(wrong).toBe(0);
    expect(sumOf(source, whole)).toBe(1152802292437);
    expect(crc32(whole).toString(16)).toBe('2be2539e');
    expect(await voxelAt(source, [249, 249, 249])).toBe(125274);
    expect(await voxelAt(source, [83, 50, 35])).toBe(2150);
    await source.close();
    await supervoxels.close();
  });

  it('hand their chunks on as they are stored', async () => {
    const jpeg = shared('fib25-training2-precomputed/em_jpeg');
    const em = await precomputedFormat.open({ path: jpeg });
    const chunk = await em.readChunk?.(0, [1, 0, 3]);
    expect(chunk).toEqual({
      encoding: 'jpeg',
      bytes: new Uint8Array(readFileSync(join(jpeg, '10nm', '64-128_0-64_192-250'))),
    });
    const bodies = await precomputedFormat.open({ path: shared('fib25-training2-precomputed/bodies_cseg') });
    const segments = await bodies.readChunk?.(1, [1, 1, 0]);
    expect(segments).toMatchObject({ encoding: 'cseg' });
    await em.close();
    await bodies.close();
  });

  it('refuse folders of annotations by their name', async () => {
    const annotations = await errorOf(precomputedFormat.find(shared('h01-annotations-precomputed')));
    expect(annotations.message).toContain('neuroglancer_annotations_v1');
  });
});

describe('precomputed volumes with a file a chunk', () => {
  it.each(VOLUMES)('%s', async (_, volume) => {
    const source = await writeFiles(folder, volume);
    expect(source.info.dtype).toBe(volume.dtype);
    expect(source.info.mips).toEqual([{ shape: SIZE, chunk: CHUNK, voxel: [4, 4, 40], offset: OFFSET }]);
    expect(Buffer.from(await readWhole(source)).equals(volume.voxels)).toBe(true);
    await source.close();
  });

  it.each<[string, (name: string, bytes: Uint8Array) => [string, Uint8Array]]>([
    ['named .gz', (name, bytes) => [`${name}.gz`, gzipSync(bytes)]],
    ['gzip under the plain name', (name, bytes) => [name, gzipSync(bytes)]],
  ])('%s', async (_, pack) => {
    const source = await writeFiles(folder, raw16, pack);
    expect(Buffer.from(await readWhole(source)).equals(raw16.voxels)).toBe(true);
    const chunk = await source.readChunk?.(0, [0, 0, 0]);
    expect(chunk).toEqual({ encoding: 'raw', bytes: chunksOf(raw16)[0]?.voxels });
    await source.close();
  });

  it('whose raw voxels happen to begin as gzip does are not taken for gzip', async () => {
    const voxels = raw16.voxels.slice();
    voxels.set([0x1f, 0x8b]);
    const source = await writeFiles(folder, { ...raw16, voxels });
    expect(Buffer.from(await readWhole(source)).equals(voxels)).toBe(true);
    await source.close();
  });

  it('are zeros where there is no chunk', async () => {
    writeFileSync(join(folder, 'info'), JSON.stringify(infoOf(raw16)));
    mkdirSync(join(folder, 's0'));
    const last = chunksOf(raw16).at(-1);
    if (last === undefined) throw new Error('no chunks');
    writeFileSync(join(folder, 's0', nameOf(last.box)), last.voxels);
    const source = await precomputedFormat.open({ path: folder });
    const expected = new Uint8Array(raw16.voxels.length);
    copyBox(last.voxels, last.box, expected, [0, 0, 0, ...SIZE], 2);
    expect(await readWhole(source)).toEqual(expected);
    expect(await source.readChunk?.(0, [0, 0, 0])).toBe('absent');
    expect(await source.readChunk?.(0, last.index)).toEqual({ encoding: 'raw', bytes: last.voxels });
    await source.close();
  });

  it('give any box, many at a time', async () => {
    const source = await writeFiles(folder, raw16);
    const random = randomFrom(12);
    const pick = (axis: 0 | 1 | 2): [number, number] => {
      const from = Math.floor(random() * SIZE[axis]);
      return [from, from + 1 + Math.floor(random() * (SIZE[axis] - from))];
    };
    await Promise.all(
      Array.from({ length: 80 }, async () => {
        const [x, y, z] = [pick(0), pick(1), pick(2)];
        const box: Box = [x[0], y[0], z[0], x[1], y[1], z[1]];
        const expected = new Uint8Array((x[1] - x[0]) * (y[1] - y[0]) * (z[1] - z[0]) * 2);
        copyBox(raw16.voxels, [0, 0, 0, ...SIZE], expected, box, 2);
        const [dx, dy, dz] = OFFSET;
        const got = await source.read(0, [x[0] + dx, y[0] + dy, z[0] + dz, x[1] + dx, y[1] + dy, z[1] + dz]);
        expect(Buffer.from(got).equals(expected), 'seed 12').toBe(true);
      }),
    );
    await source.close();
    await source.close();
  });

  it('hand on only what the protocol can name', async () => {
    const png = await writeFiles(folder, VOLUMES.find(([name]) => name === 'png uint8')?.[1] ?? raw16);
    expect(await png.readChunk?.(0, [0, 0, 0])).toBeUndefined();
    expect(await png.readChunk?.(0, [99, 0, 0])).toBeUndefined();
    // Blocks of another size than 8×8×8 are read but not handed on.
    const voxels = labels('uint32');
    folder = join(folder, 'blocks');
    mkdirSync(join(folder, 's0'), { recursive: true });
    const volume: Written = { dtype: 'uint32', encoding: 'compressed_segmentation', voxels, encode: plain };
    const scale = { compressed_segmentation_block_size: [4, 8, 2] };
    writeFileSync(join(folder, 'info'), JSON.stringify(infoOf(volume, scale)));
    for (const chunk of chunksOf(volume))
      writeFileSync(
        join(folder, 's0', nameOf(chunk.box)),
        encodeCompressedSegmentation(chunk.voxels, chunk.shape, 'uint32', [4, 8, 2]),
      );
    const source = await precomputedFormat.open({ path: folder });
    expect(await source.readChunk?.(0, [0, 0, 0])).toBeUndefined();
    expect(Buffer.from(await readWhole(source)).equals(voxels)).toBe(true);
  });

  it('with JPEGs of other sides are read, but not handed on', async () => {
    const voxels = new Uint8Array(bytesIn('uint8')).fill(90);
    const encode = (bytes: Uint8Array, shape: Vec3): Promise<Buffer> =>
      sharp(bytes, { raw: { width: shape[0] * shape[1], height: shape[2], channels: 1 } })
        .toColourspace('b-w')
        .jpeg()
        .toBuffer();
    const source = await writeFiles(folder, { dtype: 'uint8', encoding: 'jpeg', voxels, encode });
    expect(Math.abs((await voxelAt(source, OFFSET)) - 90)).toBeLessThan(2);
    expect(await source.readChunk?.(0, [0, 0, 0])).toBeUndefined();
  });
});

describe('numbers of sharded chunks', () => {
  it('are bits of x, y, z in turn, as far as each axis has them', () => {
    expect(compressedMortonCode([1, 0, 0], [4, 4, 4])).toBe(1n);
    expect(compressedMortonCode([3, 2, 1], [4, 4, 4])).toBe(0b011101n);
    // x has 3 bits, y none, z 1: bits x0 z0 x1 x2.
    expect(compressedMortonCode([5, 0, 1], [6, 1, 2])).toBe(0b1011n);
    // Block 335, 438, 1024 of a volume of 42943 × 56068 × 82276 voxels in chunks of 64³ lies in shard 868a with 9, 6 and 16 bits.
    const id = compressedMortonCode([335, 438, 1024], [671, 877, 1286]);
    expect(id.toString(16)).toBe('434522d9');
    const spec = { ...SPEC, preshiftBits: 9, minishardBits: 6, shardBits: 16 };
    expect(shardOf(spec, id)).toEqual({ file: '868a', minishard: 0x11 });
  });

  it('are hashed as MurmurHash3_x86_128 hashes 8 bytes', () => {
    const known: [bigint, bigint][] = [
      [0n, 5148371408780832321n],
      [1n, 16770674756601302682n],
      [255n, 5633939043138664346n],
      [4294967296n, 13524640716595723620n],
      [1099511627793n, 14268355893818503760n],
      [18446744073709551615n, 6291360166951214362n],
      [123456789012345n, 11188472092825156211n],
    ];
    for (const [value, hash] of known) expect(murmurHash64(value)).toBe(hash);
  });

  it('name shards with as many digits as their bits need', () => {
    expect(shardOf({ ...SPEC, preshiftBits: 0, minishardBits: 0, shardBits: 9 }, 5n)).toEqual({
      file: '005',
      minishard: 0,
    });
    expect(shardOf({ ...SPEC, preshiftBits: 0, minishardBits: 0, shardBits: 0 }, 5n)).toEqual({
      file: '0',
      minishard: 0,
    });
  });
});

describe('sharded precomputed volumes', () => {
  const codings = ['raw', 'gzip'] as const;
  const specs = (['identity', 'murmurhash3_x86_128'] as const).flatMap((hash) =>
    codings.flatMap((indexEncoding) => codings.map((dataEncoding) => ({ ...SPEC, hash, indexEncoding, dataEncoding }))),
  );
  it.each(specs)('hash $hash, index $indexEncoding, data $dataEncoding', async (spec) => {
    for (const [i, name] of ['raw uint16', 'compressed_segmentation uint64', 'png uint16'].entries()) {
      const volume = VOLUMES.find(([known]) => known === name)?.[1] ?? raw16;
      folder = join(root, `${spec.hash}-${spec.indexEncoding}-${spec.dataEncoding}-${i}`);
      mkdirSync(folder);
      const source = await writeShards(folder, volume, spec);
      expect(Buffer.from(await readWhole(source)).equals(volume.voxels)).toBe(true);
      await source.close();
    }
  });

  it.each([
    [0, 0, 0],
    [0, 3, 0],
    [2, 0, 5],
    [40, 1, 1],
  ])('with %i, %i and %i bits', async (preshiftBits, minishardBits, shardBits) => {
    const source = await writeShards(folder, raw16, { ...SPEC, preshiftBits, minishardBits, shardBits });
    expect(Buffer.from(await readWhole(source)).equals(raw16.voxels)).toBe(true);
    await source.close();
  });

  it('are zeros where a shard, a minishard or a chunk is not there', async () => {
    for (const [i, spec] of [
      SPEC,
      { ...SPEC, minishardBits: 6, shardBits: 0 },
      { ...SPEC, minishardBits: 0, shardBits: 0 },
    ].entries()) {
      folder = join(root, `holes-${i}`);
      mkdirSync(folder);
      const source = await writeShards(folder, raw16, spec, ([x, y, z]) => x === 1 && y === 1 && z === 1);
      const there = chunksOf(raw16).find(({ index }) => index.every((place) => place === 1));
      if (there === undefined) throw new Error('no chunk');
      const expected = new Uint8Array(raw16.voxels.length);
      copyBox(there.voxels, there.box, expected, [0, 0, 0, ...SIZE], 2);
      expect(await readWhole(source)).toEqual(expected);
      expect(await source.readChunk?.(0, [0, 0, 0])).toBe('absent');
      expect(await source.readChunk?.(0, [1, 1, 1])).toEqual({ encoding: 'raw', bytes: there.voxels });
      await source.close();
    }
  });

  it('read of a shard no more than the indices and the chunk', async () => {
    const source = await writeShards(folder, { ...raw16 }, { ...SPEC, minishardBits: 10, shardBits: 0 });
    const chunk = chunksOf(raw16)[0]?.voxels ?? new Uint8Array();
    const before = bytesRead();
    await source.readChunk?.(0, [0, 0, 0]);
    const after = bytesRead();
    if (before !== undefined && after !== undefined) expect(after - before).toBeLessThan(chunk.length + 2048);
    await source.close();
  });

  it('say what is broken in a shard', async () => {
    const source = await writeShards(folder, raw16, { ...SPEC, minishardBits: 1, shardBits: 0, preshiftBits: 0 });
    const path = join(folder, 's0', '0.shard');
    const whole = readFileSync(path);
    const messages: string[] = [];
    const mutations: ((bytes: Buffer) => Uint8Array)[] = [
      (bytes) => bytes.subarray(0, 20),
      (bytes) => bytes.subarray(0, 200),
      (bytes) => Buffer.from(bytes).fill(0xff, 8, 16),
      (bytes) => Buffer.from(bytes).fill(5, 8, 9).fill(0, 9, 16),
      () => new Uint8Array(0),
    ];
    for (const mutate of mutations) {
      writeFileSync(path, mutate(Buffer.from(whole)));
      const fresh = await precomputedFormat.open({ path: folder });
      const error = await errorOf(readWhole(fresh));
      expect(error.code).toBe('INTERNAL');
      expect(error.message).toMatch(/^chunk \S+ of scale "s0" is broken raw: /);
      expect(error.message).not.toContain(root);
      messages.push(error.message);
      await fresh.close();
    }
    expect(messages[0]).toContain('the shard has 20 bytes');
    await source.close();
  });

  it('in the old two files are refused rather than shown as zeros', async () => {
    const source = await writeShards(folder, raw16, SPEC, () => false);
    for (const shard of [0, 1, 2, 3]) writeFileSync(join(folder, 's0', `${shard}.index`), new Uint8Array(64));
    expect((await errorOf(readWhole(source))).message).toContain('.index and .data');
  });
});

describe('broken precomputed volumes', () => {
  it.each<[string, Json | string, string]>([
    ['no JSON', '{"type":', 'info is not JSON'],
    ['no object', '[1]', 'info must be a JSON object'],
    ['nothing', '', 'info is not JSON'],
    [
      'another type',
      infoOf(raw16, {}, { '@type': 'neuroglancer_skeletons' }),
      'info.@type must be "neuroglancer_multiscale_volume"',
    ],
    ['no type', infoOf(raw16, {}, { type: undefined }), 'info.type must be one of image, segmentation; it is missing'],
    ['no data_type', infoOf(raw16, {}, { data_type: undefined }), 'info.data_type'],
    ['float64', infoOf(raw16, {}, { data_type: 'float64' }), 'info.data_type must be one of uint8'],
    ['3 channels', infoOf(raw16, {}, { num_channels: 3 }), 'info.num_channels must be 1; it is 3'],
    ['no scales', infoOf(raw16, {}, { scales: [] }), 'info.scales must be'],
    ['a scale of text', infoOf(raw16, {}, { scales: ['a'] }), 'info.scales[0] must be'],
    ['no key', infoOf(raw16, { key: undefined }), 'info.scales[0].key'],
    [
      'no size',
      infoOf(raw16, { size: undefined }),
      'info.scales[0].size must be three integers above 0; it is missing',
    ],
    ['a size of 0', infoOf(raw16, { size: [1, 0, 1] }), 'info.scales[0].size'],
    ['no chunk_sizes', infoOf(raw16, { chunk_sizes: undefined }), 'info.scales[0].chunk_sizes'],
    ['empty chunk_sizes', infoOf(raw16, { chunk_sizes: [] }), 'info.scales[0].chunk_sizes[0]'],
    ['no resolution', infoOf(raw16, { resolution: [1, 1] }), 'info.scales[0].resolution must be three numbers above 0'],
    [
      'an odd offset',
      infoOf(raw16, { voxel_offset: [0.5, 0, 0] }),
      'info.scales[0].voxel_offset must be three integers',
    ],
    ['an unknown encoding', infoOf(raw16, { encoding: 'jxl' }), 'it is "jxl"'],
    ['JPEG of 16 bits', infoOf(raw16, { encoding: 'jpeg' }), 'info.data_type must be uint8 with the encoding jpeg'],
    [
      'no block size',
      infoOf(
        { dtype: 'uint64', encoding: 'compressed_segmentation' },
        { compressed_segmentation_block_size: undefined },
      ),
      'info.scales[0].compressed_segmentation_block_size',
    ],
    ['another sharding', infoOf(raw16, { sharding: { '@type': 'x' } }), 'info.scales[0].sharding.@type'],
    [
      'another hash',
      infoOf(raw16, {
        sharding: {
          '@type': 'neuroglancer_uint64_sharded_v1',
          preshift_bits: 0,
          minishard_bits: 0,
          shard_bits: 0,
          hash: 'md5',
        },
      }),
      'info.scales[0].sharding.hash must be one of identity, murmurhash3_x86_128; it is "md5"',
    ],
    [
      'too many bits',
      infoOf(raw16, {
        sharding: {
          '@type': 'neuroglancer_uint64_sharded_v1',
          preshift_bits: 0,
          minishard_bits: 9,
          shard_bits: 60,
          hash: 'identity',
        },
      }),
      'info.scales[0].sharding.shard_bits must be an integer from 0 to 55; it is 60',
    ],
  ])('%s: the info names the field', async (_, info, reason) => {
    writeFileSync(join(folder, 'info'), typeof info === 'string' ? info : JSON.stringify(info));
    for (const error of [
      await errorOf(precomputedFormat.find(folder)),
      await errorOf(precomputedFormat.open({ path: folder })),
    ]) {
      expect(error.code).toBe('UNSUPPORTED');
      expect(error.message).toContain(reason);
    }
  });

  it('an info of random bytes, and one that gzip cannot unpack', async () => {
    writeFileSync(join(folder, 'info'), randomBytes(3, 500));
    expect((await errorOf(precomputedFormat.find(folder))).code).toBe('UNSUPPORTED');
    writeFileSync(join(folder, 'info'), Uint8Array.of(0x1f, 0x8b, 1, 2, 3));
    expect((await errorOf(precomputedFormat.find(folder))).code).toBe('UNSUPPORTED');
  });

  it('a folder without info is none, nor is a file', async () => {
    expect(await precomputedFormat.find(folder)).toBeUndefined();
    writeFileSync(join(folder, 'file'), '{}');
    expect(await precomputedFormat.find(join(folder, 'file'))).toBeUndefined();
  });

  it.each(VOLUMES.filter(([name]) => /uint8|uint32/.test(name)))(
    '%s: broken chunks end a read and name the chunk',
    async (_, volume) => {
      const source = await writeFiles(folder, volume);
      const [chunk] = chunksOf(volume);
      const name = nameOf(chunk?.box ?? [0, 0, 0, 1, 1, 1]);
      const path = join(folder, 's0', name);
      const whole = readFileSync(path);
      for (const bytes of [
        new Uint8Array(0),
        whole.subarray(0, 30),
        randomBytes(4, 100),
        Uint8Array.of(0x1f, 0x8b, 8),
      ]) {
        writeFileSync(path, bytes);
        const error = await errorOf(readWhole(source));
        expect(error.code).toBe('INTERNAL');
        expect(error.message).toContain(`chunk ${name} of scale "s0" is broken ${volume.encoding}: `);
        expect(error.message).not.toContain(root);
      }
      if (volume.encoding === 'raw')
        expect((await errorOf(source.readChunk?.(0, [0, 0, 0]) ?? Promise.resolve())).code).toBe('INTERNAL');
    },
  );
});

it('the fingerprint of a precomputed volume changes with its info', async () => {
  const source = await writeFiles(folder, raw16);
  const again = await precomputedFormat.open({ path: folder });
  expect(again.info.fingerprint).toBe(source.info.fingerprint);
  writeFileSync(join(folder, 'info'), JSON.stringify(infoOf(raw16, { resolution: [8, 8, 80] })));
  expect((await precomputedFormat.open({ path: folder })).info.fingerprint).not.toBe(source.info.fingerprint);
});
