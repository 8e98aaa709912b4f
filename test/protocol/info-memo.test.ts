/** INFOs that were read before. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeClient } from '../../protocol/decode.ts';
import { encodeClient } from '../../protocol/encode.ts';
import { InfoMemo } from '../../protocol/info-memo.ts';
import { testRuns, testSeed } from '../support/seed.ts';

const infoOf = (id: number, path: string): Uint8Array => encodeClient({ kind: 'INFO', id, path }).slice();
const paths = fc.constantFrom('a/b/c/d', 'a/b/c/e', 'x', 'a/b', `a/${'n'.repeat(60)}`, ...'klmnopqrst');

describe('InfoMemo', () => {
  it('[I1] reads what comes again just as it was read at first, whatever the id and whoever else asks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff })), paths), { maxLength: 40 }),
        (asked) => {
          for (const [id, path] of asked) expect(decodeClient(infoOf(id, path))).toEqual({ kind: 'INFO', id, path });
        },
      ),
      { seed: testSeed('infos'), numRuns: testRuns(300) },
    );
  });

  it('knows a frame by all of its bytes but the id', () => {
    const memo = new InfoMemo();
    const frame = infoOf(7, 'a/b/c/d');
    expect(memo.read(frame)).toBeUndefined();
    const borrowed = frame.slice();
    memo.remember(borrowed, { kind: 'INFO', id: 7, path: 'a/b/c/d' });
    borrowed.fill(0);
    for (const id of [1, 127, 128, 255, 256, 65_535, 65_536, 0xffff_ffff])
      expect(memo.read(infoOf(id, 'a/b/c/d'))).toEqual({ kind: 'INFO', id, path: 'a/b/c/d' });
    const others = [infoOf(7, 'a/b/c/e'), infoOf(7, 'a/b/c'), infoOf(7, 'a/b/c/dd'), Uint8Array.of(...frame, 0)];
    for (const other of [...others, frame.subarray(0, -1), frame.subarray(0, 2), new Uint8Array(0)])
      expect(memo.read(other)).toBeUndefined();
    // Another type, more fields, an id of another kind.
    for (const [at, byte] of [
      [1, 0x13],
      [0, 0x94],
      [2, 0xcf],
      [2, 0xff],
    ] as const) {
      const wrong = frame.slice();
      wrong[at] = byte;
      expect(memo.read(wrong)).toBeUndefined();
    }
  });

  it('forgets the oldest of more than eight, and takes no very long ones', () => {
    const memo = new InfoMemo();
    for (const letter of 'abcdefghi') memo.remember(infoOf(1, letter), { kind: 'INFO', id: 1, path: letter });
    expect([...'abi'].map((letter) => memo.read(infoOf(2, letter))?.path)).toEqual([undefined, 'b', 'i']);
    const long = Array.from({ length: 4 }, () => 'x'.repeat(100)).join('/');
    memo.remember(infoOf(1, long), { kind: 'INFO', id: 1, path: long });
    expect(memo.read(infoOf(1, long))).toBeUndefined();
  });
});
