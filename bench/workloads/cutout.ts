/** Assembling a box of 256³ uint8 from hot tiles, beside a program in C that copies the same rows. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Box, boxShape, volumeOf } from '../../protocol/volume.ts';
import { Core } from '../../src/core/core.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import { tileBox, tilesIn, tilesOf } from '../../src/query/tile-grid.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { compile } from '../support/c-program.ts';
import { runScript } from '../support/child.ts';
import { CHANNELS, levelOf, voxelsOf } from '../support/store.ts';

/** 256³ voxels that begin inside chunks along x and y; the store is just as deep. */
export const CUTOUT_BOX: Box = [37, 21, 0, 293, 277, 256];
/** What a socket is sent at a time. */
export const PART_BYTES = 256 * 1024;

/** Bytes in a time. */
interface Assembled {
  readonly bytes: number;
  readonly seconds: number;
}

/** An assembler with its store open. */
export interface CutoutBench {
  /** @throws where the assembled bytes are not those of the tiles, copied voxel by voxel. */
  check(): Promise<void>;
  assemble(seconds: number): Promise<Assembled>;
  close(): Promise<void>;
}

/** Opens the store. The box is made in parts of at most `partBytes`, all in the same room. */
export async function openCutoutBench(dataDir: string, partBytes: number): Promise<CutoutBench> {
  const database = await openLmdbDatabase(dataDir);
  const maker = new InlineTileMaker();
  const { path } = CHANNELS.large;
  const core = new Core({ database, maker, cacheBytes: 2 ** 30, channels: [{ path }], log: SILENT_LOG });
  const channel = await core.updateQuery({ path });
  const part = new Uint8Array(64 + partBytes).subarray(64);
  const once = async (sink?: (bytes: Uint8Array) => void): Promise<number> => {
    const cutout = core.openCutout(channel, 0, CUTOUT_BOX, partBytes);
    for (let bytes = cutout.nextBytes; bytes > 0; ) {
      const waiting = cutout.next(part);
      if (waiting !== undefined) {
        await waiting;
        continue;
      }
      sink?.(part.subarray(0, bytes));
      bytes = cutout.nextBytes;
    }
    return cutout.totalBytes;
  };
  return {
    async check() {
      const parts: Buffer[] = [];
      await once((bytes) => parts.push(Buffer.from(bytes)));
      if (Buffer.compare(Buffer.concat(parts), voxelByVoxel()) !== 0)
        throw new Error('the assembled box is not what was stored');
    },
    async assemble(seconds) {
      let bytes = 0;
      const start = performance.now();
      const until = start + seconds * 1_000;
      while (performance.now() < until) bytes += await once();
      return { bytes, seconds: (performance.now() - start) / 1_000 };
    },
    async close() {
      await maker.close();
      await database.close();
    },
  };
}

/** The box, made the plainest way. */
function voxelByVoxel(): Uint8Array {
  const target = new Uint8Array(volumeOf(boxShape(CUTOUT_BOX)));
  const level = levelOf(CHANNELS.large);
  const [x0, y0, z0, x1, y1, z1] = CUTOUT_BOX;
  for (const tile of tilesIn(tilesOf(level, CUTOUT_BOX))) {
    const [tx0, ty0, tz0, tx1, ty1, tz1] = tileBox(level, ...tile);
    const voxels = voxelsOf(CHANNELS.large, [tx0, ty0, tz0, tx1, ty1, tz1]);
    let at = 0;
    for (let z = tz0; z < tz1; z++)
      for (let y = ty0; y < ty1; y++)
        for (let x = tx0; x < tx1; x++, at++)
          if (x >= x0 && x < x1 && y >= y0 && y < y1 && z >= z0 && z < z1)
            target[((z - z0) * (y1 - y0) + (y - y0)) * (x1 - x0) + (x - x0)] = voxels[at] as number;
  }
  return target;
}

/** One round of ours in a process of its own. @returns bytes a second. */
export async function assembleInProcess(dataDir: string, seconds: number, partBytes: number): Promise<number> {
  return perSecond(await runScript('workloads/assemble-box.js', [dataDir, seconds, partBytes]));
}

/** One round of the program in C, which copies a row at a time and checks itself. @returns bytes a second. */
export async function copyRows(program: string, seconds: number, partBytes: number): Promise<number> {
  const [x0, y0, , x1, y1] = CUTOUT_BOX;
  const planes = Math.floor(partBytes / ((x1 - x0) * (y1 - y0)));
  const words = [seconds, planes, ...CUTOUT_BOX, CHANNELS.large.chunk[0]].map(String);
  return perSecond(JSON.parse((await promisify(execFile)(program, words)).stdout));
}

/** The program in C; undefined where there is no compiler. */
export const rowCopyProgram = (): Promise<string | undefined> => compile('row-copy');

function perSecond(assembled: unknown): number {
  const { bytes, seconds } = assembled as Assembled; // what our own programs print
  return bytes / seconds;
}
