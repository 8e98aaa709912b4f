import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BadFrame, decodeClient } from '../../protocol/decode.ts';
import { decodeServer } from '../../protocol/decode-server.ts';
import { encodeServer } from '../../protocol/encode.ts';
import { CLOSE_CODES, ERROR_CODES, errorName } from '../../protocol/errors.ts';
import { CLIENT_GUARD, SERVER_GUARD } from '../../protocol/guard.ts';
import * as limits from '../../protocol/limits.ts';
import { FrameType } from '../../protocol/messages.ts';
import { pack } from '../../protocol/msgpack.ts';
import { TILE_HEADER_BYTES, TileFlag, writeTileHeader } from '../../protocol/tile-frame.ts';
import { BYTES_PER_VOXEL, DTYPES, ENCODINGS, encodingNumber } from '../../protocol/volume.ts';
import { loadMalformed, loadVectors, toHex } from '../support/vectors.ts';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');
const spec = read('protocol/SPEC.md');

/** Rows of the tables with this header, without header and rule; a test that finds none would hold for nothing. */
function tables(header: string): string[][][] {
  const found = spec.split(`${header}\n`).slice(1);
  if (found.length === 0) throw new Error(`SPEC.md has no table ${header}`);
  return found.map((text) => {
    const lines = text.split('\n').slice(1);
    const end = lines.findIndex((line) => !line.startsWith('|'));
    return lines.slice(0, end).map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  });
}

const rules = [...spec.matchAll(/^- \*\*\[([A-Z])(\d+)\]\*\*/gm)].map(([, group = '', n]) => ({ group, n: Number(n) }));
const defined = new Set(rules.map(({ group, n }) => `${group}${n}`));
const referred = (text: string): string[] => [...text.matchAll(/\[([FHIDESPXCL]\d+)\]/g)].map(([, rule = '']) => rule);

describe('the rules of SPEC.md', () => {
  it('are numbered from 1 without gap in each group, in order', () => {
    for (const group of 'FHIDESPXCL') {
      const numbers = rules.filter((rule) => rule.group === group).map((rule) => rule.n);
      expect(numbers, group).toEqual(numbers.map((_, i) => i + 1));
      expect(numbers.length, group).toBeGreaterThan(2);
    }
  });

  it('are the only ones that the page, the code, the vectors and the tests of the protocol refer to', () => {
    const files = ['protocol', 'test/protocol', 'test/fuzz', 'test/support'].flatMap((folder) =>
      readdirSync(new URL(folder, ROOT))
        .filter((file) => /\.(ts|md|cddl)$/.test(file))
        .map((file) => `${folder}/${file}`),
    );
    const references = files.flatMap((file) => referred(read(file)).map((rule) => ({ file, rule })));
    expect(references.length).toBeGreaterThan(100);
    expect(references.filter(({ rule }) => !defined.has(rule))).toEqual([]);
    const vectors = [...[...loadVectors().values()].flat(), ...loadMalformed()];
    expect(vectors.filter(({ rule }) => !defined.has(rule))).toEqual([]);
  });
});

