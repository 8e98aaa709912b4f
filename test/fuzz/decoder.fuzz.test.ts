import { decode as decodeMsgpack } from '@msgpack/msgpack';
import { unpack as unpackMsgpackr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { BadFrame, decodeClient } from '../../protocol/decode.ts';
import { decodeServer } from '../../protocol/decode-server.ts';
import { BflyError, MalformedFrame } from '../../protocol/errors.ts';
import { CLIENT_GUARD, type GuardLimits, guard, peekHead, SERVER_GUARD } from '../../protocol/guard.ts';
import { unpack } from '../../protocol/msgpack.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';
import { comparable, fromHex, loadMalformed, loadVectors, toHex } from '../support/vectors.ts';

// BFLY_FUZZ_SEED repeats a run, BFLY_FUZZ_RUNS lengthens it.
const seed = testSeed('decoder fuzz');
const runs = testRuns(10_000);
/** Far above what any frame of these sizes takes: only work that grows faster than the frame comes near it. */
const SLOW_MS = 250;

const valid = [...loadVectors().values()].flat().map((vector) => fromHex(vector.hex));
const corpus = [...valid, ...loadMalformed().map((vector) => fromHex(vector.hex))].filter((bytes) => bytes.length > 0);

/** A source of frames that depends on the seed alone. */
class Frames {
  readonly #random: () => number;

  constructor(salt: number) {
    this.#random = seededRandom(seed + salt);
  }

  below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T; // the callers' lists are not empty
  }

  /** A frame of the corpus, changed in one to four places. */
  mutated(): Uint8Array {
    let bytes = Uint8Array.from(this.pick(corpus));
    for (let n = 1 + this.below(4); n > 0; n--) bytes = this.#mutate(bytes);
    return bytes;
  }

  #mutate(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const at = this.below(bytes.length + 1);
    switch (this.below(7)) {
      case 0:
        return bytes.slice(0, at);
      case 1:
        return Uint8Array.from([...bytes.subarray(0, at), this.below(256), ...bytes.subarray(at)]);
      case 2:
        return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1 + this.below(4))]);
      case 3:
        return Uint8Array.from([...bytes.subarray(0, at), ...this.value(2), ...bytes.subarray(at)]);
      case 4:
        return Uint8Array.from([...bytes, ...this.pick(corpus).subarray(0, 50)]);
      default:
        if (at < bytes.length)
          bytes[at] = this.below(3) === 0 ? this.below(256) : (bytes[at] ?? 0) ^ (1 << this.below(8));
        return bytes;
    }
  }

  /** A frame with a likely head and random values behind it. */
  structured(): Uint8Array {
    const fields = this.below(8);
    const type = this.below(3) === 0 ? [0xcc, 0x80 + this.below(128)] : [this.below(0x80)];
    const values = Array.from({ length: fields }, () => this.value(6)).flat();
    return Uint8Array.from([0x90 | (fields + 2), ...type, this.below(128), ...values]);
  }

  /** One MessagePack value as bytes, mostly legal, at most `depth` containers deep. */
  value(depth: number): number[] {
    const kind = this.below(depth > 0 ? 12 : 9);
    const length = this.below(6);
    switch (kind) {
      case 0:
        return [this.pick([0xc0, 0xc2, 0xc3])];
      case 1:
        return [this.pick([0x00, 0x01, 0x05, 0x7f, 0xff, 0xe0])];
      case 2:
        return [0xcf, ...this.pick([this.bytes(8), Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, this.below(3))])];
      case 3:
        return [0xd3, ...this.pick([this.bytes(8), Uint8Array.of(0xff, 0xe0, 0, 0, 0, 0, 0, this.below(3))])];
      case 4:
        return this.pick([
          [0xcc, ...this.bytes(1)],
          [0xcd, ...this.bytes(2)],
          [0xce, ...this.bytes(4)],
          [0xd0, ...this.bytes(1)],
          [0xd1, ...this.bytes(2)],
          [0xd2, ...this.bytes(4)],
        ]);
      case 5:
        return this.pick([
          [0xca, ...this.bytes(4)],
          [0xcb, ...this.bytes(8)],
        ]);
      case 6:
        return this.text(length);
      case 7:
        return this.pick([
          [0xc4, length, ...this.bytes(length)],
          [0xc5, 0, length, ...this.bytes(length)],
          [0xc6, 0, 0, 0, length, ...this.bytes(length)],
        ]);
      case 8:
        return this.below(20) === 0 ? [this.below(256)] : [this.below(128)];
      case 9:
      case 10: {
        const values = Array.from({ length }, () => this.value(depth - 1)).flat();
        return this.below(4) === 0 ? [0xdc, 0, length, ...values] : [0x90 | length, ...values];
      }
      default: {
        const pairs = Array.from({ length }, () => [...this.text(this.below(3)), ...this.value(depth - 1)]).flat();
        return this.below(4) === 0 ? [0xde, 0, length, ...pairs] : [0x80 | length, ...pairs];
      }
    }
  }

  text(length: number): number[] {
    const words = ['a', 'ids', 'at', 'é', '皮质', '🧠', '__proto__', 'constructor', 'toString', 'box', 'enc', 'op'];
    const bytes = this.below(10) === 0 ? this.bytes(length) : new TextEncoder().encode(this.pick(words));
    return this.below(3) === 0 ? [0xd9, bytes.length, ...bytes] : [0xa0 | bytes.length, ...bytes];
  }

  any(): Uint8Array {
    const kind = this.below(10);
    if (kind === 0) return this.bytes(this.below(300));
    return kind < 5 ? this.mutated() : this.structured();
  }
}

