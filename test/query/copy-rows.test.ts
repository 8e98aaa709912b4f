/** Boxes put together by WebAssembly, beside `copyBox`. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import wabt from 'wabt';
import { type Box, boxShape, volumeOf } from '../../protocol/volume.ts';
import { copyBox } from '../../src/query/copy-box.ts';
import { BoxRoom, COPY_ROWS_WASM, MAX_ROOM_BYTES } from '../../src/query/copy-rows.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const room = BoxRoom.get();
if (room === undefined) throw new Error('this Node cannot run WebAssembly with vectors');

const corner = fc.tuple(...([0, 1, 2] as const).map(() => fc.integer({ min: -20, max: 20 })));
const size = fc.tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 9 }));
const boxes = fc
  .tuple(corner, size)
  .map(([[x = 0, y = 0, z = 0], [sx, sy, sz]]): Box => [x, y, z, x + sx, y + sy, z + sz]);

describe('BoxRoom', () => {
  const seed = testSeed('copy-rows');

  it('copies what two boxes have in common as copyBox does, and nothing else', () => {
    const random = seededRandom(seed);
    fc.assert(
      fc.property(boxes, boxes, fc.constantFrom(1, 2, 4, 8), fc.nat(9), (sourceBox, targetBox, voxelBytes, front) => {
        const source = Uint8Array.from({ length: volumeOf(boxShape(sourceBox)) * voxelBytes + front }, () =>
          Math.floor(random() * 256),
        ).subarray(front);
        const length = volumeOf(boxShape(targetBox)) * voxelBytes;
        const whole = room.target(Math.min(MAX_ROOM_BYTES, length + 64));
        whole.fill(7);
        const target = room.target(length);
        const expected = target.slice();
        copyBox(source, sourceBox, expected, targetBox, voxelBytes);
        room.copy(source, sourceBox, target, targetBox, voxelBytes);
        expect(Buffer.compare(target, expected)).toBe(0);
        expect(whole.subarray(length).every((byte) => byte === 7)).toBe(true);
      }),
      { seed, numRuns: testRuns(400) },
    );
  });

  it('takes tiles that are larger than what it copies in at once', () => {
    const sourceBox: Box = [0, 0, 0, 128, 128, 64];
    const targetBox: Box = [37, 3, 1, 165, 120, 60];
    const source = Uint8Array.from({ length: volumeOf(boxShape(sourceBox)) }, (_, i) => i * 31);
    const target = room.target(volumeOf(boxShape(targetBox)));
    target.fill(0);
    const expected = target.slice();
    copyBox(source, sourceBox, expected, targetBox, 1);
    room.copy(source, sourceBox, target, targetBox, 1);
    expect(Buffer.compare(target, expected)).toBe(0);
  });

  it('is what its source says', async () => {
    const name = path.resolve(import.meta.dirname, '../../src/query/copy-rows.wat');
    const module = (await wabt()).parseWat(name, readFileSync(name, 'utf8'), { simd: true });
    expect(Buffer.from(module.toBinary({}).buffer).toString('base64')).toBe(COPY_ROWS_WASM);
  });
});
