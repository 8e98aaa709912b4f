import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Box, viewVoxels } from '../../protocol/volume.ts';
import { bossFormat } from '../../src/image/boss-source.ts';
import { findVolumes, openSource } from '../../src/image/open-source.ts';
import type { Source } from '../../src/image/source.ts';
import { flat, writePicture } from './picture-fixture.ts';
import { errorOf, temporaryFolder } from './source-fixtures.ts';

const root = temporaryFolder();
let folder = '';
let folders = 0;
beforeEach(() => {
  folder = join(root, `boss-${folders++}`);
  mkdirSync(folder);
});

interface Tile {
  readonly location: string;
  readonly z: number;
  readonly row?: number;
  readonly column?: number;
}

const JOB = { tile_size: { x: 4, y: 4, z: 1 }, extent: { x: [0, 8], y: [0, 8], z: [0, 2] } };

function writeIndex(tiles: readonly unknown[], job: object = JOB, name = 'index.json'): string {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify({ database: 'microns', resolution: 0, t: 0, ingest_job: job, tiles }));
  return file;
}

/** The grid of the parity tests: 2×2 tiles of 4×4 voxels of value 100z + 10row + column. */
async function writeTiles(
  nameOf = (z: number, row: number, column: number) => `tiles/${z}_${row}_${column}.tif`,
): Promise<Tile[]> {
  const tiles: Tile[] = [];
  for (let z = 0; z < 2; z++)
    for (let row = 0; row < 2; row++)
      for (let column = 0; column < 2; column++) {
        const location = nameOf(z, row, column);
        await writePicture(join(folder, location), flat(new Uint8Array(16), 100 * z + 10 * row + column), 4);
        tiles.push({ location, z, row, column });
      }
  return tiles;
}

async function readBox(source: Source, box: Box): Promise<number[]> {
  return Array.from(viewVoxels(source.info.dtype, await source.read(0, box)) as ArrayLike<number>, Number);
}

