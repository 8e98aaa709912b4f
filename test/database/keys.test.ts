import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TileKey } from '../../src/database/database.ts';
import {
  channelKey,
  isSameTile,
  LogKind,
  logDeltaKey,
  logPart,
  logRange,
  logRecordKey,
  logSeq,
  logSnapshotKey,
  logTilesKey,
  logWriterKey,
  MAX_KEY_BYTES,
  rowsRange,
  TILE_KEY_BYTES,
  tileKey,
  tileRange,
} from '../../src/database/keys.ts';

const SEED = Number(process.env['BFLY_SEED'] ?? 20_261_123);
const runs = { seed: SEED, numRuns: 2000 };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const join = (fields: string): string => fields.replaceAll(' ', '');

/** The layout as the table says it, one bit at a time. */
function naiveTileKey({ channel, mip, x, y, z, version }: TileKey): string {
  let morton = 0n;
  for (let bit = 0n; bit < 21n; bit++)
    [x, y, z].forEach((index, axis) => {
      morton |= ((BigInt(index) >> bit) & 1n) << (3n * bit + BigInt(axis));
    });
  const field = (value: bigint, bytes: number): string => value.toString(16).padStart(2 * bytes, '0');
  return field(BigInt(channel), 4) + field(BigInt(mip), 1) + field(morton, 8) + field(BigInt(version), 8);
}

const index = fc.oneof(fc.integer({ min: 0, max: 2 ** 21 - 1 }), fc.constantFrom(0, 1, 127, 128, 16384, 2 ** 21 - 1));
const seq = fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1));
const anyKey: fc.Arbitrary<TileKey> = fc.record({
  channel: fc.oneof(fc.integer({ min: 1, max: 2 ** 32 - 1 }), fc.constantFrom(1, 255, 256, 2 ** 31, 2 ** 32 - 1)),
  mip: fc.integer({ min: 0, max: 255 }),
  x: index,
  y: index,
  z: index,
  version: seq,
});

describe('tileKey', () => {
  it(`is the table's layout, with or without a buffer of the caller (seed ${SEED})`, () => {
    const buffer = new Uint8Array(TILE_KEY_BYTES).fill(0xaa);
    fc.assert(
      fc.property(anyKey, (key) => {
        expect(hex(tileKey(key))).toBe(naiveTileKey(key));
        expect(tileKey(key, buffer)).toBe(buffer);
        expect(hex(buffer)).toBe(naiveTileKey(key));
      }),
      runs,
    );
  });

  it('is what it always was', () => {
    const key = tileKey({ channel: 7, mip: 2, x: 5, y: 3, z: 1, version: 2 ** 40 + 9 });
    // x 101, y 011, z 001 interleaved z y x from the top: 001 010 111.
    expect(hex(key)).toBe(join('00000007 02 0000000000000057 0000010000000009'));
  });

  it('sorts the versions of a tile by number and keeps tiles apart', () => {
    fc.assert(
      fc.property(anyKey, anyKey, (a, b) => {
        const newer = tileKey({ ...a, version: b.version });
        expect(Math.sign(Buffer.compare(tileKey(a), newer))).toBe(Math.sign(a.version - b.version));
        expect(isSameTile(tileKey(a), newer)).toBe(true);
        const { version: _a, ...placeA } = a;
        const { version: _b, ...placeB } = b;
        const same = JSON.stringify(placeA) === JSON.stringify(placeB);
        expect(isSameTile(tileKey(a), tileKey(b))).toBe(same);
      }),
      runs,
    );
  });

  it('names the field that is out of range, and its limits', () => {
    const good: TileKey = { channel: 1, mip: 0, x: 0, y: 0, z: 0, version: 0 };
    const cases: [Partial<TileKey>, RegExp][] = [
      [{ channel: 0 }, /channel .* 1\.\.4294967295, not 0/],
      [{ channel: 2 ** 32 }, /channel/],
      [{ mip: 256 }, /mip .* 0\.\.255, not 256/],
      [{ x: 2 ** 21 }, /x .* 0\.\.2097151, not 2097152/],
      [{ y: -1 }, /y .* not -1/],
      [{ z: 0.5 }, /z .* not 0\.5/],
      [{ x: Number.NaN }, /x .* not NaN/],
      [{ version: 2 ** 53 }, /version/],
      [{ version: -1 }, /version/],
    ];
    for (const [wrong, message] of cases)
      expect(() => tileKey({ ...good, ...wrong })).toThrow(
        expect.objectContaining({ code: 'INTERNAL', message: expect.stringMatching(message) }),
      );
  });
});