describe('the tables of SPEC.md', () => {
  it('[X2] [C2] name every error and close code of errors.ts', () => {
    const [errors = [], closes = []] = tables('| code | name | meaning |');
    const table = (rows: string[][]) => Object.fromEntries(rows.map(([code, name]) => [name, Number(code)]));
    expect(table(errors)).toEqual(ERROR_CODES);
    expect(table(closes)).toEqual(CLOSE_CODES);
    expect(errors).toHaveLength(Object.keys(ERROR_CODES).length);
  });

  it('[L1] name every limit of limits.ts with its default', () => {
    const [rows = []] = tables('| key | default | meaning |');
    expect(Object.fromEntries(rows.map(([key, value]) => [key, Number(value)]))).toEqual(limits.DEFAULT_LIMITS);
  });

  it('[F14] name every dtype with its size', () => {
    const [rows = []] = tables('| dtype | bytes a voxel |');
    expect(rows.map(([name]) => name)).toEqual(DTYPES);
    expect(Object.fromEntries(rows.map(([name, size]) => [name, Number(size)]))).toEqual(BYTES_PER_VOXEL);
  });

  it('[D9] name every encoding with its number', () => {
    const [rows = []] = tables('| number | name | payload |');
    expect(rows.map(([, name]) => name)).toEqual(ENCODINGS);
    expect(rows.map(([number]) => Number(number))).toEqual(ENCODINGS.map(encodingNumber));
  });

  it('[F19] [F6] name every frame type, a reply being its request plus 0x80', () => {
    const [rows = []] = tables('| hex | name | way | fields after `type, id` |');
    const types = rows.map(([hex = '', name = '']) => [
      name.split(' / ')[0] ?? '',
      Number.parseInt(hex.slice(0, 2), 16),
    ]);
    const { REPLY: _reply, ...expected } = FrameType;
    expect(Object.fromEntries(types)).toEqual(expected);
    for (const [hex = ''] of rows) {
      const [type = '', reply] = hex.split(' / ').map((part) => Number.parseInt(part, 16));
      if (reply !== undefined) expect(reply).toBe(Number(type) + FrameType.REPLY);
    }
  });

  it('[F6] say which frames a client may send: the others are UNSUPPORTED', () => {
    const [rows = []] = tables('| hex | name | way | fields after `type, id` |');
    for (const [hex = '', name, way] of rows) {
      const type = Number.parseInt(hex.slice(0, 2), 16);
      const error = faultOf(new Uint8Array(pack([type, 1])));
      const isKnown = error !== 'UNSUPPORTED';
      expect({ name, isKnown }).toEqual({ name, isKnown: way !== 's→c' || type === FrameType.BEAT });
    }
  });

  it('[F6] say which frames a server may send: the others are passed over', () => {
    const [rows = []] = tables('| hex | name | way | fields after `type, id` |');
    for (const [hex = '', name, way] of rows) {
      const type = Number.parseInt(hex.slice(0, 2), 16);
      expect({ name, isIgnored: isIgnored(type) }).toEqual({ name, isIgnored: way === 'c→s' });
      if (hex.includes('/')) expect(isIgnored(type + FrameType.REPLY)).toBe(false);
    }
  });

  it('[D20] lay TILE out as tile-frame.ts writes it', () => {
    const [tile = [], edits = []] = tables('| offset | token | field | value at |');
    const frame = new Uint8Array(TILE_HEADER_BYTES);
    const n = 1;
    const header = { type: 0x21, id: n, flags: n, item: n, seq: n, mip: n, x: n, y: n, z: n, encoding: n } as const;
    writeTileHeader(frame, { ...header, rawLength: n, crc32: n, sizeX: n, sizeY: n, length: 0 });
    const bytes = layoutBytes(tile.slice(0, -1));
    expect([...bytes.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, i) => i));
    for (const [at, token] of bytes) if (token !== undefined) expect([at, frame[at]]).toEqual([at, token]);
    const prefix = layoutBytes(edits.slice(0, -1));
    const empty = encodeServer({ kind: 'EDITS', id: 1, from: 2, upto: 3, flags: 1, edits: [] });
    expect([...prefix.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 27 }, (_, i) => i));
    for (const [at, token] of prefix) if (token !== undefined) expect([at, empty[at]]).toEqual([at, token]);
    expect(toHex(empty.subarray(27))).toBe('90');
  });

  it('[D20] name the flags as tile-frame.ts does', () => {
    const flags = Object.entries(TileFlag).map(([name, bit]) => `${bit} ${name}`);
    expect(spec).toContain(`u8 flags: ${flags.join(', ')}`);
  });
});

/** Every byte of a layout table: the token that stands there, undefined for values. */
function layoutBytes(rows: readonly string[][]): Map<number, number | undefined> {
  const bytes = new Map<number, number | undefined>();
  for (const [offset, token = '', , range = ''] of rows) {
    const tokens = /^[0-9a-f ]+$/.test(token) ? token.split(' ') : [];
    for (const [i, hex] of tokens.entries()) bytes.set(Number(offset) + i, Number.parseInt(hex, 16));
    const [from, to = from] = range.split('..').map(Number);
    if (range === '' || from === undefined || to === undefined) continue;
    for (let at = from; at <= to; at++) if (!bytes.has(at)) bytes.set(at, undefined);
  }
  return bytes;
}

