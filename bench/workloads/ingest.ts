/** Taking a volume in, with all its levels: `bfly ingest`, a copy of the same files, and the same job done by tensorstore. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { channelRecord } from '../../src/core/channel.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { decodeTileFrame } from '../../src/image/tile.ts';
import { CHUNK_SIDE } from './ingest-volume.ts';

const run = promisify(execFile);
const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
/** Python stays in the source tree. */
const SCRIPT = fileURLToPath(new URL('../../../bench/workloads/ingest_tensorstore.py', import.meta.url));
const PATH = 'bench/ingest/volume/em';

/** Who takes the volume in. */
export type IngestKind = 'bfly' | 'cp' | 'tensorstore';

/** Whether a Python with tensorstore is at hand: BFLY_PYTHON, or `python3`. */
export async function hasTensorstore(): Promise<boolean> {
  return run(python(), ['-c', 'import tensorstore']).then(
    () => true,
    () => false,
  );
}

const python = (): string => process.env['BFLY_PYTHON'] ?? 'python3';

/**
 * Takes a volume in, in a process of its own, until all of it is on the disk.
 *
 * @param work folder on the disk that is measured; what is made there is removed.
 * @param check looks at what was made. @throws Error where that is not the volume with its levels.
 * @returns seconds.
 */
export async function measureIngest(
  kind: IngestKind,
  volume: string,
  work: string,
  check?: (store: string) => Promise<void>,
): Promise<number> {
  const target = mkdtempSync(path.join(work, `${kind}-`));
  try {
    // What others have written is not to be flushed on anybody's time.
    await run('sync', ['-f', target]);
    const start = performance.now();
    if (kind === 'bfly')
      await run(process.execPath, [CLI, 'ingest', volume, PATH, '--voxel', '8,8,8', '--data', target]);
    else if (kind === 'cp') await run('cp', ['-r', volume, path.join(target, 'copy')]);
    else await run(python(), [SCRIPT, volume, target]);
    await run('sync', ['-f', target]);
    const seconds = (performance.now() - start) / 1_000;
    await check?.(target);
    return seconds;
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}

/** Compares a tile of the two finest levels of a store with the chunks of the volume. @throws Error where they differ. */
export async function checkStore(volume: string, store: string): Promise<void> {
  const database = await openLmdbDatabase(store, { readOnly: true });
  try {
    const record = channelRecord(database, PATH);
    if (record?.ingested !== true) throw new Error('the volume is not ingested');
    const tile = async (mip: number, at: number): Promise<Uint8Array> => {
      const frame = database.tile({ channel: record.number, mip, x: at, y: at, z: at, version: 0 });
      if (frame === undefined) throw new Error(`tile ${at},${at},${at} of mip ${mip} is not in the store`);
      return decodeTileFrame(frame, 'uint8');
    };
    const chunk = await readFile(path.join(volume, '1.1.1'));
    if (!chunk.equals(await tile(0, 1))) throw new Error('a tile is not its chunk');
    const means = meansOf(chunk);
    const coarse = await tile(1, 0);
    const half = CHUNK_SIDE / 2;
    // Chunk 1,1,1 is the last octant of the first coarser tile.
    for (let i = 0; i < means.length; i++) {
      const [x, y, z] = [i % half, Math.floor(i / half) % half, Math.floor(i / half ** 2)];
      const at = ((z + half) * CHUNK_SIDE + y + half) * CHUNK_SIDE + x + half;
      if (coarse[at] !== means[i]) throw new Error('a coarser tile is not the mean of the finer ones');
    }
  } finally {
    await database.close();
  }
}

/** Means of 2³ voxels, half up. */
function meansOf(chunk: Uint8Array): Uint8Array {
  const half = CHUNK_SIDE / 2;
  const means = new Uint8Array(half ** 3);
  for (let z = 0, i = 0; z < half; z++)
    for (let y = 0; y < half; y++)
      for (let x = 0; x < half; x++, i++) {
        let sum = 0;
        for (let corner = 0; corner < 8; corner++) {
          const [dx, dy, dz] = [corner & 1, (corner >> 1) & 1, corner >> 2];
          sum += chunk[((2 * z + dz) * CHUNK_SIDE + 2 * y + dy) * CHUNK_SIDE + 2 * x + dx] as number;
        }
        means[i] = Math.floor((sum + 4) / 8);
      }
  return means;
}