describe('ranges', () => {
  const within = (key: Uint8Array, range: { start: Uint8Array; end: Uint8Array }): boolean =>
    Buffer.compare(range.start, key) <= 0 && Buffer.compare(key, range.end) < 0;

  it('of tiles hold the keys of their channel and level, and no others', () => {
    fc.assert(
      fc.property(anyKey, anyKey, (a, b) => {
        expect(within(tileKey(b), tileRange(a.channel))).toBe(b.channel === a.channel);
        expect(within(tileKey({ ...b, channel: a.channel }), tileRange(a.channel))).toBe(true);
        expect(within(tileKey({ ...b, channel: a.channel }), tileRange(a.channel, a.mip))).toBe(b.mip === a.mip);
      }),
      runs,
    );
  });

  it('of the log hold the entries of their path and kind, and no others', () => {
    const path = fc.constantFrom(1, 2, 255, 256, 2 ** 32 - 1);
    const wid = fc.oneof(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.constant(new Uint8Array(16).fill(255)));
    fc.assert(
      fc.property(path, path, seq, fc.nat(2 ** 31), wid, (p, other, n, part, w) => {
        const keys: [number, Uint8Array][] = [
          [LogKind.RECORD, logRecordKey(p, n)],
          [LogKind.DELTA, logDeltaKey(p, n, part)],
          [LogKind.WRITER, logWriterKey(p, w)],
          [LogKind.TILES, logTilesKey(p, n)],
          [LogKind.SNAPSHOT, logSnapshotKey(p, n, part)],
        ];
        for (const [kind, key] of keys) {
          expect(within(key, logRange(p))).toBe(true);
          expect(within(key, logRange(other))).toBe(p === other);
          for (const any of Object.values(LogKind)) expect(within(key, logRange(p, any))).toBe(any === kind);
        }
      }),
      { ...runs, numRuns: 500 },
    );
  });
});

describe('keys of the edit log', () => {
  it('are what the table says', () => {
    const wid = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i);
    expect(hex(channelKey(0x01020304))).toBe('01020304');
    expect(hex(logRecordKey(3, 2 ** 32 + 1))).toBe(join('00000003 01 0000000100000001'));
    expect(hex(logDeltaKey(3, 5, 258))).toBe(join('00000003 02 0000000000000005 00000102'));
    expect(hex(logWriterKey(3, wid))).toBe(join(`00000003 03 ${hex(wid)}`));
    expect(hex(logTilesKey(3, 5))).toBe(join('00000003 04 0000000000000005'));
    expect(hex(logSnapshotKey(3, 5, 1))).toBe(join('00000003 05 0000000000000005 00000001'));
  });

  it('sort by seq, then by part, and give the seq back', () => {
    fc.assert(
      fc.property(seq, seq, fc.nat(1000), fc.nat(1000), (a, b, partA, partB) => {
        expect(Math.sign(Buffer.compare(logRecordKey(1, a), logRecordKey(1, b)))).toBe(Math.sign(a - b));
        const order = Math.sign(Buffer.compare(logDeltaKey(1, a, partA), logDeltaKey(1, b, partB)));
        expect(order).toBe(Math.sign(a - b) || Math.sign(partA - partB));
        for (const key of [logRecordKey(1, a), logDeltaKey(1, a, 3), logTilesKey(1, a), logSnapshotKey(1, a, 3)])
          expect(logSeq(key)).toBe(a);
        for (const key of [logDeltaKey(1, a, partA), logSnapshotKey(1, a, partA)]) expect(logPart(key)).toBe(partA);
      }),
      runs,
    );
  });
});

describe('ranges of keys', () => {
  const within = (key: Uint8Array, { start, end }: { readonly start: Uint8Array; readonly end: Uint8Array }): boolean =>
    Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0;

  it('hold all rows of one path and no others', () => {
    const numbers = [0, 1, 2, 255, 256, 2 ** 24, 2 ** 32 - 2, 2 ** 32 - 1];
    for (const number of numbers)
      for (const length of [0, 1, 26, 30, MAX_KEY_BYTES - 5])
        for (const fill of [0, 255]) {
          const key = Uint8Array.of(...channelKey(number), ...new Uint8Array(length).fill(fill));
          for (const other of numbers)
            expect(within(key, rowsRange(other)), `${number} ${other}`).toBe(number === other);
        }
  });
});