describe('a Boss grid', () => {
  it('[84] puts its tiles together, with zeros where one is missing', async () => {
    const tiles = await writeTiles();
    const file = writeIndex(tiles);
    rmSync(join(folder, 'tiles/1_1_1.tif'));
    const source = await openSource({ path: file });
    expect(source.info).toMatchObject({ kind: 'boss', type: 'image', dtype: 'uint8', voxelKnown: false });
    expect(source.info.mips).toEqual([{ shape: [8, 8, 2], chunk: [4, 4, 1], voxel: [1, 1, 1], offset: [0, 0, 0] }]);
    expect(await readBox(source, [2, 2, 0, 6, 6, 1])).toEqual([0, 0, 1, 1, 0, 0, 1, 1, 10, 10, 11, 11, 10, 10, 11, 11]);
    expect(await readBox(source, [2, 2, 1, 6, 6, 2])).toEqual([
      ...[100, 100, 101, 101, 100, 100, 101, 101, 110, 110, 0, 0, 110, 110, 0, 0],
    ]);
    await source.close();
  });

  it('has zeros where the index names no tile', async () => {
    const source = await openSource({ path: writeIndex((await writeTiles()).slice(2, 3)) });
    expect(await readBox(source, [3, 3, 0, 5, 5, 1])).toEqual([0, 0, 10, 0]);
    await source.close();
  });

  it('counts tiles from its origin, and voxels from the lower end of its extent', async () => {
    const tiles = (await writeTiles()).map((tile) => ({
      ...tile,
      ...{ z: tile.z + 7, row: (tile.row ?? 0) - 3, column: (tile.column ?? 0) + 100 },
    }));
    const job = {
      tile_size: JOB.tile_size,
      extent: { x: [400, 408], y: [-12, -4], z: [7, 9] },
      tile_origin: { z: 7, row: -3, column: 100 },
    };
    const source = await openSource({ path: writeIndex(tiles, job) });
    expect(source.info.mips[0]?.shape).toEqual([8, 8, 2]);
    expect(await readBox(source, [3, 3, 1, 5, 5, 2])).toEqual([100, 101, 110, 111]);
    await source.close();
  });

  it('takes a location without row or column for all of its plane', async () => {
    await writeTiles((z, row, column) => `z${z}/r0${row}_c${column}.png`);
    const tiles = [
      { location: 'z0/r{row:02d}_c{column}.png', z: 0 },
      { location: 'z1/r{row:02}_c1.png', z: 1, column: 1 },
      { location: 'z1/r01_c{column}.png', z: 1, row: 1, column: null },
    ];
    const source = await openSource({ path: writeIndex(tiles) });
    expect(await readBox(source, [3, 3, 0, 5, 5, 1])).toEqual([0, 1, 10, 11]);
    // Row 0, column 0 of z 1 has no location.
    expect(await readBox(source, [3, 3, 1, 5, 5, 2])).toEqual([0, 101, 110, 111]);
    await source.close();
  });

  it('keeps the 16 bits of PNG tiles', async () => {
    await writePicture(
      join(folder, 'a.png'),
      Uint16Array.from({ length: 16 }, (_, i) => 65_535 - i * 257),
      4,
    );
    const source = await openSource({ path: writeIndex([{ location: 'a.png', z: 1, row: 1, column: 0 }]) });
    expect(source.info.dtype).toBe('uint16');
    expect(await readBox(source, [0, 4, 1, 3, 5, 2])).toEqual([65_535, 65_278, 65_021]);
    await source.close();
  });

  it('[86] may be smaller than a tile', async () => {
    await writePicture(
      join(folder, 'a.tif'),
      Uint16Array.from({ length: 16 }, (_, i) => i),
      4,
    );
    const extent = { x: [0, 3], y: [0, 2], z: [0, 1] };
    const source = await openSource({
      path: writeIndex([{ location: 'a.tif', z: 0, row: 0, column: 0 }], { ...JOB, extent }),
    });
    expect(source.info.mips[0]).toMatchObject({ shape: [3, 2, 1], chunk: [3, 2, 1] });
    expect(await readBox(source, [0, 0, 0, 3, 2, 1])).toEqual([0, 1, 2, 4, 5, 6]);
    await source.close();
  });

  it('is found by what is in the file, lists its tiles as its parts, and goes by the name of its file', async () => {
    const file = writeIndex((await writeTiles()).slice(0, 2), JOB, 'em.json');
    const [found, ...others] = await findVolumes(file);
    expect(others).toEqual([]);
    expect(found).toMatchObject({ spec: { path: file }, name: 'em', kind: 'boss' });
    expect([...(found?.parts?.() ?? [])].map((part) => basename(part))).toEqual(['0_0_0.tif', '0_0_1.tif']);
    writeFileSync(join(folder, 'notes.json'), '{"a": 1}');
    expect(await bossFormat.find(join(folder, 'notes.json'))).toBeUndefined();
    writeFileSync(join(folder, 'index.txt'), JSON.stringify({ ingest_job: JOB, tiles: [] }));
    expect(await bossFormat.find(join(folder, 'index.txt'))).toBeUndefined();
  });

  it('says which tile is of another size or type', async () => {
    const tiles = await writeTiles();
    await writePicture(join(folder, 'tiles/0_1_0.tif'), new Uint8Array(15), 5);
    const source = await openSource({ path: writeIndex(tiles) });
    const error = await errorOf(source.read(0, [0, 0, 0, 8, 8, 1]));
    expect([error.code, error.message]).toEqual([
      'INTERNAL',
      'tile "0_1_0.tif" is 5×3 uint8; 4×4 uint8 grey would be right',
    ]);
    await source.close();
  });

  it.each([
    [
      { ...JOB, extent: undefined },
      'ingest_job.extent.x of an index of tiles must be [from, to] in voxels; it is missing',
    ],
    [
      { ...JOB, extent: { ...JOB.extent, z: [4, 4] } },
      'ingest_job.extent.z of an index of tiles must be [from, to] in voxels; it is [4,4]',
    ],
    [
      { ...JOB, tile_size: { x: 4, y: 0, z: 1 } },
      'ingest_job.tile_size.y of an index of tiles must be a whole number above 0; it is 0',
    ],
    [{ ...JOB, tile_size: { x: 4, y: 4, z: 16 } }, 'ingest_job.tile_size.z of an index of tiles must be 1; it is 16'],
    [
      { ...JOB, tile_origin: { z: 'a' } },
      'ingest_job.tile_origin.z of an index of tiles must be a whole number; it is "a"',
    ],
  ])('with the job %j is refused with what would be right', async (job, message) => {
    const error = await errorOf(bossFormat.find(writeIndex([], job)));
    expect([error.code, error.message]).toEqual(['UNSUPPORTED', message]);
  });

  it.each([
    [[7], 'tiles[0] of an index of tiles must be an object; it is 7'],
    [[{ z: 0 }], 'tiles[0].location of an index of tiles must be the name of a file; it is missing'],
    [[{ location: 'a.tif', z: 1.5 }], 'tiles[0].z of an index of tiles must be a whole number; it is 1.5'],
    [[{ location: 'a.tif', z: 1, row: '1' }], 'tiles[0].row of an index of tiles must be a whole number; it is "1"'],
  ])('with the tiles %j is refused with what would be right', async (tiles, message) => {
    expect((await errorOf(bossFormat.find(writeIndex(tiles)))).message).toBe(message);
  });

  it('is refused where it is cut off, where no tile is there, and where the first cannot be read', async () => {
    const tiles = [{ location: 'a.png', z: 0, row: 0, column: 0 }];
    const file = writeIndex(tiles);
    expect((await errorOf(bossFormat.open({ path: file }))).message).toBe(
      'none of the tiles that "index.json" names is there',
    );
    writeFileSync(join(folder, 'a.png'), 'no picture');
    expect((await errorOf(bossFormat.open({ path: file }))).message).toBe(
      'the first tile, "a.png", cannot be served: it is not an image, or its header is damaged',
    );
    writeFileSync(file, '{"ingest_job": {}, "tiles": [');
    expect((await errorOf(bossFormat.find(file))).message).toBe('"index.json" is not JSON, or cut off');
  });

  it('gives no voxels of files outside the folders that it may read from, also through links', async () => {
    const outside = join(root, `outside-${folders}`);
    await writePicture(join(outside, 'secret.tif'), flat(new Uint8Array(16), 42), 4);
    await writePicture(join(folder, 'a.tif'), flat(new Uint8Array(16), 7), 4);
    symlinkSync(join(outside, 'secret.tif'), join(folder, 'link.tif'));
    const at = (location: string, column: number): Tile => ({ location, z: 0, row: 0, column });
    const file = writeIndex([at('a.tif', 0), at(`../${basename(outside)}/secret.tif`, 1)]);
    const source = await bossFormat.open({ path: file, within: [folder] });
    expect(await readBox(source, [3, 0, 0, 4, 1, 1])).toEqual([7]);
    const error = await errorOf(source.read(0, [3, 0, 0, 5, 1, 1]));
    expect(error.code).toBe('FORBIDDEN');
    expect(error.message).not.toContain(root);
    await source.close();
    const linked = writeIndex([at('link.tif', 0)], JOB, 'linked.json');
    expect((await errorOf(bossFormat.open({ path: linked, within: [folder] }))).code).toBe('FORBIDDEN');
    const free = await bossFormat.open({ path: linked });
    expect(await readBox(free, [0, 0, 0, 1, 1, 1])).toEqual([42]);
    await free.close();
  });
});