/** Runs a check on many frames; a failure names the frame. */
function onFrames(salt: number, check: (bytes: Uint8Array) => void): void {
  const frames = new Frames(salt);
  for (let run = 0; run < runs; run++) {
    const bytes = frames.any();
    try {
      check(bytes);
    } catch (error) {
      throw new Error(`frame ${toHex(bytes)} of run ${run}, BFLY_FUZZ_SEED=${seed}`, { cause: error });
    }
  }
}

/** What `run` throws; fails where it takes long. */
function thrownBy(run: () => unknown): unknown {
  const start = performance.now();
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    expect(performance.now() - start).toBeLessThan(SLOW_MS);
  }
}

describe('random frames', () => {
  it.each([
    ['a client', CLIENT_GUARD],
    ['a server', SERVER_GUARD],
  ])('[F4] of %s that pass the guard decode to one value, whatever the decoder', (_who, limits: GuardLimits) => {
    let accepted = 0;
    onFrames(limits.maxDepth, (bytes) => {
      if (!guard(bytes, limits).ok) return;
      accepted++;
      const expected = comparable(decodeMsgpack(bytes, { useBigInt64: true }));
      expect(comparable(unpackMsgpackr(bytes))).toEqual(expected);
      expect(comparable(unpack(bytes))).toEqual(expected);
    });
    expect(accepted).toBeGreaterThan(runs / 10);
  });

  it('[F4] [X5] of a client give a message, or an ERROR under an id that can be read, or the end of the connection', () => {
    const outcomes = { message: 0, BadFrame: 0, MalformedFrame: 0 };
    onFrames(1, (bytes) => {
      const before = toHex(bytes);
      const error = thrownBy(() => decodeClient(bytes));
      if (error === undefined) outcomes.message++;
      else if (error instanceof BadFrame) {
        outcomes.BadFrame++;
        expect(error.fault).toBeInstanceOf(BflyError);
        expect(error.fault.message.length).toBeLessThan(1_000);
        expect([0, peekHead(bytes)?.id ?? 0]).toContain(error.id);
      } else {
        expect(error).toBeInstanceOf(MalformedFrame);
        expect(peekHead(bytes) === undefined || !Array.isArray(unpack(bytes))).toBe(true);
        outcomes.MalformedFrame++;
      }
      expect(toHex(bytes)).toBe(before);
    });
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(runs / 100);
  });

  it('[F3] of a server give a message or a named fault', () => {
    const outcomes = { message: 0, BflyError: 0, MalformedFrame: 0 };
    onFrames(2, (bytes) => {
      const error = thrownBy(() => decodeServer(bytes));
      if (error === undefined) outcomes.message++;
      else if (error instanceof BflyError) outcomes.BflyError++;
      else {
        expect(error).toBeInstanceOf(MalformedFrame);
        outcomes.MalformedFrame++;
      }
    });
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(runs / 100);
  });
});

describe('large frames', () => {
  it.each([
    ['random bytes', (frames: Frames) => frames.bytes(200_000)],
    [
      'a frame of one long text',
      (frames: Frames) => Uint8Array.from([0x93, 0x10, 5, 0xdb, 0, 15, 0, 0, ...frames.bytes(983_040)]),
    ],
    [
      'a frame of one long text of é',
      () => Uint8Array.from([0x93, 0x10, 5, 0xdb, 0, 15, 0, 0, ...new TextEncoder().encode('é'.repeat(491_520))]),
    ],
    ['4,000 short maps', () => Uint8Array.from([0x93, 0x30, 5, 0xdc, 15, 160, ...new Uint8Array(4_000).fill(0x80)])],
    ['nested to the last depth', () => Uint8Array.from([0x93, 0x50, 5, ...new Uint8Array(7).fill(0x91), 0xc0])],
  ])('[F4] %s do not take long', (_name, make) => {
    const frames = new Frames(3);
    const bytes = make(frames);
    expect([undefined, 'BadFrame', 'MalformedFrame']).toContain(nameOf(thrownBy(() => decodeClient(bytes))));
    expect([undefined, 'BflyError', 'MalformedFrame']).toContain(nameOf(thrownBy(() => decodeServer(bytes))));
  });
});

function nameOf(error: unknown): string | undefined {
  return error === undefined ? undefined : error instanceof Error ? error.name : String(error);
}
