import { crc32 as zlibCrc32 } from 'node:zlib';
import { decode as decodeMsgpack } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../protocol/crc32.ts';
import {
  isTileFrame,
  readdressTile,
  readTileHeader,
  TILE_HEADER_BYTES,
  TILE_TYPE,
  type TileHeader,
  writeTileHeader,
} from '../../protocol/tile-frame.ts';
import { clientMessages, serverMessages } from '../support/messages.ts';
import { testRuns, testSeed } from '../support/seed.ts';

const options = { seed: testSeed('tile frames'), numRuns: testRuns(300) };
const HEADER: TileHeader = {
  type: TILE_TYPE,
  id: 0x01020304,
  flags: 2,
  item: 0x05060708,
  seq: 2 ** 53 - 1,
  mip: 9,
  x: -1,
  y: 2 ** 31 - 1,
  z: -(2 ** 31),
  encoding: 8,
  rawLength: 0xfffefdfc,
  crc32: 0xfbfaf9f8,
  sizeX: 0xf7f6,
  sizeY: 0xf5f4,
  length: 4,
};

function frameOf(header: TileHeader): Uint8Array {
  const frame = new Uint8Array(TILE_HEADER_BYTES + header.length);
  writeTileHeader(frame, header);
  return frame;
}

describe('[D20] a TILE header', () => {
  it('is a legal MessagePack array of 14 whose elements are its fields', () => {
    const frame = frameOf(HEADER);
    frame.set([1, 2, 3, 4], 64);
    expect(decodeMsgpack(frame, { useBigInt64: true })).toEqual([
      0x21,
      HEADER.id,
      HEADER.flags,
      HEADER.item,
      BigInt(HEADER.seq),
      HEADER.mip,
      HEADER.x,
      HEADER.y,
      HEADER.z,
      HEADER.encoding,
      HEADER.rawLength,
      HEADER.crc32,
      Uint8Array.of(0xf7, 0xf6, 0xf5, 0xf4, 0),
      Uint8Array.of(1, 2, 3, 4),
    ]);
  });

  it('is read as it was written', () => {
    const headers = fc.oneof(serverMessages.TILE, clientMessages.BULK);
    fc.assert(
      fc.property(headers, (message) => {
        if (message.kind !== 'TILE' && message.kind !== 'BULK') return;
        expect(readTileHeader(frameOf(message.header))).toEqual(message.header);
      }),
      options,
    );
  });

  it('is read and written inside a larger buffer', () => {
    const buffer = new Uint8Array(200).fill(0xee);
    const frame = buffer.subarray(13, 13 + 68);
    writeTileHeader(frame, HEADER);
    expect(readTileHeader(frame)).toEqual(HEADER);
    expect(buffer[12]).toBe(0xee);
    expect(buffer[13 + 64]).toBe(0xee);
  });

  it('[D19] is refused with any other token', () => {
    const tokens = [0, 2, 7, 9, 14, 23, 25, 30, 35, 40, 42, 47, 52, 53, 59];
    for (const offset of tokens) {
      const frame = frameOf(HEADER);
      frame[offset] = (frame[offset] ?? 0) ^ 1;
      expect(readTileHeader(frame)).toBeUndefined();
    }
    const frame = frameOf(HEADER);
    frame[1] = 0x22;
    expect(readTileHeader(frame)).toBeUndefined();
  });

  it('is refused where the payload is longer or shorter than it says, or the seq is over 2^53-1', () => {
    expect(readTileHeader(frameOf(HEADER).subarray(0, 67))).toBeUndefined();
    expect(readTileHeader(Uint8Array.from([...frameOf(HEADER), 0]))).toBeUndefined();
    expect(readTileHeader(frameOf(HEADER).subarray(0, 63))).toBeUndefined();
    expect(readTileHeader(new Uint8Array())).toBeUndefined();
    const frame = frameOf(HEADER);
    frame[16] = 0x20;
    expect(readTileHeader(frame)).toBeUndefined();
  });

  it('[D24] is read whatever its other flags and its reserved byte are', () => {
    const frame = frameOf({ ...HEADER, flags: 0xff });
    frame[58] = 0x55;
    expect(readTileHeader(frame)).toEqual({ ...HEADER, flags: 0xff });
  });
});

describe('a stored tile', () => {
  it('[D20] is readdressed in its id and item alone', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), (id, item) => {
        const frame = frameOf(HEADER);
        frame.set([1, 2, 3, 4], 64);
        readdressTile(frame, id, item);
        expect(readTileHeader(frame)).toEqual({ ...HEADER, id, item });
        expect([...frame.subarray(64)]).toEqual([1, 2, 3, 4]);
      }),
      options,
    );
  });

  it('is told from other frames by its first two bytes', () => {
    expect(isTileFrame(frameOf(HEADER), TILE_TYPE)).toBe(true);
    expect(isTileFrame(frameOf(HEADER), 0x31)).toBe(false);
    expect(isTileFrame(Uint8Array.of(0x9e), TILE_TYPE)).toBe(false);
    expect(isTileFrame(Uint8Array.of(0x9d, 0x21), TILE_TYPE)).toBe(false);
  });
});

describe('[D20] crc32', () => {
  it('is that of IEEE 802.3', () => expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf4_3926));
  it('is that of zlib for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(crc32(bytes)).toBe(zlibCrc32(bytes));
      }),
      options,
    );
  });
});
