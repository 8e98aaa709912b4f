import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonListener, JsonReader } from '../../src/utility/json-reader.ts';
import { testRuns, testSeed } from '../support/seed.ts';

/** Builds the value that it hears. */
class Builder implements JsonListener {
  readonly #open: { readonly value: unknown[] | Record<string, unknown>; key: string }[] = [];
  root: unknown;

  open(kind: 'object' | 'array'): void {
    this.#open.push({ value: kind === 'array' ? [] : Object.create(null), key: '' });
  }
  close(kind: 'object' | 'array'): void {
    const value = this.#open.pop()?.value;
    expect(Array.isArray(value)).toBe(kind === 'array');
    this.#add(value);
  }
  key(name: string): void {
    const top = this.#open.at(-1);
    if (top !== undefined) top.key = name;
  }
  integer(value: number | bigint): void {
    this.#add(value);
  }
  fraction(value: number): void {
    this.#add(value);
  }
  other(value: string | boolean | null): void {
    this.#add(value);
  }
  #add(value: unknown): void {
    const top = this.#open.at(-1);
    if (top === undefined) this.root = value;
    else if (Array.isArray(top.value)) top.value.push(value);
    else top.value[top.key] = value;
  }
}

/** Reads a text in pieces that end at these bytes. */
function read(text: string | Uint8Array, cuts: readonly number[] = []): unknown {
  const bytes = Buffer.from(text);
  const builder = new Builder();
  const reader = new JsonReader(builder);
  let from = 0;
  for (const cut of [...new Set(cuts.map((at) => at % (bytes.length + 1)))].sort((a, b) => a - b)) {
    reader.push(Uint8Array.from(bytes.subarray(from, cut)));
    from = cut;
  }
  reader.push(bytes.subarray(from));
  reader.end();
  return builder.root;
}

/** As JSON.parse has it: what the reader gives for large integers is rounded there. */
function rounded(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, rounded(part)]));
}

describe('JsonReader', () => {
  it('reads what JSON.parse reads, wherever the pieces end', () => {
    const seed = testSeed('json reader');
    const texts = fc.tuple(
      fc.json({ maxDepth: 4 }),
      fc.constantFrom(0, 1, 3),
      fc.array(fc.nat({ max: 5_000 }), { maxLength: 40 }),
    );
    fc.assert(
      fc.property(texts, ([json, indent, cuts]) => {
        // Indented texts have white space everywhere that it may be.
        const text = indent === 0 ? json : JSON.stringify(JSON.parse(json), null, indent);
        expect(rounded(read(text, cuts))).toEqual(rounded(JSON.parse(text)));
      }),
      { seed, numRuns: testRuns(300) },
    );
  });

  it('takes every single cut of a text with each kind of token', () => {
    const text = '\ufeff{"a\\u00e9\\"": [-12, 0.5e-3, 18446744073709551615, true, false, null], "é": {"": "\\\\"}}';
    const whole = read(text);
    expect(whole).toEqual({ 'aé"': [-12, 0.0005, 18446744073709551615n, true, false, null], é: { '': '\\' } });
    for (let cut = 0; cut <= Buffer.byteLength(text); cut++) expect(read(text, [cut])).toEqual(whole);
  });

  it('keeps integers exact beyond 2^53', () => {
    expect(read('[9007199254740993, -9007199254740993, 999999999999999, 1000000000000000]')).toEqual([
      9007199254740993n,
      -9007199254740993n,
      999999999999999,
      1000000000000000n,
    ]);
  });

  const illegal = [
    ...[
      '',
      ' ',
      '[',
      '[1',
      '[1,',
      '[1,]',
      '{',
      '{"a"',
      '{"a":',
      '{"a":1',
      '{"a":1,',
      '{"a":1,}',
      '{,}',
      '[,]',
      '{1:2}',
      '{"a" 1}',
    ],
    ...[
      '01',
      '-',
      '+1',
      '.5',
      '1.',
      '1e',
      'NaN',
      'Infinity',
      'tru',
      'nul',
      'True',
      '1 2',
      '[1 2]',
      '{"a":1 "b":2}',
      '"',
      '"a',
      '"\\x"',
    ],
    ...[']', '}', '[}', '{]', '[1}', '{"a":1]', ',', ':', '[1:2]', '"a\nb"', '--1', '1-1', '[]]', "{'a':1}", '1,'],
  ];
  it('refuses what JSON.parse refuses, and names the byte', () => {
    for (const text of illegal) {
      expect(() => JSON.parse(text), text).toThrow();
      expect(() => read(text), text).toThrow(/^is not JSON: .* at byte \d+$/s);
    }
  });

  it('holds no token of more than a megabyte, and no tower of brackets', () => {
    expect(() => read(`["${'a'.repeat(2 ** 20 + 2)}`)).toThrow(/longer than 1048576 bytes/);
    expect(() => read('['.repeat(65))).toThrow(/nested deeper than 64/);
    expect(() => read(`[${'1'.repeat(401)}]`)).toThrow(/no value/);
  });
});
