import { afterEach, describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { type DType, mipBox, type Vec3 } from '../../protocol/volume.ts';
import type { Core } from '../../src/core/core.ts';
import type { DataQuery } from '../../src/query/query.ts';
import type { Logger } from '../../src/utility/log.ts';
import {
  type ArrayChannel,
  bigVolume,
  channelOf,
  IM,
  naiveBox,
  openArrayCore,
  SEG,
  SEG64,
  valuesOf,
  voxelsOf,
} from '../support/array-core.ts';
import { useManualClock } from '../support/manual-clock.ts';
import { readNpy, readPicture, unzip } from '../support/read-pictures.ts';

const AT = 'e/s/d/';
/** Bytes of a block, as the original was run with. */
const LEGACY_BLOCK = 2 ** 20;

/** All volumes of the tests of parity. */
const CHANNELS: readonly ArrayChannel[] = [
  channelOf(`${AT}im`, IM),
  channelOf(`${AT}moved`, IM, { offset: [3, 2, 1] }),
  channelOf(`${AT}moved-back`, IM, { offset: [-2, -2, 0] }),
  channelOf(`${AT}seg`, SEG),
  channelOf(`${AT}seg64`, SEG64),
  channelOf(`${AT}big`, bigVolume(), { maxBlockBytes: LEGACY_BLOCK }),
];

const query = (name: string, origin: Vec3, size: Vec3, more: Partial<DataQuery> = {}): DataQuery => ({
  path: AT + name,
  resolution: 0,
  origin,
  size,
  format: 'raw',
  view: 'grayscale',
  ...more,
});

/** The answer's rows, slices under each other. */
async function rowsOf(core: Core, asked: DataQuery): Promise<(number | bigint)[][]> {
  const { raw, shape, dtype } = await core.findTiles(asked);
  const values = valuesOf(raw, dtype);
  return Array.from({ length: shape[1] * shape[2] }, (_, row) => values.slice(row * shape[0], (row + 1) * shape[0]));
}

async function faultOf(call: () => Promise<unknown>): Promise<BflyError> {
  const error = await call().then(
    () => new Error('nothing was thrown'),
    (reason: unknown) => reason,
  );
  if (error instanceof BflyError) return error;
  throw error;
}

describe('[parity 1-5] pixels of a box', () => {
  const { core } = openArrayCore(CHANNELS);

  it('[parity 1] are those of the volume', async () => {
    expect(await rowsOf(core, query('im', [1, 2, 1], [3, 2, 1]))).toEqual([
      [65, 66, 67],
      [73, 74, 75],
    ]);
  });

  it('[parity 2] come as a tall png, or as a packed .npy of four axes', async () => {
    const box = query('im', [0, 0, 0], [4, 3, 2], { format: 'png' });
    const png = await core.getData(box);
    expect(png.mime).toBe('image/png');
    const values = [0, 8, 16, 48, 56, 64].flatMap((first) => [first, first + 1, first + 2, first + 3]);
    expect(await readPicture(png.bytes)).toMatchObject({ width: 4, height: 6, values });
    const npz = readNpy(unzip((await core.getData({ ...box, format: 'npz' })).bytes));
    expect(npz.shape).toEqual([1, 2, 3, 4]);
    expect([...npz.bytes]).toEqual(values);
  });

  it('[parity 3] of a resolution are every second voxel along x and y, for each time', async () => {
    expect(await rowsOf(core, query('im', [0, 0, 1], [4, 3, 1], { resolution: 1 }))).toEqual([
      [48, 50, 52, 54],
      [64, 66, 68, 70],
      [80, 82, 84, 86],
    ]);
    expect(await rowsOf(core, query('im', [1, 1, 1], [2, 2, 1], { resolution: 1 }))).toEqual([
      [66, 68],
      [82, 84],
    ]);
  });

  it('[parity 3] of a channel with an offset begin there, at each resolution, and never before the volume', async () => {
    const square: Vec3 = [2, 2, 1];
    expect(await rowsOf(core, query('moved', [0, 0, 0], square))).toEqual([
      [67, 68],
      [75, 76],
    ]);
    expect(await rowsOf(core, query('moved', [0, 0, 0], square, { resolution: 1 }))).toEqual([
      [66, 68],
      [82, 84],
    ]);
    expect(await rowsOf(core, query('moved-back', [0, 0, 0], square))).toEqual([
      [0, 1],
      [8, 9],
    ]);
    expect(await rowsOf(core, query('moved-back', [3, 3, 0], square))).toEqual([
      [9, 10],
      [17, 18],
    ]);
  });

  it('[parity 4] are zeros past the end of the volume', async () => {
    const corner = [
      [182, 183, 0, 0],
      [190, 191, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ];
    expect(await rowsOf(core, query('im', [6, 4, 3], [4, 4, 1]))).toEqual(corner);
    expect(await rowsOf(core, query('im', [6, 4, 3], [4, 4, 2]))).toEqual([...corner, ...Array(4).fill([0, 0, 0, 0])]);
  });

  it('[parity 5] are zeros wholly outside', async () => {
    for (const asked of [
      query('im', [0, 0, 4], [2, 1, 1]),
      query('im', [100, 0, 0], [2, 1, 1]),
      query('im', [100, 0, 0], [2, 1, 1], { resolution: 2 }),
      query('im', [0, 0, 2 ** 52], [2, 1, 1], { resolution: 30 }),
      query('big', [0, 0, 130], [2, 1, 1]),
    ])
      expect(await rowsOf(core, asked)).toEqual([[0, 0]]);
  });

  it('begin at 0 where they would begin before it, as they always did', async () => {
    expect(await rowsOf(core, query('im', [-3, -1, 0], [2, 1, 1]))).toEqual([[0, 1]]);
  });

  it('[parity 6] are put together from the tiles that the box meets', async () => {
    const asked = query('big', [40, 60, 60], [20, 50, 10]);
    const rows = await rowsOf(core, asked);
    expect([rows[0]?.[0], rows.at(-1)?.at(-1)]).toEqual([2_412_040, 2_781_859]);
    const channel = await core.updateQuery({ path: `${AT}big` });
    expect(channel.mips[0]?.chunk).toEqual([50, 50, 64]);
    expect((await core.makeTileQuery(asked, [1, 1, 1])).crop).toEqual([0, 10, 0, 10, 50, 6]);
    const plan = await core.openPull({ path: asked.path, mip: 0, box: [40, 60, 60, 60, 110, 70] }, ['raw'], 100);
    expect(plan).toMatchObject({ range: [0, 1, 0, 2, 3, 2], tiles: 8 });
  });
});

describe('[parity 7] a box that nobody can mean', () => {
  it.each<[string, Partial<DataQuery>, string]>([
    ['no width', { size: [0, 1, 1] }, 'BAD_REQUEST'],
    ['a negative width', { size: [-1, 1, 1] }, 'BAD_REQUEST'],
    ['half a width', { size: [1.5, 1, 1] }, 'BAD_REQUEST'],
    ['a width that is no number', { size: [Number.NaN, 1, 1] }, 'BAD_REQUEST'],
    ['a width that wrapped around', { size: [2 ** 32 - 1, 1, 1] }, 'TOO_LARGE'],
    ['a whole brain', { size: [2 ** 20, 2 ** 20, 2 ** 15] }, 'TOO_LARGE'],
    ['more bytes than a buffer holds, of fewer voxels', { path: `${AT}seg64`, size: [2 ** 30, 1, 1] }, 'TOO_LARGE'],
    ['a negative resolution', { resolution: -1 }, 'BAD_REQUEST'],
    ['half an x', { origin: [0.5, 0, 0] }, 'BAD_REQUEST'],
  ])('is refused before anything is read or allocated: %s', async (_, more, code) => {
    const { core, reads } = openArrayCore(CHANNELS);
    const before = process.memoryUsage().arrayBuffers;
    const asked = query('im', [0, 0, 0], [1, 1, 1], more);
    expect((await faultOf(() => core.findTiles(asked))).code).toBe(code);
    expect((await faultOf(() => core.getData(asked))).code).toBe(code);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
    expect(reads).toEqual([]);
  });

  it('is refused where it takes too many tiles at a coarse resolution', async () => {
    const shape: Vec3 = [1_000, 1_000, 1];
    const volume = { data: new Uint8Array(1_000_000), shape, dtype: 'uint8' as const };
    const { core, reads } = openArrayCore([channelOf(`${AT}flat`, volume, { chunk: [10, 10, 1] })]);
    const fault = await faultOf(() => core.findTiles(query('flat', [0, 0, 0], [500, 500, 1], { resolution: 1 })));
    expect(fault.code).toBe('TOO_LARGE');
    expect(reads).toEqual([]);
  });

  it('is refused for a format or view that does not exist, before anything is read', async () => {
    const { core, reads } = openArrayCore(CHANNELS);
    const box = query('im', [0, 0, 0], [1, 1, 1]);
    expect((await faultOf(() => core.getData({ ...box, format: 'gif' }))).message).toContain(
      'The format gif is not in',
    );
    expect((await faultOf(() => core.getData({ ...box, view: 'foo' }))).message).toBe(
      "The view foo is not in ['grayscale', 'colormap', 'rgb'].",
    );
    expect(reads).toEqual([]);
  });
});

describe('[parity 8] distinct ids', () => {
  const { core } = openArrayCore([
    ...CHANNELS,
    channelOf(`${AT}signed`, { data: voxelsOf([4, 1, 1], 'int32', (x) => x - 2), shape: [4, 1, 1], dtype: 'int32' }),
    channelOf(`${AT}flt`, { data: voxelsOf([4, 1, 1], 'float32', (x) => x / 2), shape: [4, 1, 1], dtype: 'float32' }),
    channelOf(
      `${AT}holes`,
      { ...SEG, kind: 'precomputed', chunk: [4, 6, 4] },
      { readChunk: async (_, [x]) => (x === 0 ? 'absent' : undefined) },
    ),
    channelOf(`${AT}small-tiles`, SEG, { chunk: [1, 2, 1] }),
  ]);
  const unique = async (name: string, box = [0, 0, 0, 8, 6, 4] as const) => [
    ...(await core.findUnique({ path: AT + name, mip: 0, box })),
  ];
  const thousands = (from: number, to: number): bigint[] =>
    Array.from({ length: to - from }, (_, index) => BigInt(1000 * (from + index)));

  it('of a box are all that are in it, ascending, 0 included', async () => {
    expect([...(await core.findUnique({ path: `${AT}seg`, mip: 0, box: [0, 0, 0, 8, 6, 2] }))]).toEqual(
      thousands(0, 24),
    );
    expect(await unique('seg64')).toEqual(Array.from({ length: 48 }, (_, n) => BigInt(n) + (1n << 40n)));
  });

  it('are the same whatever the tiles', async () => {
    expect(await unique('small-tiles')).toEqual(thousands(0, 48));
    const box = [3, 1, 1, 6, 3, 3] as const;
    const inBox = naiveBox(SEG.data, [0, 0, 0, 8, 6, 4], box, 4);
    const expected = [...new Set(valuesOf(inBox, 'uint32').map(BigInt))].sort((a, b) => (a < b ? -1 : 1));
    expect([...(await core.findUnique({ path: `${AT}small-tiles`, mip: 0, box }))]).toEqual(expected);
    expect([...(await core.findUnique({ path: `${AT}seg`, mip: 0, box }))]).toEqual(expected);
  });

  it('of a tile that is missing are 0', async () => {
    expect((await unique('holes'))[0]).toBe(0n);
    expect([...(await core.findUnique({ path: `${AT}holes`, mip: 0, box: [0, 0, 0, 4, 6, 4] }))]).toEqual([0n]);
  });

  it('of signed voxels are those of the same bits', async () => {
    expect(await unique('signed')).toEqual([0n, 1n, 2n ** 64n - 2n, 2n ** 64n - 1n]);
  });

  it('outside the volume there are none', async () => {
    expect([...(await core.findUnique({ path: `${AT}seg`, mip: 0, box: [8, 0, 0, 9, 1, 1] }))]).toEqual([]);
    expect([...(await core.findUnique({ path: `${AT}seg`, mip: 0, box: [7, 5, 3, 20, 20, 20] }))]).toEqual([47_000n]);
  });

  it('are refused for float32, for a level that is not there, and for too many voxels', async () => {
    expect((await faultOf(() => unique('flt'))).code).toBe('UNSUPPORTED');
    const asked = { path: `${AT}seg`, mip: 0, box: [0, 0, 0, 8, 6, 4] } as const;
    expect((await faultOf(() => core.findUnique({ ...asked, mip: 9 }))).code).toBe('OUT_OF_BOUNDS');
    expect((await faultOf(() => core.findUnique(asked, 191))).code).toBe('TOO_LARGE');
    await expect(core.findUnique(asked, 192)).resolves.toHaveLength(48);
    // What lies outside is not looked at.
    await expect(core.findUnique({ ...asked, box: [0, 0, 0, 1e6, 1e6, 1e6] }, 192)).resolves.toHaveLength(48);
  });
});

describe('a look for ids that is called off', () => {
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => {
    rejections.push(reason);
  };
  afterEach(() => {
    process.off('unhandledRejection', note);
  });

  const asked = { path: `${AT}seg`, mip: 0, box: [0, 0, 0, 8, 6, 4] } as const;

  it('before it began reads nothing, and leaves no rejection behind', async () => {
    process.on('unhandledRejection', note);
    const { core, reads } = openArrayCore([channelOf(`${AT}seg`, SEG, { chunk: [1, 1, 1] })], {
      beforeRead: () => Promise.reject(new Error('broken')),
    });
    const signal = AbortSignal.abort(new BflyError('CANCELLED', 'the request was called off'));
    expect((await faultOf(() => core.findUnique(asked, 1_000, signal))).code).toBe('CANCELLED');
    expect(reads).toEqual([]);
    await new Promise(setImmediate);
    expect(rejections).toEqual([]);
  });

  it('on its way ends after the tiles at work', async () => {
    const controller = new AbortController();
    const { core, reads } = openArrayCore([channelOf(`${AT}seg`, SEG, { chunk: [1, 1, 1] })], {
      beforeRead: async () => {
        if (reads.length === 12) controller.abort(new BflyError('CANCELLED', 'the request was called off'));
      },
    });
    expect((await faultOf(() => core.findUnique(asked, 1_000, controller.signal))).code).toBe('CANCELLED');
    expect(reads).toHaveLength(16);
  });
});

describe('[parity 9] tile queries', () => {
  const { core } = openArrayCore(CHANNELS);

  it('are made for the first tile unless another is named', async () => {
    const asked = core.makeDataQuery({ path: `${AT}big` });
    expect(asked).toMatchObject({ resolution: 0, origin: [0, 0, 0], size: [1, 1, 1] });
    const tile = await core.makeTileQuery(asked);
    expect(tile.key).toBe(`${AT}big[1 1 1 0 0 0]`);
    expect(tile.crop).toEqual([0, 0, 0, 1, 1, 1]);
    expect((await core.makeTileQuery({ ...asked, resolution: 1 }, [0, 1, 1])).key).toBe(`${AT}big[1 2 2 1 1 0]`);
  });

  it('load the part of the box that is on their tile', async () => {
    const asked = query('big', [40, 60, 60], [20, 50, 10]);
    const { data } = bigVolume();
    for (const [tile, box] of [
      [
        [1, 1, 1],
        [50, 60, 64, 60, 100, 70],
      ],
      [
        [0, 2, 0],
        [40, 100, 60, 50, 110, 64],
      ],
    ] as const) {
      const raw = await core.loadTile(await core.makeTileQuery(asked, tile));
      expect(Buffer.compare(raw as Uint8Array, naiveBox(data, [0, 0, 0, 200, 200, 100], box, 4))).toBe(0);
    }
  });

  it('of a resolution and an offset load what the whole box has there', async () => {
    const { core: small } = openArrayCore([channelOf(`${AT}c`, IM, { chunk: [2, 2, 1], offset: [1, 1, 1] })]);
    for (const resolution of [0, 1, 2]) {
      const asked = query('c', [0, 0, 0], [3, 2, 2], { resolution });
      const { raw } = await small.findTiles(asked);
      const origin = [1 >> resolution, 1 >> resolution, 1];
      const joined = new Uint8Array(raw.length);
      for (let z = 0; z < 4; z++)
        for (let y = 0; y < 3; y++)
          for (let x = 0; x < 4; x++) {
            const part = await small.makeTileQuery(asked, [x, y, z]);
            const [x0, y0, z0, x1, y1, z1] = part.crop;
            const voxels = await small.loadTile(part);
            let from = 0;
            for (let c = z0; c < z1; c++)
              for (let b = y0; b < y1; b++)
                for (let a = x0; a < x1; a++) {
                  const [px, py, pz] = [x * 2 + a, y * 2 + b, z + c].map((at, axis) => at - (origin[axis] as number));
                  joined[((pz as number) * 2 + (py as number)) * 3 + (px as number)] = voxels?.[from++] ?? 0;
                }
          }
      expect([...joined]).toEqual([...raw]);
    }
  });

  it('that the box does not meet load nothing', async () => {
    const tile = await core.makeTileQuery(query('big', [40, 60, 60], [20, 50, 10]), [3, 3, 0]);
    expect(await core.loadTile(tile)).toBeUndefined();
  });
});

describe('resolutions', () => {
  const [nx, ny, nz] = [24, 20, 3];
  const fine = voxelsOf([nx, ny, nz], 'uint16', (x, y, z) => x + 100 * y + 10_000 * z);
  // Unlike a sample of the finest, to see which level was read.
  const half = voxelsOf([12, 10, 3], 'uint16', (x, y, z) => 30_000 + x + 100 * y + 10_000 * z);
  const stored: ArrayChannel = {
    path: `${AT}stored`,
    levels: [
      { data: fine, shape: [nx, ny, nz], dtype: 'uint16' },
      { data: half, shape: [12, 10, 3], dtype: 'uint16' },
    ],
    chunk: [5, 4, 2],
  };
  const single = channelOf(`${AT}single`, { data: fine, shape: [nx, ny, nz], dtype: 'uint16' }, { chunk: [5, 4, 2] });
  const isotropic: ArrayChannel = {
    ...stored,
    path: `${AT}isotropic`,
    levels: [
      { data: fine, shape: [nx, ny, nz], dtype: 'uint16' },
      { data: voxelsOf([12, 10, 2], 'uint16', () => 5), shape: [12, 10, 2], dtype: 'uint16' },
    ],
  };
  const { core } = openArrayCore([stored, single, isotropic]);

  const sampleOf = (of: (x: number, y: number, z: number) => number, asked: DataQuery, step: number, shape: Vec3) => {
    const rows: number[][] = [];
    for (let z = asked.origin[2]; z < asked.origin[2] + asked.size[2]; z++)
      for (let y = asked.origin[1]; y < asked.origin[1] + asked.size[1]; y++)
        rows.push(
          Array.from({ length: asked.size[0] }, (_, i) => {
            const [sx, sy] = [(asked.origin[0] + i) * step, y * step];
            return sx < shape[0] && sy < shape[1] && z < shape[2] ? of(sx, sy, z) : 0;
          }),
        );
    return rows;
  };
  const fineAt = (x: number, y: number, z: number): number => x + 100 * y + 10_000 * z;
  const halfAt = (x: number, y: number, z: number): number => 30_000 + fineAt(x, y, z);

  it.each([0, 1, 2, 3, 5, 30])(
    'resolution %i samples the finest level where no other is stored',
    async (resolution) => {
      const asked = query('single', [1, 0, 0], [9, 12, 4], { resolution });
      expect(await rowsOf(core, asked)).toEqual(sampleOf(fineAt, asked, 2 ** resolution, [nx, ny, nz]));
    },
  );

  it('takes a stored level as it is, and samples the deepest beyond it', async () => {
    for (const resolution of [1, 2, 3]) {
      const asked = query('stored', [0, 1, 1], [8, 6, 3], { resolution });
      expect(await rowsOf(core, asked)).toEqual(sampleOf(halfAt, asked, 2 ** (resolution - 1), [12, 10, 3]));
    }
    const asked = query('stored', [3, 2, 1], [8, 6, 1]);
    expect(await rowsOf(core, asked)).toEqual(sampleOf(fineAt, asked, 1, [nx, ny, nz]));
  });

  it('does not take a level whose slices are fewer, for z is never scaled', async () => {
    const asked = query('isotropic', [0, 0, 0], [12, 10, 3], { resolution: 1 });
    expect(await rowsOf(core, asked)).toEqual(sampleOf(fineAt, asked, 2, [nx, ny, nz]));
  });

  it('keeps ids of every type when it samples', async () => {
    for (const dtype of ['uint8', 'int16', 'uint32', 'uint64', 'float32'] as DType[]) {
      const data = voxelsOf([9, 7, 2], dtype, (x, y, z) => x + 10 * y + 70 * z + 1);
      const { core: own } = openArrayCore([
        channelOf(`${AT}c`, { data, shape: [9, 7, 2], dtype }, { chunk: [4, 4, 1] }),
      ]);
      const rows = await rowsOf(own, query('c', [0, 0, 1], [4, 3, 1], { resolution: 1 }));
      expect(rows.map((row) => row.map(Number))).toEqual([
        [71, 73, 75, 77],
        [91, 93, 95, 97],
        [111, 113, 115, 117],
      ]);
    }
  });

  it('counts from the volume’s first voxel, wherever that is', async () => {
    const offset: Vec3 = [100, -50, 7];
    const { core: own } = openArrayCore([channelOf(`${AT}c`, { ...IM, offset }, { chunk: [3, 3, 3] })]);
    for (const resolution of [0, 1]) {
      const asked = query('c', [1, 0, 1], [2, 2, 1], { resolution });
      const step = 2 ** resolution;
      expect(await rowsOf(own, asked)).toEqual(sampleOf((x, y, z) => 48 * z + 8 * y + x, asked, step, [8, 6, 4]));
    }
  });
});

describe('the tree of groups', () => {
  const paths = ['b/s/d/c1', 'a/s/d/c1', 'a/s/d/c10', 'a/s/d/c2', 'a/s/d2/c', 'a/s-2/d/c', 'aa/s/d/c', 'a/t/d/é'];
  const { core, opened } = openArrayCore(paths.map((path) => channelOf(path, IM)));
  const names = (path: string): string[] => core.getGroups(path).entries.map(({ name }) => name);

  it('lists the children of each group once, by name, and opens nothing', () => {
    expect(names('')).toEqual(['a', 'aa', 'b']);
    expect(names('a')).toEqual(['s', 's-2', 't']);
    expect(names('a/s')).toEqual(['d', 'd2']);
    expect(names('a/s/d')).toEqual(['c1', 'c10', 'c2']);
    expect(names('a/s/d/c1')).toEqual([]);
    expect(opened).toEqual([]);
    expect(core.channelCount).toBe(8);
  });

  it('says what each child is, and where', () => {
    expect(core.getGroups('').entries[0]).toEqual({ name: 'a', kind: 'experiment', path: 'a' });
    expect(core.getGroups('a').entries[0]).toEqual({ name: 's', kind: 'sample', path: 'a/s' });
    expect(core.getGroups('a/s').entries[0]).toEqual({ name: 'd', kind: 'dataset', path: 'a/s/d' });
    expect(core.getGroups('a/t/d').entries[0]).toEqual({ name: 'é', kind: 'channel', path: 'a/t/d/é' });
  });

  it('is given page by page', () => {
    const seen: string[] = [];
    let pages = 0;
    for (let after: string | undefined = ''; after !== undefined; pages++) {
      const page = core.getGroups('a/s/d', after, 2);
      seen.push(...page.entries.map(({ name }) => name));
      expect(page.entries.length).toBeLessThanOrEqual(2);
      after = page.next;
    }
    expect(seen).toEqual(['c1', 'c10', 'c2']);
    expect(pages).toBe(2);
    expect(core.getGroups('a/s/d', '', 3)).not.toHaveProperty('next');
    expect(core.getGroups('a/s/d', 'c10').entries.map(({ name }) => name)).toEqual(['c2']);
    expect(core.getGroups('a/s/d', 'zzz').entries).toEqual([]);
  });

  it.each(['nope', 'a/nope', 'a/s/d/c1/x', 'a/', '/a', 'a/s/d/c', 'A'])('has no %s', (path) => {
    expect(() => core.getGroups(path)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });

  it('is empty where nothing is configured', () => {
    expect(openArrayCore([]).core.getGroups('')).toEqual({ entries: [] });
  });
});

describe('metadata', () => {
  const warnings: string[] = [];
  const log: Logger = { debug() {}, info() {}, warn: (_, message) => warnings.push(message), error() {} };
  const broken = new BflyError('UNSUPPORTED', 'b.h5 is no HDF5 file');

  it('of a channel say what it is', async () => {
    const { core } = openArrayCore([channelOf(`${AT}seg`, SEG, { voxel: [4, 4, 30] })]);
    const info = await core.getInfo({ path: `${AT}seg` });
    expect(info).toMatchObject({
      path: `${AT}seg`,
      kind: 'channel',
      type: 'segmentation',
      dtype: 'uint32',
      source: 'array',
      mips: [{ shape: [8, 6, 4], chunk: [8, 6, 4], voxel: [4, 4, 30], offset: [0, 0, 0] }],
    });
    expect(info).toHaveProperty('enc.0', 'cseg');
    expect(info).not.toHaveProperty('maxId');
  });

  it('of a dataset are those of its channels, the broken apart, which is logged', async () => {
    const { core } = openArrayCore(
      [
        channelOf(`${AT}b`, IM, { broken }),
        channelOf(`${AT}a`, IM),
        channelOf(`${AT}c`, SEG),
        channelOf('e/s/x/y', IM),
      ],
      { log },
    );
    const info = await core.getInfo({ path: 'e/s/d' });
    if (info.kind !== 'dataset') throw new Error('no dataset');
    expect(info.channels.map(({ path }) => path)).toEqual([`${AT}a`, `${AT}c`]);
    expect(warnings).toHaveLength(1);
    expect(await core.getDataset({ path: 'e/s/d' })).toEqual(info);
    expect(await faultOf(() => core.getInfo({ path: `${AT}b` }))).toBe(broken);
  });

  it.each(['', 'e', 'e/s', 'e/s/nope', 'e/s/d/nope', 'e/s/d/im/more'])('of %j there are none', async (path) => {
    const { core } = openArrayCore([channelOf(`${AT}im`, IM)]);
    expect((await faultOf(() => core.getInfo({ path }))).code).toBe('NOT_FOUND');
  });

  it('of a broken channel are not asked for again for two seconds, and then are', async () => {
    const clock = useManualClock();
    const { core, opened } = openArrayCore([channelOf(`${AT}b`, IM, { broken })]);
    const failed = (): Promise<BflyError> => faultOf(() => core.getInfo({ path: `${AT}b` }));
    expect(await Promise.all([failed(), failed()])).toEqual([broken, broken]);
    clock.advance(1_900);
    await failed();
    expect(opened).toHaveLength(1);
    clock.advance(200);
    await failed();
    expect(opened).toHaveLength(2);
  });

  it('are read once for all who ask', async () => {
    const { core, opened } = openArrayCore([channelOf(`${AT}im`, IM)]);
    const path = `${AT}im`;
    await Promise.all([core.getInfo({ path }), core.getDataset({ path: 'e/s/d' }), core.updateQuery({ path })]);
    expect(opened).toEqual([path]);
  });
});

describe('pulls', () => {
  const { core } = openArrayCore(CHANNELS);
  const box = [0, 0, 0, 200, 200, 100] as const;

  it('are planned with the tiles that the box meets', async () => {
    const plan = await core.openPull({ path: `${AT}big`, mip: 0, box: [-10, 120, 70, 60, 130, 71] }, ['raw'], 10);
    expect(plan).toMatchObject({ range: [0, 2, 1, 2, 3, 2], tiles: 2, mip: 0, encoding: 'raw', seq: 0 });
    expect(plan.level).toBe(plan.channel.mips[0]);
  });

  it('of a box outside have no tiles', async () => {
    const plan = await core.openPull({ path: `${AT}im`, mip: 0, box: [8, 0, 0, 9, 1, 1] }, ['raw'], 10);
    expect(plan).toMatchObject({ range: undefined, tiles: 0 });
  });

  it('of too many tiles are refused', async () => {
    expect((await faultOf(() => core.openPull({ path: `${AT}big`, mip: 0, box }, ['raw'], 31))).code).toBe('TOO_LARGE');
    await expect(core.openPull({ path: `${AT}big`, mip: 0, box }, ['raw'], 32)).resolves.toMatchObject({ tiles: 32 });
  });

  it('of a level that is not there are refused', async () => {
    expect((await faultOf(() => core.openPull({ path: `${AT}im`, mip: 1, box }, ['raw'], 9))).code).toBe(
      'OUT_OF_BOUNDS',
    );
  });

  it.each([
    ['seg', ['raw', 'cseg'], 'cseg'],
    ['seg', ['gzip', 'raw'], 'gzip'],
    ['seg', ['jpeg'], 'raw'],
    ['seg', [], 'raw'],
    ['im', ['jpeg', 'png'], 'jpeg'],
    ['im', ['cseg', 'png'], 'png'],
    ['im', ['png', 'raw'], 'raw'],
  ] as const)('of %s for those who read %j go out as %s', async (name, wanted, encoding) => {
    expect((await core.openPull({ path: AT + name, mip: 0, box }, wanted, 99)).encoding).toBe(encoding);
  });
});

describe('a box of a level', () => {
  it('is read with zeros outside, at negative places too', async () => {
    const { core } = openArrayCore([channelOf(`${AT}im`, IM, { chunk: [3, 4, 2] })]);
    const channel = await core.updateQuery({ path: `${AT}im` });
    const box = [-2, -1, -1, 10, 8, 6] as const;
    const { raw, shape, dtype } = await core.readBox(channel, 0, box);
    expect([shape, dtype]).toEqual([[12, 9, 7], 'uint8']);
    expect(Buffer.compare(raw, naiveBox(IM.data, mipBox(channel.mips[0] as never), box, 1))).toBe(0);
  });

  it('is rendered as the channel’s type says', async () => {
    const { core } = openArrayCore([channelOf(`${AT}ids`, SEG), channelOf(`${AT}grey`, SEG, { type: 'image' })]);
    const channels = async (name: string): Promise<number> => {
      const channel = await core.updateQuery({ path: AT + name });
      const voxels = await core.readBox(channel, 0, [0, 0, 1, 8, 1, 2]);
      return (await readPicture((await core.render(channel, voxels, 'png', 'grayscale')).bytes)).channels;
    };
    expect([await channels('ids'), await channels('grey')]).toEqual([3, 1]);
  });

  it('of 0 bytes of cache is the same', async () => {
    const { core } = openArrayCore([channelOf(`${AT}seg`, SEG, { chunk: [3, 4, 2] })], { cacheBytes: 0 });
    const channel = await core.updateQuery({ path: `${AT}seg` });
    expect(Buffer.compare((await core.readBox(channel, 0, [0, 0, 0, 8, 6, 4])).raw, SEG.data)).toBe(0);
  });
});