function faultOf(bytes: Uint8Array): string {
  try {
    decodeClient(bytes);
  } catch (error) {
    if (error instanceof BadFrame) return error.fault.code;
    throw error;
  }
  return '';
}

function isIgnored(type: number): boolean {
  try {
    return decodeServer(new Uint8Array(pack([type, 1]))).kind === 'IGNORED';
  } catch {
    return false;
  }
}

describe('the numbers in the text of SPEC.md', () => {
  it('[F4] are those of the guard', () => {
    expect(spec).toContain(
      `depth ≤ ${CLIENT_GUARD.maxDepth} and ≤ ${CLIENT_GUARD.maxNodes.toLocaleString('en')} nodes`,
    );
    expect(spec).toContain(
      `depth ≤ ${SERVER_GUARD.maxDepth} and ≤ ${SERVER_GUARD.maxNodes.toLocaleString('en')} nodes`,
    );
  });

  it('[H7] [F10] [D6] [D16] [L2] are those of limits.ts', () => {
    const KiB = 1_024;
    const MiB = 1_024 * KiB;
    expect(spec).toContain('raised to 64 KiB and cut to 4 MiB; default 256 KiB');
    expect(limits.WINDOW).toEqual({ min: 64 * KiB, default: 256 * KiB, max: 4 * MiB });
    expect(spec).toContain('raised to 32 KiB and cut to 4 MiB; default a quarter of `win`');
    expect(limits.FRAME).toEqual({ min: 32 * KiB, share: 4, max: 4 * MiB });
    expect(spec).toContain('A reply or ERROR is at most 64 KiB');
    expect(limits.MAX_REPLY).toBe(64 * KiB);
    expect(spec).toContain('Raw tiles are at most 4 MiB');
    expect(limits.MAX_RAW_TILE).toBe(4 * MiB);
    expect(spec).toContain('holds more than 512 KiB');
    expect(limits.SOCKET_BUFFER_HIGH).toBe(512 * KiB);
    expect(spec).toContain('the transport cuts off at 8 MiB');
    expect(limits.TRANSPORT_MAX_MESSAGE).toBe(8 * MiB);
    expect(spec).toContain('complete within 5 s');
    expect(limits.HELLO_DEADLINE_MS).toBe(5_000);
    expect(spec).toContain(`ping: ${limits.PING_MS}`);
  });

  it('[X4] unknown codes are read by their hundred', () => {
    expect([150, 250, 350].map((code) => Math.floor(ERROR_CODES[errorName(code)] / 100))).toEqual([1, 2, 3]);
  });
});

describe('bfly.cddl', () => {
  const cddl = read('protocol/bfly.cddl');

  it('[F19] has a rule for each frame of the table, and its reply', () => {
    const [rows = []] = tables('| hex | name | way | fields after `type, id` |');
    const types = rows.flatMap(([hex = '']) => hex.split(' / '));
    expect(types.filter((type) => !cddl.includes(`= [0x${type}, `))).toEqual([]);
  });

  it('[D1] [D25] [S2] [H1] has a key for each option that the table of frames names', () => {
    const [rows = []] = tables('| hex | name | way | fields after `type, id` |');
    const keys = rows.flatMap(([, , , fields = '']) =>
      [...fields.matchAll(/\{([a-zA-Z, ?]+)\}/g)].flatMap(([, list = '']) => list.split(', ')),
    );
    expect(keys.length).toBeGreaterThan(40);
    const missing = keys.map((key) => key.replace('?', '')).filter((key) => !new RegExp(`[ "]${key}"?: `).test(cddl));
    expect(missing).toEqual([]);
  });
});

describe('the session in SPEC.md', () => {
  const block = spec.split('```frames\n')[1]?.split('```')[0] ?? '';
  const frames = block.split('\n\n').map((text) => {
    const [head = '', ...lines] = text.trim().split('\n');
    const [direction, name] = head.split(' ');
    const hex = lines.map((line) => line.split(';')[0]).join('');
    return { direction, name, hex: hex.replaceAll(/\s/g, '') };
  });

  it('is, frame by frame, the group "session" of the vectors', () => {
    const vectors = loadVectors().get('session') ?? [];
    expect(frames.length).toBeGreaterThan(5);
    expect(frames).toEqual(vectors.map(({ direction, name, hex }) => ({ direction, name, hex })));
  });
});
