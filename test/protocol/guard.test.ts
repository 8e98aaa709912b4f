import { describe, expect, it } from 'vitest';
import { CLIENT_GUARD, guard, peekHead, SERVER_GUARD, withoutFloats } from '../../protocol/guard.ts';
import { pack, unpack } from '../../protocol/msgpack.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import { fromHex } from '../support/vectors.ts';

const ok = (hex: string): boolean => guard(fromHex(hex), CLIENT_GUARD).ok;
const why = (hex: string): string => {
  const verdict = guard(fromHex(hex), CLIENT_GUARD);
  return verdict.ok ? '' : verdict.why;
};

/** Bytes that a token needs after it to be whole, for each token that is legal; the lengths in them are 0. */
function bodyOf(token: number): number | undefined {
  if (token < 0x80 || token >= 0xe0) return 0;
  if (token < 0x90) return (token & 15) * 2;
  if (token < 0xa0) return token & 15;
  if (token < 0xc0) return token & 31;
  const bodies: Readonly<Record<number, number>> = {
    192: 0,
    194: 0,
    195: 0,
    196: 1,
    197: 2,
    198: 4,
    202: 4,
    203: 8,
    204: 1,
    205: 2,
    206: 4,
    207: 8,
    208: 1,
    209: 2,
    210: 4,
    211: 8,
    217: 1,
    218: 2,
    219: 4,
    220: 2,
    222: 2,
  };
  return bodies[token];
}

/** A whole value that begins with a token: zeros behind it; in maps the keys are empty strings. */
function wholeValue(token: number, body: number): number[] {
  const bytes = Array.from({ length: body }, () => 0);
  if (token >= 0x80 && token < 0x90) for (let i = 0; i < body; i += 2) bytes[i] = 0xa0;
  return [token, ...bytes];
}

describe('[F4] the subset of MessagePack', () => {
  it.each(Array.from({ length: 256 }, (_, token) => token))('knows the token %i', (token) => {
    const body = bodyOf(token);
    const bytes = Uint8Array.from([0x93, 0x10, 5, ...wholeValue(token, body ?? 20)]);
    expect(guard(bytes, CLIENT_GUARD).ok).toBe(body !== undefined);
    if (body === undefined) expect(guard(bytes, CLIENT_GUARD)).toMatchObject({ why: expect.stringContaining('token') });
    else expect(() => unpack(bytes)).not.toThrow();
  });

  it.each(Array.from({ length: 256 }, (_, token) => token).filter((token) => (bodyOf(token) ?? 0) > 0))(
    'refuses the token %i cut off at any byte',
    (token) => {
      const whole = [0x93, 0x10, 5, ...wholeValue(token, bodyOf(token) ?? 0)];
      for (let length = 0; length < whole.length; length++)
        expect(guard(Uint8Array.from(whole.slice(0, length)), CLIENT_GUARD).ok).toBe(false);
    },
  );

  it('refuses an empty message', () => expect(why('')).toBe('the frame is cut off'));
  it('refuses bytes after the value', () => expect(why('9010')).toBe('bytes after the value'));

  it('refuses keys that are not strings, and reads values that are not', () => {
    expect(why('81 01 02')).toContain('key');
    expect(why('82 a161 02 c0 03')).toContain('key');
    expect(ok('82 a161 90 a162 81 a163 80')).toBe(true);
  });

  it('refuses the key __proto__ in every string form, and reads it as a value', () => {
    const name = '5f5f70726f746f5f5f';
    for (const head of ['a9', 'd909', 'da0009', 'db00000009']) {
      expect(why(`81 ${head}${name} 01`)).toContain('__proto__');
      expect(ok(`81 a161 ${head}${name}`)).toBe(true);
    }
    expect(ok('81 a9 5f5f70726f746f5f60 01')).toBe(true);
    expect(ok('83 ab636f6e7374727563746f72 01 a8746f537472696e67 02 ae6861734f776e50726f7065727479 03')).toBe(true);
  });

  it('tells whether a float stands anywhere', () => {
    expect(guard(fromHex('92 01 cb3ff8000000000000'), CLIENT_GUARD)).toEqual({ ok: true, floats: true });
    expect(guard(fromHex('91 81 a161 ca3fc00000'), CLIENT_GUARD)).toEqual({ ok: true, floats: true });
    expect(guard(fromHex('92 01 c402cbca'), CLIENT_GUARD)).toEqual({ ok: true, floats: false });
  });
});

