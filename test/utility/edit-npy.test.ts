import { describe, expect, it } from 'vitest';
import { readMergeNpy, readSplitNpy, writeMergeNpy, writeSplitNpy } from '../../src/utility/edit-npy.ts';
import { DEMO_SPLIT } from '../../src/utility/legacy-text.ts';
import { seededRandom, testSeed } from '../support/seed.ts';

/** How a file says what it holds. */
interface FileShape {
  readonly fortran?: boolean;
  readonly shape?: string;
  readonly descr?: string;
  readonly version?: number;
  /** Length of the whole header. */
  readonly header?: number;
}

/** A file written by hand; `values` stand in the order of the file. */
function npyFile(values: readonly bigint[], columns: number, options: FileShape = {}): Uint8Array {
  const { fortran = false, descr = '<u8', version = 1, header = 128 } = options;
  const shape = options.shape ?? `(${values.length / columns}, ${columns})`;
  const fields = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${shape}, }`;
  const prefix = version === 1 ? 10 : 12;
  const bytes = Buffer.alloc(header + values.length * 8, ' ');
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  if (version === 1) bytes.writeUInt16LE(header - prefix, 8);
  else bytes.writeUInt32LE(header - prefix, 8);
  bytes.write(fields, prefix, 'latin1');
  bytes[header - 1] = 0x0a;
  for (const [i, value] of values.entries())
    if (descr.startsWith('>')) bytes.writeBigUInt64BE(value, header + i * 8);
    else bytes.writeBigUInt64LE(value, header + i * 8);
  return bytes;
}

/** The values of a file that `write…Npy` made, in its order, and its header. */
function contents(file: Uint8Array): { readonly header: string; readonly values: bigint[] } {
  const bytes = Buffer.from(file);
  const start = 10 + bytes.readUInt16LE(8);
  expect(start % 16).toBe(0);
  const values = Array.from({ length: (bytes.length - start) / 8 }, (_, i) => bytes.readBigUInt64LE(start + i * 8));
  return { header: bytes.toString('latin1', 10, start).trimEnd(), values };
}

const big = (...values: number[]): bigint[] => values.map(BigInt);

describe("Butterfly's file of merges", () => {
  it.each([
    [
      'Fortran order, as Butterfly wrote two rows and more',
      npyFile(big(2, 3, 4, 2, 2, 2, 1, 1, 1), 3, { fortran: true }),
    ],
    ['C order', npyFile(big(2, 2, 1, 3, 2, 1, 4, 2, 1), 3)],
    ['a header of 80 bytes', npyFile(big(2, 2, 1, 3, 2, 1, 4, 2, 1), 3, { header: 80 })],
    ['Python 2 integers in the shape', npyFile(big(2, 2, 1, 3, 2, 1, 4, 2, 1), 3, { shape: '(3L, 3L)' })],
    ['version 2.0', npyFile(big(2, 2, 1, 3, 2, 1, 4, 2, 1), 3, { version: 2 })],
    ['big-endian', npyFile(big(2, 2, 1, 3, 2, 1, 4, 2, 1), 3, { descr: '>u8' })],
    ['signed', npyFile(big(2, 2, 1, 3, 2, 1, 4, 2, 1), 3, { descr: '<i8' })],
  ])('parity 44: is read in %s', (_name, file) => {
    expect(readMergeNpy(file)).toEqual([['1', '2', '3']]);
  });

  it('parity 44: a set of one is no set, and no rows are no sets', () => {
    expect(readMergeNpy(npyFile(big(6, 6, 1), 3))).toEqual([]);
    expect(readMergeNpy(npyFile([], 3, { shape: '(0, 3)' }))).toEqual([]);
  });

  it('parity 45: is written column by column, ids, then roots, then regions', () => {
    const { header, values } = contents(writeMergeNpy([['1', '2', '3']]));
    expect(header).toBe("{'descr': '<u8', 'fortran_order': True, 'shape': (3, 3), }");
    expect(values).toEqual(big(2, 3, 4, 2, 2, 2, 1, 1, 1));
    expect(contents(writeMergeNpy([])).header).toBe("{'descr': '<u8', 'fortran_order': False, 'shape': (0, 3), }");
  });

  it('keeps regions, ids of every size and sets that begin with the same id', () => {
    const sets = [
      ['0', '7'],
      ['1', '3:4'],
      ['1:1', '1:2'],
      ['1:3', '9'],
      ['3', '3:1', '4294967296'],
      ['18446744073709551614', '18446744073709551615'],
    ];
    expect(readMergeNpy(writeMergeNpy(sets))).toEqual(sets);
    const { values } = contents(writeMergeNpy(sets));
    const ids = values.slice(0, values.length / 3).slice(0, -1);
    expect(ids).toEqual([...ids].sort((a, b) => (a < b ? -1 : 1)));
  });

  it('comes back as it was, whatever the sets', () => {
    const random = seededRandom(testSeed('merge.npy'));
    for (let run = 0; run < 200; run++) {
      const nodes = new Set<string>();
      const pick = (top: number): number => Math.floor(random() * top);
      while (nodes.size < 40) nodes.add(random() < 0.5 ? `${pick(30)}` : `${pick(30)}:${1 + pick(4)}`);
      const sets: string[][] = [];
      for (const node of nodes) {
        const set = pick(12);
        sets[set] ??= [];
        sets[set]?.push(node);
      }
      const order = (node: string): number[] => node.split(':').map(Number);
      const compare = (a: string, b: string): number => {
        const [[x = 0, s = 0], [y = 0, t = 0]] = [order(a), order(b)];
        return x - y || s - t;
      };
      const whole = sets.filter((set) => (set?.length ?? 0) > 1).map((set) => [...set].sort(compare));
      const expected = whole.sort((a, b) => compare(a[0] ?? '', b[0] ?? ''));
      expect(readMergeNpy(writeMergeNpy(expected))).toEqual(expected);
    }
  });
});

describe("Butterfly's file of splits", () => {
  it('parity 44: region and id stand before the bounds, each one more than it is', () => {
    expect(readSplitNpy(npyFile(big(2, 46, 3, 4, 2, 3, 1, 2), 8))).toEqual([DEMO_SPLIT]);
    expect(contents(writeSplitNpy([DEMO_SPLIT]))).toEqual({
      header: "{'descr': '<u8', 'fortran_order': False, 'shape': (1, 8), }",
      values: big(2, 46, 3, 4, 2, 3, 1, 2),
    });
  });

  it('is written column by column from two rows on, ascending by region', () => {
    const { header, values } = contents(writeSplitNpy(['7:2:0:8:0:8:0:8', '9:1:1:2:3:4:5:6']));
    expect(header).toBe("{'descr': '<u8', 'fortran_order': True, 'shape': (2, 8), }");
    expect(values.slice(0, 4)).toEqual(big(2, 3, 10, 8));
  });

  it('can leave out the split that every viewer saved by itself', () => {
    const file = writeSplitNpy([DEMO_SPLIT, '46:1:0:8:0:8:0:8', '45:0:0:0:0:0:0:0']);
    expect(readSplitNpy(file)).toEqual(['45:0:0:0:0:0:0:0', DEMO_SPLIT, '46:1:0:8:0:8:0:8']);
    expect(readSplitNpy(file, { dropDemo: true })).toEqual(['45:0:0:0:0:0:0:0', '46:1:0:8:0:8:0:8']);
  });
});

describe('files that are none of these', () => {
  const whole = npyFile(big(2, 3, 4, 2, 2, 2, 1, 1, 1), 3, { fortran: true });

  it.each([
    ['nothing', new Uint8Array()],
    ['text', Buffer.from('not a numpy file at all')],
    ['a file that is cut in its values', whole.subarray(0, whole.length - 1)],
    ['a file that is cut in its header', whole.subarray(0, 100)],
    ['another number of columns', npyFile(big(1, 1, 1, 1), 4)],
    ['rows without columns', npyFile([], 3, { shape: '(9007199254740991, 0)' })],
    ['more rows than it holds', npyFile([], 3, { shape: '(9007199254740991, 3)' })],
    ['floats', npyFile(big(2, 2, 1), 3, { descr: '<f8' })],
    ['another version', npyFile(big(2, 2, 1), 3, { version: 9 })],
    ['negative numbers', npyFile([2n ** 64n - 1n, 2n, 1n], 3, { descr: '<i8' })],
    ['one axis', npyFile(big(2, 2, 1), 3, { shape: '(3,)' })],
    ['a region above 2^53', npyFile([2n, 2n, 2n ** 60n], 3)],
  ])('are refused by a sentence: %s', (_name, file) => {
    expect(() => readMergeNpy(file)).toThrow(expect.objectContaining({ name: 'BflyError', code: 'BAD_REQUEST' }));
  });
});
