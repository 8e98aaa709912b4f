/** `bfly ingest`, killed, interrupted and taken up again. */
import { stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Box, mipBox } from '../../protocol/volume.ts';
import { connect } from '../../src/client/node.ts';
import { type ChannelRecord, channelRecord } from '../../src/core/channel.ts';
import type { Database } from '../../src/database/database.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { gridShape, tileBox, tilesIn } from '../../src/query/tile-grid.ts';
import { Commands } from '../support/cli.ts';
import { needsBuild, temporaryFolder } from '../support/line-server.ts';
import { naiveVoxel } from '../support/naive-levels.ts';
import { type KnownVolume, labelVolume, writeTiff } from '../support/volume-files.ts';

let top: Awaited<ReturnType<typeof temporaryFolder>>;
let commands: Commands;
const at = (name: string): string => path.join(top.path, name);

needsBuild();
beforeAll(async () => {
  top = await temporaryFolder('cli-ingest');
  await writeTiff(at('vols/small.tif'), labelVolume([40, 30, 20], [4, 4, 4]));
  commands = new Commands(top.path);
}, 60_000);
afterEach(() => commands.dispose());
afterAll(() => top.dispose());

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

describe('bfly ingest', { timeout: 120_000 }, () => {
  /** 96 tiles of 64³ at the finest level. */
  const volume = labelVolume([256, 192, 512], [11, 7, 9], 5);
  const target = 'lab/fly/big/ids';

  it('killed in the middle, goes on where it was: what was made is not read again', async () => {
    const source = at('big.tif');
    await writeTiff(source, volume);
    // A whole second, which can be set again exactly.
    await utimes(source, 1_700_000_000, 1_700_000_000);
    const { size } = await stat(source);
    const first = commands.start('ingest', 'big.tif', target, '--data', 'resumed');
    const kept = await tilesAfterKill(at('resumed'), () => first.kill('SIGKILL'), first.ended);
    expect((await first.ended).signal).toBe('SIGKILL');
    expect(kept.boxes.length).toBeGreaterThan(0);
    expect(kept.boxes.length).toBeLessThan(kept.total);

    // Whatever the second run reads again of what the first had made, it reads as noise.
    await writeTiff(source, withNoise(volume, kept.boxes));
    await utimes(source, 1_700_000_000, 1_700_000_000);
    expect((await stat(source)).size).toBe(size);
    const second = await commands.run('ingest', 'big.tif', target, '--data', 'resumed');
    expect(second.code).toBe(0);
    expect(second.err).toMatch(/ingest: 100%/);
    expect(lines(second.err).at(-1)).toMatch(/^bfly: [\d,]+ voxels ingested as lab\/fly\/big\/ids$/);

    const server = await commands.serve('--data', 'resumed', '--exp', 'vols');
    const session = await connect(server.url, { reconnect: false });
    const { data } = await session.cutout(target);
    expect(Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(volume.bytes)).toBe(true);
    const info = await session.info(target);
    const coarsest = info.kind === 'channel' ? info.mips.at(-1) : undefined;
    expect(Math.max(...(coarsest?.shape ?? [999]))).toBeLessThanOrEqual(64);
    await expectLevels(session, target);
    await session.close();
  });

  it('done already, says so at once', async () => {
    await commands.run('ingest', 'vols/small.tif', 'lab/a/b/c', '--data', 'twice');
    const again = await commands.run('ingest', 'vols/small.tif', 'lab/a/b/c', '--data', 'twice');
    expect(again.code).toBe(0);
  });

  it('interrupted, says what to do and exits 130', async () => {
    // So large that much is left when the first tiles are there.
    await writeTiff(at('long.tif'), labelVolume([256, 192, 1024], [11, 7, 9], 5));
    const run = commands.start('ingest', 'long.tif', target, '--data', 'interrupted');
    const kept = await tilesAfterKill(at('interrupted'), () => run.kill('SIGINT'), run.ended);
    expect(kept.boxes.length).toBeLessThan(kept.total);
    const { code, err } = await run.ended;
    const said = lines(err).at(-1);
    expect({ code, said }).toEqual({ code: 130, said: 'bfly: interrupted; the same command goes on where it was' });
  });

  /** Watches a store beside its writer, ends the writer when some tiles are there, and says which. */
  async function tilesAfterKill(
    dataDir: string,
    kill: () => void,
    ended: Promise<unknown>,
  ): Promise<{ boxes: Box[]; total: number }> {
    const watched = await whenIngesting(dataDir);
    const { database, record } = watched;
    await expect.poll(() => database.countTiles(record.number, 0), { interval: 5, timeout: 60_000 }).toBeGreaterThan(7);
    kill();
    await ended;
    const level = record.mips[0];
    if (level === undefined) throw new Error('the record has no levels');
    const boxes: Box[] = [];
    let total = 0;
    for (const [x, y, z] of tilesIn([0, 0, 0, ...gridShape(level)])) {
      total++;
      if (database.hasTile({ channel: record.number, mip: 0, x, y, z, version: 0 }))
        boxes.push(tileBox(level, x, y, z));
    }
    await database.close();
    return { boxes, total };
  }

  /** Opens a store for reading as soon as an ingest has begun in it. */
  async function whenIngesting(dataDir: string): Promise<{ database: Database; record: ChannelRecord }> {
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
      const database = await openLmdbDatabase(dataDir, { readOnly: true }).catch(() => undefined);
      const record = database === undefined ? undefined : channelRecord(database, target);
      if (database !== undefined && record !== undefined) return { database, record };
      await database?.close();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error('the ingest did not begin');
  }
});

/** Compares samples of every level that was built with the naive one. */
async function expectLevels(session: Awaited<ReturnType<typeof connect>>, channel: string): Promise<void> {
  const info = await session.info(channel);
  if (info.kind !== 'channel') throw new Error('not a channel');
  for (let mip = 1; mip < info.mips.length; mip++) {
    const [below, level] = [info.mips[mip - 1], info.mips[mip]];
    if (below === undefined || level === undefined) continue;
    const finer = (await session.cutout(channel, { mip: mip - 1 })).data;
    const [sx, sy, sz] = level.shape;
    const box: Box = [sx - Math.min(sx, 40), sy - Math.min(sy, 20), sz - 1, sx, sy, sz];
    expect(mipBox(level)).toEqual([0, 0, 0, sx, sy, sz]);
    const { data } = await session.cutout(channel, { mip, box });
    const factor = (axis: 0 | 1 | 2): number => Math.round(below.shape[axis] / level.shape[axis]);
    let n = 0;
    for (let z = box[2]; z < sz; z++)
      for (let y = box[1]; y < sy; y++)
        for (let x = box[0]; x < sx; x++, n++) {
          const expected = naiveVoxel(finer, below.shape, [factor(0), factor(1), factor(2)], info.type, [x, y, z]);
          if (data[n] !== expected) expect([mip, x, y, z, data[n]]).toEqual([mip, x, y, z, expected]);
        }
  }
}

/** The volume with other voxels in some boxes. */
function withNoise(volume: KnownVolume, boxes: readonly Box[]): KnownVolume {
  const bytes = volume.bytes.slice();
  const [nx, ny] = volume.shape;
  for (const [x0, y0, z0, x1, y1, z1] of boxes)
    for (let z = z0; z < z1; z++)
      for (let y = y0; y < y1; y++) bytes.fill(0xaa, ((z * ny + y) * nx + x0) * 4, ((z * ny + y) * nx + x1) * 4);
  return { ...volume, bytes };
}
