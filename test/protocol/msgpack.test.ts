import { decode as decodeMsgpack } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guard, SERVER_GUARD } from '../../protocol/guard.ts';
import { pack, unpack } from '../../protocol/msgpack.ts';
import { wire } from '../support/messages.ts';
import { testRuns, testSeed } from '../support/seed.ts';
import { comparable, toHex } from '../support/vectors.ts';

describe('pack', () => {
  it.each([
    [2 ** 32 - 1, 'ceffffffff'],
    [2 ** 32, 'd30000000100000000'],
    [2 ** 53 - 1, 'd3001fffffffffffff'],
    [-(2 ** 31), 'd280000000'],
    [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
    [5n, '05'],
    [2n ** 63n, 'cf8000000000000000'],
    [2n ** 64n - 1n, 'cfffffffffffffffff'],
    [-(2n ** 63n), 'd38000000000000000'],
    [1.5, 'cb3ff8000000000000'],
  ])('[F5] writes %s as its token', (value, hex) => expect(toHex(pack(value))).toBe(hex));

  it('[F5] writes int tokens for integers however deep they stand', () => {
    const value = { a: [{ b: [2 ** 40, { c: -(2 ** 40) }] }], d: 2 ** 53 - 1 };
    expect(guard(pack(value), SERVER_GUARD)).toEqual({ ok: true, floats: false });
    expect(unpack(new Uint8Array(pack(value)))).toEqual(value);
  });

  it('does not change what it is given', () => {
    const value = Object.freeze({ a: Object.freeze([2 ** 40, 5n]), b: Object.freeze({ c: 2 ** 40 }) });
    pack(value);
    expect(value).toEqual({ a: [2 ** 40, 5n], b: { c: 2 ** 40 } });
  });

  it('writes undefined as nil, maps in their shortest form and no extension', () => {
    expect(toHex(pack([undefined, {}, { a: undefined }]))).toBe('93c08081a161c0');
  });

  it('refuses what no integer field can hold', () => {
    expect(() => pack(2n ** 64n)).toThrow(RangeError);
  });

  it('[F4] writes what a guard lets through and other decoders read alike', () => {
    const limits = { maxDepth: 16, maxNodes: 65_536 };
    fc.assert(
      fc.property(wire, (value) => {
        const bytes = new Uint8Array(pack(value));
        expect(guard(bytes, limits).ok).toBe(true);
        expect(comparable(unpack(bytes))).toEqual(comparable(value));
        expect(comparable(decodeMsgpack(bytes, { useBigInt64: true }))).toEqual(comparable(value));
      }),
      { seed: testSeed('pack'), numRuns: testRuns(500) },
    );
  });
});

describe('unpack', () => {
  it('gives integers up to 2^53 as numbers and larger ones as bigints, exactly', () => {
    expect(unpack(new Uint8Array(pack([2n ** 53n - 1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n])))).toEqual([
      2 ** 53 - 1,
      2n ** 53n + 1n,
      -(2n ** 53n) - 1n,
    ]);
  });

  it('gives bytes as views of the frame', () => {
    const frame = new Uint8Array(pack([new Uint8Array([1, 2, 3])]));
    const [bytes] = unpack(frame) as [Uint8Array];
    frame[3] = 9;
    expect([...bytes]).toEqual([9, 2, 3]);
  });
});

describe('bytes that are handed out', () => {
  it('are plain Uint8Arrays, whose slice is a copy, from Buffers too', () => {
    const packed = pack([1, 2, 3]);
    const copy = packed.slice();
    packed[1] = 9;
    expect([...copy]).toEqual([0x93, 1, 2, 3]);
    const frame = Buffer.from(pack([new Uint8Array([5])]));
    const [bin] = unpack(frame) as [Uint8Array];
    expect(bin.constructor).toBe(Uint8Array);
    const kept = bin.slice();
    frame[3] = 9;
    expect([...kept]).toEqual([5]);
  });
});