describe('[F4] depth and nodes', () => {
  it.each([
    ['client', CLIENT_GUARD],
    ['server', SERVER_GUARD],
  ])('counts the containers of a %s frame, empty ones too', (_who, limits) => {
    const arrays = (depth: number, core: string): Uint8Array => fromHex('91'.repeat(depth) + core);
    expect(guard(arrays(limits.maxDepth, 'c0'), limits).ok).toBe(true);
    expect(guard(arrays(limits.maxDepth - 1, '90'), limits).ok).toBe(true);
    expect(guard(arrays(limits.maxDepth + 1, 'c0'), limits).ok).toBe(false);
    expect(guard(arrays(limits.maxDepth, '90'), limits).ok).toBe(false);
    expect(guard(arrays(limits.maxDepth, '80'), limits).ok).toBe(false);
    expect(guard(fromHex(`${'81a161'.repeat(limits.maxDepth + 1)}c0`), limits).ok).toBe(false);
  });

  it('comes back from a depth to go down again', () => {
    expect(ok(`98${`${'91'.repeat(7)}c0`.repeat(8)}`)).toBe(true);
  });

  it.each([
    ['client', CLIENT_GUARD],
    ['server', SERVER_GUARD],
  ])('counts every token of a %s frame as a node', (_who, limits) => {
    const inner = limits.maxNodes - 3;
    const flat = (n: number): Uint8Array =>
      Uint8Array.from([0x92, 0xc0, 0xdc, n >> 8, n & 255, ...Array.from({ length: n }, () => 0)]);
    expect(guard(flat(inner), limits).ok).toBe(true);
    expect(guard(flat(inner + 1), limits).ok).toBe(false);
    const pairs = Math.floor((limits.maxNodes - 1) / 2);
    const map = (n: number): Uint8Array =>
      Uint8Array.from([0xde, n >> 8, n & 255, ...Array.from({ length: n }, () => [0xa0, 0]).flat()]);
    expect(guard(map(pairs), limits).ok).toBe(true);
    expect(guard(map(pairs + 1), limits).ok).toBe(false);
  });
});

describe('[F4] attacks cost no more than their bytes', () => {
  /** Byte reads of a scan. TextDecoder never sees these frames: they hold no text beyond ASCII. */
  function readsOf(bytes: Uint8Array): number {
    let reads = 0;
    const counted = new Proxy(bytes, {
      get(target, key) {
        if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
        return Reflect.get(target, key, target);
      },
    });
    guard(counted, CLIENT_GUARD);
    return reads;
  }

  it.each([
    [
      'a million empty maps',
      Uint8Array.from({ length: 1_000_000 }, (_, i) => (i < 3 ? [0xdc, 0xff, 0xff][i] : 0x80) ?? 0),
    ],
    ['a million nested arrays', new Uint8Array(1_000_000).fill(0x91)],
    ['a million nested maps', new Uint8Array(1_000_000).fill(0x81)],
    ['lengths of 4 GiB', fromHex('93 10 05 dbffffffff')],
    ['bundled strings of msgpackr', fromHex(`93 10 05 c7ff62${'91'.repeat(200_000)}`)],
    ['a record definition', fromHex(`93 10 05 d47240 ${'91a161'.repeat(1_000)}`)],
    ['maps that promise 65,535 pairs each', new Uint8Array(1_000_000).fill(0xde).fill(0xff, 1, 3)],
    ['4,096 strings', new Uint8Array(pack([0x10, 5, ...Array.from({ length: 4_000 }, () => 'a'.repeat(200))]))],
  ])('%s', (_name, bytes) => {
    expect(readsOf(bytes)).toBeLessThan(Math.min(bytes.length + 10, 4_200 * 12 + 4_000 * 200));
  });

  it('a refused frame of a megabyte is read up to its fault', () => {
    expect(readsOf(new Uint8Array(1_000_000).fill(0x91))).toBeLessThan(20);
    expect(readsOf(Uint8Array.from([0xdc, 0xff, 0xff, ...new Uint8Array(100_000)]))).toBeLessThan(5_000);
  });
});

