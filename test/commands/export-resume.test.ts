/** What can go wrong with an export on its way: cuts at every step, files that are taken away, disks that lie. */
import { mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, boxShape, type DType, type MipInfo, type Vec3, volumeOf } from '../../protocol/volume.ts';
import type { RemotePull } from '../../src/commands/context.ts';
import { planePieces } from '../../src/commands/volume-export/export-plan.ts';
import { npyFormat, tiffFormat } from '../../src/commands/volume-export/write-planes.ts';
import { writeHdf5Volume } from '../../src/image/hdf5-writer.ts';
import { openSource } from '../../src/image/open-source.ts';
import { copyBox } from '../../src/query/copy-box.ts';
import { readNpyVoxels } from '../../src/utility/npy.ts';
import { RemoteVolume } from './remote-volume.ts';
import { type Outcome, run } from './terminal.ts';

let root = '';
let folder = '';
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'bfly-resume-'));
  folder = path.join(root, 'out');
});
afterEach(() => rm(root, { recursive: true }));

const exportTo = (volume: RemoteVolume, to: string, ...args: string[]): Promise<Outcome> =>
  run(['export', 'host:2001', 'e/s/d/c', folder, '--to', to, ...args], {
    parts: { connect: async () => volume.session },
  });

const FILES: Readonly<Record<string, string>> = { npy: 'c.npy', tiff: 'c.tif', h5: 'c.h5' };
const at = (name: string): string => path.join(folder, name);

/** Three pieces of planes. */
const large = (): RemoteVolume => new RemoteVolume('uint16', [1_100, 1_200, 30], [550, 600, 10]);

/** Lets a session fail at one of its pulls. */
function failingAt(volume: RemoteVolume, pull: number): RemoteVolume {
  const { session } = volume;
  let pulls = 0;
  const broken = (from: string, options: RemotePull): ReturnType<typeof session.pull> => {
    if (++pulls === pull) throw new BflyError('UNAVAILABLE', 'the connection is lost');
    return session.pull(from, options);
  };
  Object.assign(volume, { session: { ...session, pull: broken } });
  return volume;
}

