/** The fast writer of messages beside `pack`. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageWriter } from '../../protocol/message-writer.ts';
import { pack } from '../../protocol/msgpack.ts';
import { testRuns, testSeed } from '../support/seed.ts';

const integers = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -32, -33, -128, -129),
  fc.constantFrom(-32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER, 2 ** 53, 2 ** 64),
);
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    integers,
    fc.double(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ unit: 'grapheme-ascii', maxLength: 300 }),
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(fc.string({ maxLength: 40 }), tie('value'), { maxKeys: 20, noNullPrototype: true }),
    fc.dictionary(fc.string({ maxLength: 4 }), tie('value'), { maxKeys: 2 }),
  ),
})).value;

describe('MessageWriter', () => {
  it('writes every value just as pack does, one after the other', () => {
    const writer = new MessageWriter(16);
    fc.assert(
      fc.property(fc.array(values, { maxLength: 4 }), (some) => {
        writer.end = 0;
        for (const value of some) {
          const start = writer.end;
          writer.value(value);
          expect(Buffer.from(writer.part(start)).toString('hex')).toBe(Buffer.from(pack(value)).toString('hex'));
        }
      }),
      { seed: testSeed('message writer'), numRuns: testRuns(2_000) },
    );
  });

  it.each([15, 16, 31, 32, 255, 256, 65_535, 65_536])(
    'writes lists, maps, texts and bytes of %i as pack does',
    (count) => {
      const writer = new MessageWriter();
      const list = Array.from({ length: count }, () => 1);
      const map = Object.fromEntries(list.map((one, i) => [`k${i}`, one]));
      const bytes = new Uint8Array(count).fill(7);
      for (const value of [list, map, 'x'.repeat(count), 'é'.repeat(count), bytes, Buffer.from(bytes)]) {
        writer.end = 0;
        writer.value(value);
        expect(Buffer.compare(writer.part(0), pack(value))).toBe(0);
      }
    },
  );

  it('writes bytes, numbers and texts without tokens', () => {
    const writer = new MessageWriter(1);
    const long = Uint8Array.from({ length: 99 }, (_, i) => i);
    writer.raw(Uint8Array.of(1, 2));
    writer.raw(long);
    writer.uint53(Number.MAX_SAFE_INTEGER);
    writer.float64(0.1);
    expect(writer.text('aé')).toBe(3);
    expect(writer.text('b'.repeat(80))).toBe(80);
    const expected = Buffer.alloc(16);
    expected.writeBigUInt64BE(BigInt(Number.MAX_SAFE_INTEGER));
    expected.writeDoubleBE(0.1, 8);
    const whole = Buffer.concat([Buffer.of(1, 2), long, expected, Buffer.from(`aé${'b'.repeat(80)}`)]);
    expect(Buffer.from(writer.part(0))).toEqual(whole);
  });
});