describe('[F4] text is UTF-8', () => {
  const oracle = new TextDecoder('utf-8', { fatal: true });
  const isUtf8 = (bytes: Uint8Array): boolean => {
    try {
      oracle.decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
  const frameOf = (text: Uint8Array): Uint8Array => Uint8Array.from([0x91, 0xd9, text.length, ...text]);

  it('judges every pair of bytes as TextDecoder does', () => {
    const wrong: string[] = [];
    for (let a = 0; a < 256; a++)
      for (let b = 0; b < 256; b++) {
        const text = Uint8Array.of(a, b);
        if (guard(frameOf(text), CLIENT_GUARD).ok !== isUtf8(text)) wrong.push(`${a} ${b}`);
      }
    expect(wrong).toEqual([]);
  });

  it('judges random longer sequences as TextDecoder does', () => {
    const random = seededRandom(testSeed('utf-8'));
    const leads = [
      0x41, 0x7f, 0x80, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0xa0, 0x9f, 0x90, 0x8f,
    ];
    let legal = 0;
    for (let i = 0; i < 20_000; i++) {
      const text = Uint8Array.from(
        { length: 1 + Math.floor(random() * 5) },
        () => leads[Math.floor(random() * leads.length)] ?? 0,
      );
      const expected = isUtf8(text);
      if (expected) legal++;
      if (guard(frameOf(text), CLIENT_GUARD).ok !== expected) expect.fail(`${[...text]} is judged wrongly`);
    }
    expect(legal).toBeGreaterThan(100);
  });

  it('reads the first and last code point of each length, U+FEFF and noncharacters', () => {
    for (const text of [
      '\u0000',
      '\u007f',
      '\u0080',
      '\u07ff',
      '\u0800',
      '\ud7ff',
      '\ue000',
      '\uffff',
      '\u{10000}',
      '\u{10ffff}',
      '\ufeff',
    ]) {
      const bytes = new TextEncoder().encode(text);
      expect(guard(frameOf(bytes), CLIENT_GUARD).ok).toBe(true);
      expect(unpack(frameOf(bytes))).toEqual([text]);
    }
  });
});

describe('[F5] floats made visible', () => {
  it('become bin of the same size, and nothing else changes', () => {
    const frame = new Uint8Array(pack([1.5, 'ca', new Uint8Array([0xca, 0xcb]), { a: [0.25, 7], b: 2 ** 40 }, -1]));
    const float32 = fromHex('92 ca3fc00000 05');
    expect(unpack(withoutFloats(float32))).toEqual([Uint8Array.of(0xc0, 0, 0), 5]);
    const strict = unpack(withoutFloats(frame)) as unknown[];
    expect(strict[0]).toBeInstanceOf(Uint8Array);
    expect(strict.slice(1, 3)).toEqual(['ca', Uint8Array.of(0xca, 0xcb)]);
    expect(strict[3]).toMatchObject({ a: [expect.any(Uint8Array), 7], b: 2 ** 40 });
    expect(strict[4]).toBe(-1);
    expect(withoutFloats(frame)).toHaveLength(frame.length);
  });
});

describe('[F7] type and id at the head of a frame', () => {
  it.each([
    ['9210 05', 0x10, 5],
    ['92cc10 cc05', 0x10, 5],
    ['92cd0010 cd0005', 0x10, 5],
    ['92ce00000010 ceffffffff', 0x10, 0xffff_ffff],
    ['92cf0000000000000010 cf00000000ffffffff', 0x10, 0xffff_ffff],
    ['92d010 d10005', 0x10, 5],
    ['92d200000010 d300000000ffffffff', 0x10, 0xffff_ffff],
    ['dc0002 10 05', 0x10, 5],
    ['93 ccff 00', 0xff, 0],
  ])('%s are read', (hex, type, id) => expect(peekHead(fromHex(hex))).toEqual({ type, id }));

  it.each([
    '',
    '80',
    '90',
    '9110',
    'dc',
    'dc0001 10',
    'dd00000002 10 05',
    '92 cd0100 05',
    '92 ff 05',
    '92 d0ff 05',
    '92 10 cf0000000100000000',
    '92 10 cfffffffffffffffff',
    '92 10 d3ffffffffffffffff',
    '92 10 cb4014000000000000',
    '92 10 ca40a00000',
    '92 10 ce0000',
    '92 10',
    '92 c0 05',
    '92 10 a135',
  ])('of %s cannot be read', (hex) => expect(peekHead(fromHex(hex))).toBeUndefined());
});

describe('bytes that the transports lend', () => {
  it('[F5] are not written to, Buffers included', () => {
    const frame = Buffer.from(pack([1.5, 0.25]));
    const before = frame.toString('hex');
    withoutFloats(frame);
    expect(frame.toString('hex')).toBe(before);
  });
});
