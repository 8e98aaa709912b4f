/** Assembling a box of 256³ uint8 from hot tiles, in parts as the socket takes them, beside one memcpy of the same bytes. */

import type { Box } from '../../protocol/volume.ts';
import { Core } from '../../src/core/core.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { CHANNELS } from '../support/store.ts';
import type { Rate } from './pull.ts';

/** 256³ voxels that begin inside chunks along x and y; the store is just as deep. */
export const CUTOUT_BOX: Box = [37, 21, 0, 293, 277, 256];
const PART_BYTES = 256 * 1024;

/** An assembler with its store open. */
export interface CutoutBench {
  /** Checks the assembled bytes against tiles read one by one. */
  check(): Promise<void>;
  /** @returns bytes assembled a second. */
  assemble(seconds: number): Promise<Rate>;
  /** @returns bytes copied a second. */
  copy(seconds: number): Promise<Rate>;
  close(): Promise<void>;
}

/** Opens the store. */
export async function openCutoutBench(dataDir: string): Promise<CutoutBench> {
  const database = await openLmdbDatabase(dataDir);
  const maker = new InlineTileMaker();
  const { path } = CHANNELS.large;
  const core = new Core({ database, maker, cacheBytes: 2 ** 30, channels: [{ path }], log: SILENT_LOG });
  const channel = await core.updateQuery({ path });
  const part = new Uint8Array(64 + PART_BYTES).subarray(64);
  const once = async (sink?: (bytes: Uint8Array) => void): Promise<number> => {
    const cutout = core.openCutout(channel, 0, CUTOUT_BOX, PART_BYTES);
    for (let bytes = cutout.nextBytes; bytes > 0; bytes = cutout.nextBytes) {
      const waiting = cutout.next(part);
      if (waiting !== undefined) await waiting;
      else sink?.(part.subarray(0, bytes));
    }
    return cutout.totalBytes;
  };
  const source = new Uint8Array(await once());
  const target = new Uint8Array(source.length);
  const timed = async (seconds: number, work: () => number | Promise<number>): Promise<Rate> => {
    let bytes = 0;
    const start = performance.now();
    const until = start + seconds * 1_000;
    while (performance.now() < until) bytes += await work();
    return { perSecond: bytes / ((performance.now() - start) / 1_000) };
  };
  return {
    async check() {
      const parts: Buffer[] = [];
      await once((bytes) => parts.push(Buffer.from(bytes)));
      const voxels = await core.readBox(channel, 0, CUTOUT_BOX);
      if (!Buffer.concat(parts).equals(voxels.raw)) throw new Error('the assembled box is not what was read');
    },
    assemble: (seconds) => timed(seconds, () => once()),
    copy: (seconds) =>
      timed(seconds, () => {
        target.set(source);
        return source.length;
      }),
    async close() {
      await maker.close();
      await database.close();
    },
  };
}
