/** What every source does. Run by `test/image/*.test.ts`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type MipInfo,
  mipBox,
  type Vec3,
  volumeOf,
} from '../../protocol/volume.ts';
import { codecOf } from '../../src/image/codecs/registry.ts';
import type { Source } from '../../src/image/source.ts';
import { intersect } from '../../src/query/box.ts';
import { copyBox } from '../../src/query/copy-box.ts';
import { errorOf } from '../image/source-fixtures.ts';
import { seededRandom, testSeed } from '../support/seed.ts';

/** A volume whose voxels are known. */
export interface KnownSource {
  open(): Promise<Source>;
  /** Voxels of each level, x fastest, little-endian; an encoding with losses is none for this suite. */
  readonly levels: readonly Uint8Array[];
  /** Changes the volume's files, so that what was made from them does not hold any more. */
  change?(): Promise<void>;
}

const BOXES = 40;
const AT_ONCE = 12;

/** Defines the suite for one volume. */
export function sourceContract(name: string, setUp: () => Promise<KnownSource>): void {
  describe(`${name} keeps the contract of a source`, () => {
    let known: KnownSource;
    let source: Source;
    beforeAll(async () => {
      known = await setUp();
      source = await known.open();
    });
    afterAll(async () => {
      await source.close();
    });

    const levels = (): [number, MipInfo, Uint8Array][] =>
      source.info.mips.map((level, mip) => [mip, level, known.levels[mip] ?? new Uint8Array(0)]);
    const expected = (level: MipInfo, whole: Uint8Array, box: Box): Buffer => {
      const voxelBytes = BYTES_PER_VOXEL[source.info.dtype];
      const out = new Uint8Array(volumeOf(boxShape(box)) * voxelBytes);
      copyBox(whole, mipBox(level), out, box, voxelBytes);
      return Buffer.from(out);
    };

    it('says of itself what can be: levels of voxels above 0, chunks no larger than their level, whole offsets', () => {
      const { mips, dtype, voxelKnown } = source.info;
      expect(mips).toHaveLength(known.levels.length);
      expect(voxelKnown || mips[0]?.voxel.every((size) => size === 1)).toBe(true);
      for (const [, { shape, chunk, voxel, offset }, whole] of levels()) {
        expect([...shape, ...chunk].every((size) => Number.isSafeInteger(size) && size > 0)).toBe(true);
        expect(chunk.every((size, axis) => size <= (shape[axis] ?? 0))).toBe(true);
        expect(voxel.every((size) => size > 0 && Number.isFinite(size))).toBe(true);
        expect(offset.every(Number.isSafeInteger)).toBe(true);
        expect(whole.length).toBe(volumeOf(shape) * BYTES_PER_VOXEL[dtype]);
      }
    });

    it('reads every level whole', async () => {
      for (const [mip, level, whole] of levels())
        expect(Buffer.compare(await source.read(mip, mipBox(level)), whole)).toBe(0);
    });

    it('reads any box of any level, one after the other', async () => {
      const random = seededRandom(testSeed(`${name}: boxes`));
      for (const [mip, level, whole] of levels())
        for (let i = 0; i < BOXES; i++) {
          const box = randomBox(level, random);
          expect(Buffer.compare(await source.read(mip, box), expected(level, whole, box)), `mip ${mip} ${box}`).toBe(0);
        }
    });

    it('reads boxes at the same time, each into bytes of its own', async () => {
      const random = seededRandom(testSeed(`${name}: at the same time`));
      for (const [mip, level, whole] of levels()) {
        const boxes = Array.from({ length: AT_ONCE }, () => randomBox(level, random));
        const twice = [...boxes, ...boxes];
        const read = await Promise.all(
          twice.map(async (box) => {
            const bytes = await source.read(mip, box);
            const isRight = Buffer.compare(bytes, expected(level, whole, box)) === 0;
            // Whoever owns bytes may write to them.
            bytes.fill(0xa5);
            return isRight;
          }),
        );
        expect(read).toEqual(twice.map(() => true));
        const again = await source.read(mip, mipBox(level));
        expect(Buffer.compare(again, whole)).toBe(0);
      }
    });

    it('gives chunks that decode to their boxes, and none outside its grid', async () => {
      if (source.readChunk === undefined) return;
      for (const [mip, level, whole] of levels()) {
        for (const [index, box] of chunksOf(level)) {
          const chunk = await source.readChunk(mip, index);
          if (chunk === undefined) continue;
          const wanted = expected(level, whole, box);
          const voxels =
            chunk === 'absent'
              ? new Uint8Array(wanted.length)
              : await codecOf(chunk.encoding).decode(chunk.bytes, boxShape(box), source.info.dtype);
          expect(Buffer.compare(voxels, wanted), `mip ${mip} chunk ${index}`).toBe(0);
        }
        const beyond: Vec3 = [Math.ceil(level.shape[0] / level.chunk[0]), 0, 0];
        expect(await source.readChunk(mip, beyond)).toBeUndefined();
      }
    });

    it('has no more levels than it says', async () => {
      const { code } = await errorOf(source.read(source.info.mips.length, [0, 0, 0, 1, 1, 1]));
      expect(code).toBe('NOT_FOUND');
    });

    it('has the same fingerprint when it is opened again, and another when its files have changed', async () => {
      const second = await known.open();
      expect(second.info).toEqual(source.info);
      await second.close();
      if (known.change === undefined) return;
      await known.change();
      const third = await known.open();
      expect(third.info.fingerprint).not.toBe(source.info.fingerprint);
      await third.close();
    });
  });
}

function randomBox({ shape, offset }: MipInfo, random: () => number): Box {
  const range = (axis: 0 | 1 | 2): [number, number] => {
    const from = Math.floor(random() * shape[axis]);
    return [offset[axis] + from, offset[axis] + from + 1 + Math.floor(random() * (shape[axis] - from))];
  };
  const [[x0, x1], [y0, y1], [z0, z1]] = [range(0), range(1), range(2)];
  return [x0, y0, z0, x1, y1, z1];
}

function* chunksOf(level: MipInfo): Generator<[Vec3, Box]> {
  const { shape, chunk, offset } = level;
  for (let z = 0; z * chunk[2] < shape[2]; z++)
    for (let y = 0; y * chunk[1] < shape[1]; y++)
      for (let x = 0; x * chunk[0] < shape[0]; x++) {
        const at: Vec3 = [offset[0] + x * chunk[0], offset[1] + y * chunk[1], offset[2] + z * chunk[2]];
        const box = intersect([...at, at[0] + chunk[0], at[1] + chunk[1], at[2] + chunk[2]], mipBox(level));
        if (box !== undefined) yield [[x, y, z], box];
      }
}
