import { decode as decodeMsgpack } from '@msgpack/msgpack';
import fc from 'fast-check';
import { unpack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { decodeClient } from '../../protocol/decode.ts';
import { decodeServer } from '../../protocol/decode-server.ts';
import { encodeClient, encodeServer } from '../../protocol/encode.ts';
import { CLIENT_GUARD, guard, SERVER_GUARD } from '../../protocol/guard.ts';
import { clientMessage, clientMessages, serverMessage, serverMessages } from '../support/messages.ts';
import { testRuns, testSeed } from '../support/seed.ts';
import { comparable } from '../support/vectors.ts';

const seed = testSeed('round trip');
const options = { seed, numRuns: testRuns(150) };

/** Buffers of msgpackr as plain bytes, so that equality is that of content. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]));
}

describe('messages of a client', () => {
  it.each(Object.entries(clientMessages))('[F3] %s survives encoding and decoding', (_kind, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        expect(plain(decodeClient(new Uint8Array(encodeClient(message))))).toStrictEqual(plain(message));
      }),
      options,
    );
  });

  // These are dealt with before the next frame comes: their bytes are borrowed.
  const borrowed = ['PING', 'PONG', 'PRESENCE', 'BULK'];
  it.each(Object.entries(clientMessages).filter(([kind]) => !borrowed.includes(kind)))(
    '%s outlives the frame that it came in',
    (_kind, arbitrary) => {
      fc.assert(
        fc.property(arbitrary, (message) => {
          const frame = new Uint8Array(encodeClient(message));
          const decoded = decodeClient(frame);
          frame.fill(0xaa);
          expect(plain(decoded)).toStrictEqual(plain(message));
        }),
        options,
      );
    },
  );

  it('[F4] are legal frames that any MessagePack decoder reads alike', () => {
    fc.assert(
      fc.property(clientMessage, (message) => {
        const bytes = new Uint8Array(encodeClient(message));
        expect(guard(bytes, CLIENT_GUARD).ok).toBe(true);
        expect(comparable(unpack(bytes))).toEqual(comparable(decodeMsgpack(bytes, { useBigInt64: true })));
      }),
      options,
    );
  });

  it('[F3] may have further trailing elements', () => {
    fc.assert(
      fc.property(clientMessage, (message) => {
        if (message.kind === 'BULK') return;
        const bytes = new Uint8Array(encodeClient(message));
        const longer = withMore(bytes);
        if (longer !== undefined) expect(plain(decodeClient(longer))).toStrictEqual(plain(message));
      }),
      options,
    );
  });
});

/** A frame with 14 as its number of elements, nil and text behind those it had; undefined where it has more already. */
function withMore(bytes: Uint8Array): Uint8Array | undefined {
  const length = (bytes[0] ?? 0) & 15;
  if (((bytes[0] ?? 0) & 0xf0) !== 0x90 || length > 12) return undefined;
  const more = Array.from({ length: 13 - length }, () => 0xc0);
  return Uint8Array.from([0x9e, ...bytes.subarray(1), ...more, 0xa0]);
}

describe('messages of a server', () => {
  it.each(Object.entries(serverMessages))('[F3] %s survives encoding and decoding', (_kind, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        expect(plain(decodeServer(new Uint8Array(encodeServer(message))))).toStrictEqual(plain(message));
      }),
      options,
    );
  });

  it('[F4] are legal frames that any MessagePack decoder reads alike', () => {
    fc.assert(
      fc.property(serverMessage, (message) => {
        const bytes = new Uint8Array(encodeServer(message));
        expect(guard(bytes, SERVER_GUARD).ok).toBe(true);
        expect(comparable(unpack(bytes))).toEqual(comparable(decodeMsgpack(bytes, { useBigInt64: true })));
      }),
      options,
    );
  });

  it('[F3] may have further trailing elements', () => {
    fc.assert(
      fc.property(serverMessage, (message) => {
        if (message.kind === 'TILE') return;
        const longer = withMore(new Uint8Array(encodeServer(message)));
        if (longer !== undefined) expect(plain(decodeServer(longer))).toStrictEqual(plain(message));
      }),
      options,
    );
  });
});
