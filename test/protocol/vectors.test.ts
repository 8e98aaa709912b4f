import { decode as decodeMsgpack } from '@msgpack/msgpack';
import { unpack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { BadFrame, decodeClient } from '../../protocol/decode.ts';
import { decodeServer } from '../../protocol/decode-server.ts';
import { encodeClient, encodeServer } from '../../protocol/encode.ts';
import { MalformedFrame } from '../../protocol/errors.ts';
import { type ClientMessage, FrameType, type ServerMessage } from '../../protocol/messages.ts';
import {
  comparable,
  fromHex,
  fromVectorJson,
  loadMalformed,
  loadVectors,
  saveVectors,
  toHex,
  type Vector,
} from '../support/vectors.ts';

const groups = loadVectors();

function encode(vector: Vector): Uint8Array {
  const message = fromVectorJson(vector.message);
  // The vectors are the messages' own JSON form; that they decode to the same message is tested below.
  return vector.direction === 'c2s' ? encodeClient(message as ClientMessage) : encodeServer(message as ServerMessage);
}

if (process.env['BFLY_WRITE_VECTORS'] === '1') {
  for (const [group, vectors] of groups) {
    for (const vector of vectors) if (vector.hex === '') vector.hex = toHex(encode(vector));
    saveVectors(group, vectors);
  }
}

/** Own keys and values of a message with its types kept: a bigint is not a number here. */
function typed(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${toHex(value)}`;
  if (Array.isArray(value)) return value.map(typed);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, typed(part)]));
  return value;
}

for (const [group, vectors] of groups) {
  describe(`vectors of ${group}`, () => {
    it('have names that occur once', () => {
      expect(new Set(vectors.map((vector) => vector.name)).size).toBe(vectors.length);
    });

    it.each(vectors)('[$rule] $name: two independent decoders read its frame in its bytes', ({ frame, hex }) => {
      const expected = comparable(fromVectorJson(frame));
      expect(comparable(unpack(fromHex(hex)))).toEqual(expected);
      expect(comparable(decodeMsgpack(fromHex(hex), { useBigInt64: true }))).toEqual(expected);
    });

    it.each(vectors)('[$rule] $name: its bytes decode to its message', ({ direction, message, hex }) => {
      const decoded = direction === 'c2s' ? decodeClient(fromHex(hex)) : decodeServer(fromHex(hex));
      expect(typed(decoded)).toStrictEqual(typed(fromVectorJson(message)));
    });

    it.each(vectors.filter((vector) => vector.decodeOnly !== true))(
      '[$rule] $name: its message encodes to its bytes',
      (vector) => {
        expect(toHex(encode(vector))).toBe(vector.hex);
      },
    );

    it.each(vectors.filter((vector) => vector.decodeOnly === true))(
      '[$rule] $name: other bytes of the same message decode to it again',
      (vector) => {
        const bytes = encode(vector);
        expect(toHex(bytes)).not.toBe(vector.hex);
        const decoded = vector.direction === 'c2s' ? decodeClient(bytes) : decodeServer(bytes);
        expect(typed(decoded)).toStrictEqual(typed(fromVectorJson(vector.message)));
      },
    );
  });
}

describe('vectors together', () => {
  it('[F19] show every frame type in each direction that it is sent', () => {
    const seen = new Set([...groups.values()].flat().map(({ direction, hex }) => `${direction} ${typeOf(hex)}`));
    const both = new Set<number>([FrameType.PING, FrameType.UNSUBSCRIBE]);
    const events = new Set<number>([
      FrameType.GOAWAY,
      FrameType.AUTHREQ,
      FrameType.TILE,
      FrameType.END,
      FrameType.EDITS,
      FrameType.LIVE,
      FrameType.RESET,
      FrameType.SNAP,
      FrameType.PEERS,
      FrameType.BEAT,
      FrameType.ERROR,
    ]);
    const withoutReply = new Set<number>([FrameType.CREDIT, FrameType.CANCEL, FrameType.BULK, FrameType.PRESENCE]);
    const expected = Object.values(FrameType)
      .filter((type) => type !== FrameType.REPLY)
      .flatMap((type) => {
        if (events.has(type)) return [`s2c ${type}`];
        const sent = both.has(type) ? [`c2s ${type}`, `s2c ${type}`] : [`c2s ${type}`];
        return withoutReply.has(type) ? sent : [...sent, `s2c ${type + FrameType.REPLY}`];
      });
    expect(expected.filter((frame) => !seen.has(frame))).toEqual([]);
  });
});

function typeOf(hex: string): number {
  const frame = unpack(fromHex(hex)) as readonly unknown[];
  return Number(frame[0]);
}

describe('malformed frames', () => {
  const malformed = loadMalformed();
  it.each(malformed.filter((vector) => vector.direction === 'c2s'))(
    '[$rule] $name is refused',
    ({ expect: e, hex }) => {
      const error = thrown(() => decodeClient(fromHex(hex)));
      if ('close' in e) {
        expect(error).toBeInstanceOf(MalformedFrame);
        return;
      }
      expect(error).toBeInstanceOf(BadFrame);
      if (!(error instanceof BadFrame)) return;
      expect({ error: error.fault.code, type: error.type, id: error.id }).toEqual(e);
    },
  );

  it.each(malformed.filter((vector) => vector.direction === 's2c'))('[$rule] $name is refused', ({ hex }) => {
    expect(thrown(() => decodeServer(fromHex(hex)))).toBeInstanceOf(MalformedFrame);
  });
});

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
