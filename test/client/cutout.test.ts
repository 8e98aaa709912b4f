import { describe, expect, it } from 'vitest';
import { type Box, BYTES_PER_VOXEL, boxShape, DTYPES, type DType, volumeOf } from '../../protocol/index.ts';
import { copyTile } from '../../src/client/cutout.ts';
import { openSession, type Session } from '../../src/client/session.ts';
import {
  FakeServer,
  type FakeVolume,
  ManualClock,
  naiveCutout,
  seededRandom,
  settled,
} from '../support/fake-server.ts';

async function stage(volume?: FakeVolume): Promise<{ server: FakeServer; clock: ManualClock; session: Session }> {
  const server = new FakeServer();
  const clock = new ManualClock();
  if (volume !== undefined) server.volumes.set('a', volume);
  const session = await openSession('ws://fake', {}, { openSocket: server.transport, clock });
  await settled();
  return { server, clock, session };
}

const SMALL: FakeVolume = {
  dtype: 'uint8',
  offset: [0, 0, 0],
  shape: [40, 30, 20],
  chunk: [16, 16, 16],
  voxel: (x, y, z) => (x * 7 + y * 3 + z) & 255,
};

/** A volume whose voxels all differ where the dtype allows, with constant parts. */
function randomVolume(dtype: DType, random: () => number): FakeVolume {
  const pick = (low: number, high: number): number => Math.floor(low + random() * (high - low));
  const wide = BYTES_PER_VOXEL[dtype] === 8;
  const voxel = (x: number, y: number, z: number): number | bigint => {
    const flat = ((x >> 4) + (y >> 4) + (z >> 4)) % 3 === 0;
    const n = flat ? 0 : (x + 1_000) * 1_000_003 + (y + 1_000) * 1_009 + z;
    if (wide) return BigInt.asUintN(64, BigInt(n) * 0x9e37_79b9_7f4a_7c15n);
    return dtype === 'float32' ? n / 7 : n;
  };
  return {
    dtype,
    offset: [pick(-20, 20), pick(-20, 20), pick(-20, 20)],
    shape: [pick(1, 50), pick(1, 50), pick(1, 30)],
    chunk: [pick(4, 40), pick(4, 40), pick(1, 40)],
    voxel,
    fill: random() < 0.5,
    enc: random() < 0.5 ? ['raw'] : ['gzip', 'raw'],
  };
}