describe('an export', () => {
  it.each(Object.keys(FILES))(
    'to %s that was cut after its file was whole, but before that was noted, stays whole',
    async (to) => {
      const volume = new RemoteVolume('uint16', [23, 19, 11], [8, 8, 4]);
      expect((await exportTo(volume, to)).code).toBe(0);
      const whole = await readFile(at(FILES[to] ?? ''));
      const done = await readFile(at('.bfly-export.done'), 'utf8');
      expect(done.endsWith('complete\n')).toBe(true);
      await writeFile(at('.bfly-export.done'), done.slice(0, -'complete\n'.length));
      const second = new RemoteVolume('uint16', [23, 19, 11], [8, 8, 4]);
      expect((await exportTo(second, to)).code).toBe(0);
      expect(second.pulled).toEqual([]);
      expect(Buffer.compare(await readFile(at(FILES[to] ?? '')), whole)).toBe(0);
      expect((await readdir(folder)).sort()).toEqual(['.bfly-export.done', '.bfly-export.json', FILES[to]]);
    },
  );

  it('to h5 that was cut between its planes and its file makes the file of the planes', {
    timeout: 60_000,
  }, async () => {
    const volume = new RemoteVolume('uint16', [23, 19, 11], [8, 8, 4]);
    expect((await exportTo(volume, 'npy')).code).toBe(0);
    const planes = await readFile(at('c.npy'));
    await rm(folder, { recursive: true });
    expect((await exportTo(volume, 'h5')).code).toBe(0);
    const done = await readFile(at('.bfly-export.done'), 'utf8');
    await writeFile(at('.bfly-export.done'), done.slice(0, -'complete\n'.length));
    await writeFile(at('c.h5.planes.part'), planes);
    await rename(at('c.h5'), at('c.h5.part'));
    await truncate(at('c.h5.part'), 500);
    expect((await exportTo(new RemoteVolume('uint16', [23, 19, 11], [8, 8, 4]), 'h5')).code).toBe(0);
    const source = await openSource({ path: at('c.h5') });
    expect(Buffer.compare(await source.read(0, volume.box), volume.bytes)).toBe(0);
    await source.close();
    expect((await readdir(folder)).sort()).toEqual(['.bfly-export.done', '.bfly-export.json', 'c.h5']);
  });

  it.each(Object.keys(FILES))(
    'to %s whose planes were taken away between two runs says so, and invents none',
    { timeout: 60_000 },
    async (to) => {
      expect((await exportTo(failingAt(large(), 3), to)).code).not.toBe(0);
      const part = (await readdir(folder)).find((name) => name.endsWith('.part')) ?? '';
      await rm(at(part));
      const { code, err } = await exportTo(large(), to);
      expect([code, err]).toEqual([
        1,
        expect.stringContaining(`"${part}" of the earlier run is gone: give an empty folder`),
      ]);
      expect(await readdir(folder)).not.toContain(FILES[to]);
    },
  );

  it('leaves no file behind that was under way when it was cut', async () => {
    const small = (): RemoteVolume => new RemoteVolume('uint16', [23, 19, 11], [8, 8, 4]);
    expect((await exportTo(failingAt(small(), 2), 'precomputed')).code).not.toBe(0);
    await writeFile(at('s0_8_8_40/.8-16_0-8_0-4.00c0ffee.part'), 'half a chunk');
    expect((await exportTo(small(), 'precomputed')).code).toBe(0);
    const names = await readdir(folder, { recursive: true });
    expect(names).toContain('s0_8_8_40/8-16_0-8_0-4');
    expect(names.filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('asks for each chunk of a wide volume once, and never for more than fits', () => {
    const info: MipInfo = { shape: [1_000, 700, 40], chunk: [64, 64, 16], voxel: [1, 1, 1], offset: [3, -5, 7] };
    const box: Box = [10, 0, 9, 1_000, 690, 45];
    for (const maxBytes of [100_000_000, 4_000_000, 400_000]) {
      const plan = { path: 'e/s/d/c', type: 'image', dtype: 'uint16', levels: [{ mip: 0, info, box }] } as const;
      const pieces = [...planePieces(plan, maxBytes)];
      let voxels = 0;
      const chunks = new Set<string>();
      let asked = 0;
      for (const { box: piece } of pieces) {
        voxels += volumeOf(boxShape(piece));
        expect(volumeOf(boxShape(piece)) * 2).toBeLessThanOrEqual(maxBytes);
        const from = (axis: 0 | 1 | 2): number => Math.floor((piece[axis] - info.offset[axis]) / info.chunk[axis]);
        const to = (axis: 0 | 1 | 2): number =>
          Math.ceil(((piece[axis + 3] as number) - info.offset[axis]) / info.chunk[axis]);
        for (let z = from(2); z < to(2); z++)
          for (let y = from(1); y < to(1); y++)
            for (let x = from(0); x < to(0); x++) {
              chunks.add(`${x},${y},${z}`);
              asked++;
            }
      }
      expect(voxels).toBe(volumeOf(boxShape(box)));
      expect(asked).toBe(chunks.size);
    }
  });

  it.each(['npy', 'tiff'])('to %s may be written in pieces of any form', async (to) => {
    const volume = new RemoteVolume('uint8', [37, 21, 9], [8, 8, 4], [3, 2, 5]);
    const [info] = volume.info.mips;
    if (info === undefined) throw new Error('no level');
    const box: Box = [5, 4, 6, 38, 23, 14];
    const plan = { path: 'e/s/d/c', type: 'image', dtype: 'uint8', levels: [{ mip: 0, info, box }] } as const;
    const pieces = [...planePieces(plan, 600)];
    expect(pieces.length).toBeGreaterThan(20);
    const writer = (to === 'npy' ? npyFormat : tiffFormat).open(root, plan);
    await writer.begin({ done: 0, left: pieces.length });
    for (const piece of pieces) await writer.write(piece, volume.cut(piece.box));
    await writer.finish();
    await writer.close();
    const file = path.join(root, FILES[to] ?? '');
    if (to === 'npy') expect(Buffer.compare(readNpyVoxels(await readFile(file), 'it').bytes, volume.cut(box))).toBe(0);
    else {
      const source = await openSource({ path: file });
      expect(Buffer.compare(await source.read(0, [0, 0, 0, 33, 19, 8]), volume.cut(box))).toBe(0);
      await source.close();
    }
  });
});

describe('an HDF5 file', () => {
  const shape: Vec3 = [9, 7, 5];
  const voxels = Uint8Array.from({ length: volumeOf(shape) }, (_, i) => i);
  const layout = { dtype: 'uint8' as DType, shape, voxel: [1, 1, 1] as Vec3 };
  const box: Box = [0, 0, 0, ...shape];

  it('that does not hold what was written into it is refused', async () => {
    const file = path.join(root, 'a.h5');
    let reads = 0;
    async function* planes(): AsyncGenerator<Uint8Array> {
      reads++;
      const bytes = voxels.slice();
      // What a disk that is full leaves: other bytes than those that were written.
      if (reads > 1) bytes[200] = (bytes[200] ?? 0) + 1;
      yield bytes;
    }
    await expect(writeHdf5Volume(file, layout, box, planes)).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining('the HDF5 file does not hold what was written into it'),
    });
    expect(reads).toBe(2);
  });

  it('is written in pieces that fit together', async () => {
    const file = path.join(root, 'b.h5');
    async function* planes(): AsyncGenerator<Uint8Array> {
      for (let z = 0; z < 5; z += 2) yield voxels.slice(z * 63, Math.min(5, z + 2) * 63);
    }
    await writeHdf5Volume(file, layout, box, planes);
    const source = await openSource({ path: file });
    const out = new Uint8Array(voxels.length);
    copyBox(await source.read(0, box), box, out, box, 1);
    expect(out).toEqual(voxels);
    await source.close();
  });
});