describe('a cutout', () => {
  for (const [i, dtype] of DTYPES.entries()) {
    const seed = 100 + i;
    it(`of ${dtype} is what a loop over voxels gives, also where the box sticks out (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      const pick = (low: number, high: number): number => Math.floor(low + random() * (high - low));
      for (let round = 0; round < 12; round++) {
        const volume = randomVolume(dtype, random);
        const { session, server } = await stage(volume);
        server.frame = pick(100, 5_000);
        const low = volume.offset.map((at) => at + pick(-15, 30));
        const [x = 0, y = 0, z = 0] = low;
        const box: Box = [x, y, z, x + pick(1, 60), y + pick(1, 60), z + pick(1, 40)];
        const { data, shape, ...rest } = await session.cutout('a', { box });
        expect(rest).toEqual({ dtype, mip: 0, box, seq: 7 });
        expect(shape).toEqual(boxShape(box));
        expect(data.length).toBe(volumeOf(shape));
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        expect(Buffer.compare(bytes, naiveCutout(volume, box)), `round ${round}`).toBe(0);
        await session.close();
      }
    });
  }

  it('keeps every bit of a uint64', async () => {
    const { session } = await stage({
      ...SMALL,
      dtype: 'uint64',
      voxel: (x) => 2n ** 64n - 1n - BigInt(x),
      enc: ['cseg'],
    });
    const { data } = await session.cutout('a', { box: [0, 0, 0, 3, 1, 1] });
    expect(data).toEqual(BigUint64Array.of(2n ** 64n - 1n, 2n ** 64n - 2n, 2n ** 64n - 3n));
  });

  it('is the whole level where there is no box, and tells how far it is', async () => {
    const { session, server } = await stage(SMALL);
    const heard: string[] = [];
    const onProgress = ({ tiles, total }: { tiles: number; total: number }): void =>
      void heard.push(`${tiles}/${total}`);
    const cutout = await session.cutout('a', { onProgress });
    expect(cutout.box).toEqual([0, 0, 0, 40, 30, 20]);
    expect(heard.length).toBe(12);
    expect(heard.at(-1)).toBe('12/12');
    expect(server.last.all('PULL')[0]).toMatchObject({ order: 'scan' });
  });

  it('is refused over maxBytes before a voxel is asked for, and after the dtype is known', async () => {
    const { session, server } = await stage({ ...SMALL, dtype: 'uint32' });
    const box: Box = [0, 0, 0, 10, 10, 10];
    await expect(session.cutout('a', { box, maxBytes: 999 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
    expect(server.last.all('PULL').length).toBe(0);
    await expect(session.cutout('a', { box, maxBytes: 3_999 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
    await expect(session.cutout('a', { box, maxBytes: 4_000 })).resolves.toMatchObject({ dtype: 'uint32' });
    await expect(session.cutout('a', { box: [0, 0, 0, 2_000, 2_000, 2_000] })).rejects.toMatchObject({
      code: 'TOO_LARGE',
    });
    expect(server.last.pulls).toBe(0);
  });

  it('fails with the error of a chunk, and asks for no more', async () => {
    const { session, server } = await stage({ ...SMALL, broken: (x) => x === 16 });
    await expect(session.cutout('a', { box: [0, 0, 0, 40, 30, 20] })).rejects.toMatchObject({
      message: 'the chunk is damaged',
    });
    await settled();
    expect(server.last.pulls).toBe(0);
  });

  it('ends with its signal', async () => {
    const { session, server } = await stage(SMALL);
    const control = new AbortController();
    const onProgress = (): void => control.abort();
    const cutout = session.cutout('a', { box: [0, 0, 0, 40, 30, 20], signal: control.signal, onProgress });
    await expect(cutout).rejects.toMatchObject({ name: 'AbortError' });
    await settled();
    expect(server.last.pulls).toBe(0);
  });

  it('goes on over a lost connection', async () => {
    const { session, server, clock } = await stage(SMALL);
    const box: Box = [-3, 2, 1, 38, 33, 19];
    server.last.framesLeft = 4;
    const cutout = session.cutout('a', { box });
    await clock.advance(5_000);
    const { data } = await cutout;
    expect(server.connections.length).toBe(2);
    expect(Buffer.compare(data as Uint8Array, naiveCutout(SMALL, box))).toBe(0);
  });
});

describe('copying tiles', () => {
  const seed = 4_242;
  it(`writes what both boxes have and nothing else (seed ${seed})`, () => {
    const random = seededRandom(seed);
    const pick = (low: number, high: number): number => Math.floor(low + random() * (high - low));
    const box = (): Box => {
      const [x, y, z] = [pick(-5, 5), pick(-5, 5), pick(-5, 5)];
      return [x, y, z, x + pick(1, 9), y + pick(1, 9), z + pick(1, 9)];
    };
    for (let round = 0; round < 500; round++) {
      const size = [1, 2, 4, 8][pick(0, 4)] ?? 1;
      const from = box();
      const to: Box = random() < 0.3 ? [from[0], from[1] - 1, from[2], from[3], from[4], from[5] + 1] : box();
      const source = Uint8Array.from({ length: volumeOf(boxShape(from)) * size }, () => pick(1, 256));
      const target = new Uint8Array(volumeOf(boxShape(to)) * size);
      copyTile(source, from, target, to, size);
      const at = (b: Box, x: number, y: number, z: number): number =>
        (((z - b[2]) * (b[4] - b[1]) + (y - b[1])) * (b[3] - b[0]) + (x - b[0])) * size;
      const inside = (b: Box, x: number, y: number, z: number): boolean =>
        x >= b[0] && y >= b[1] && z >= b[2] && x < b[3] && y < b[4] && z < b[5];
      for (let z = to[2]; z < to[5]; z++)
        for (let y = to[1]; y < to[4]; y++)
          for (let x = to[0]; x < to[3]; x++)
            for (let b = 0; b < size; b++) {
              const expected = inside(from, x, y, z) ? source[at(from, x, y, z) + b] : 0;
              if (target[at(to, x, y, z) + b] !== expected) throw new Error(`round ${round}: ${x},${y},${z}`);
            }
    }
  });
});
