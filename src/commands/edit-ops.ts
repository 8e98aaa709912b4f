/** From the words behind `bfly edit URL PATH` to the ops of an edit. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { InvalidArgumentError } from 'commander';
import { type Seed, TABLES, type TableName } from '../../protocol/edit-ops.ts';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, boxShape, type VoxelArray, viewVoxels, volumeOf } from '../../protocol/volume.ts';
import { encodeMask } from '../../protocol/voxel-mask.ts';
import type { EditOp, RowInput } from '../client/edit-input.ts';
import { parseExactJson } from '../utility/exact-json.ts';
import { type NpyVoxels, readNpyVoxels } from '../utility/npy.ts';

/** Options that belong to single ops. */
export interface OpOptions {
  readonly box?: Box;
  readonly mask?: string;
  readonly seeds?: readonly Seed[];
  readonly value?: number | bigint | 'new';
  readonly voxels?: string;
  readonly table?: TableName;
  readonly create?: boolean;
}

/** What an op is called on the command line, and what it needs there. */
interface OpForm {
  readonly usage: string;
  readonly options: readonly (keyof OpOptions)[];
  read(words: readonly string[], options: OpOptions): EditOp[] | Promise<EditOp[]>;
}

const MAX_ID = 2n ** 64n - 1n;

const FORMS: Readonly<Record<string, OpForm>> = {
  merge: {
    usage: 'merge ID ID…',
    options: [],
    read: (words) => [{ op: 'merge', ids: readIds(atLeast(words, 2, 'merge')) }],
  },
  cleave: {
    usage: 'cleave ID…',
    options: [],
    read: (words) => [{ op: 'cleave', ids: readIds(atLeast(words, 1, 'cleave')) }],
  },
  split: {
    usage: 'split ID --box BOX, and --seeds SEEDS or --mask FILE',
    options: ['box', 'mask', 'seeds'],
    async read(words, { box, mask, seeds }) {
      const [id = ''] = exactly(words, 1, 'split');
      if (box === undefined || (mask === undefined) === (seeds === undefined)) throw wrong('split');
      const common = { op: 'split', id: readId(id), box } as const;
      return [
        seeds === undefined ? { ...common, mask: encodeMask(await readBox(mask ?? '', box)) } : { ...common, seeds },
      ];
    },
  },
  region: {
    usage: 'region ID NUMBER [--box BOX]',
    options: ['box'],
    read(words, { box }) {
      const [id = '', region = ''] = exactly(words, 2, 'region');
      return [{ op: 'region', id: readId(id), region: readWhole(region, 'the number of a region'), box: box ?? null }];
    },
  },
  write: {
    usage: 'write --box BOX, and --value N or --voxels FILE [--mask FILE]',
    options: ['box', 'mask', 'value', 'voxels'],
    async read(words, { box, mask, value, voxels }) {
      exactly(words, 0, 'write');
      if (box === undefined || (value === undefined) === (voxels === undefined)) throw wrong('write');
      const set = mask === undefined ? undefined : await readBox(mask, box);
      const where = { op: 'write', box, ...(set === undefined ? {} : { mask: encodeMask(set) }) } as const;
      if (value !== undefined) return [{ ...where, value }];
      return [{ ...where, voxels: await readVoxels(voxels ?? '', box, set) }];
    },
  },
  put: {
    usage: 'put FILE.json [--table TABLE] [--create]',
    options: ['table', 'create'],
    async read(words, { table = 'annotation', create = false }) {
      const [file = ''] = exactly(words, 1, 'put');
      const puts = readRows(file, await readFile(file), table);
      if (puts.length === 0) throw bad(`${path.basename(file)} holds no rows, so there is nothing to put`);
      return puts.map((put) => ({ ...put, create }));
    },
  },
  delete: {
    usage: 'delete TABLE KEY…',
    options: [],
    read(words) {
      const [table = '', ...keys] = atLeast(words, 2, 'delete');
      return [{ op: 'delete', table: readTable(table), keys: readIds(keys) }];
    },
  },
  undo: {
    usage: 'undo SEQ…',
    options: [],
    read: (words) => atLeast(words, 1, 'undo').map((seq) => ({ op: 'undo', seq: readWhole(seq, 'an edit') })),
  },
  redo: {
    usage: 'redo SEQ…',
    options: [],
    // What has to be undone for it is found in the log.
    read: (words) => atLeast(words, 1, 'redo').map((seq) => ({ op: 'undo', seq: readWhole(seq, 'an edit') })),
  },
  meta: {
    usage: 'meta KEY VALUE',
    options: [],
    read(words) {
      const [key = '', value = ''] = exactly(words, 2, 'meta');
      return [{ op: 'meta', key, value: readValue(value) }];
    },
  },
};

/** How every op is written, for `--help`. */
export const OP_USAGES: readonly string[] = Object.values(FORMS).map(({ usage }) => usage);

/**
 * Reads one op and its words.
 *
 * @param words as they stand behind the op's name.
 * @throws InvalidArgumentError saying how the op is written; BflyError BAD_REQUEST for what is wrong in a file.
 */
export async function readOps(name: string, words: readonly string[], options: OpOptions): Promise<EditOp[]> {
  const form = Object.hasOwn(FORMS, name) ? FORMS[name] : undefined;
  if (form === undefined) throw misused(`"${name}" is no edit; the edits are ${Object.keys(FORMS).join(', ')}`);
  for (const [option, value] of Object.entries(options))
    if (value !== undefined && !form.options.some((own) => own === option))
      throw misused(`--${option} does not belong to ${name}, which is written: ${form.usage}`);
  return form.read(words, options);
}

/** An id. @throws InvalidArgumentError. */
export function readId(text: string): bigint {
  const id = parseId(text);
  if (id === undefined) throw misused(`"${text}" is no id; ids are whole numbers from 0 to 2^64-1`);
  return id;
}

function parseId(text: string): bigint | undefined {
  const id = /^\d{1,20}$/.test(text) ? BigInt(text) : MAX_ID + 1n;
  return id > MAX_ID ? undefined : id;
}

const readIds = (words: readonly string[]): bigint[] => words.map(readId);

function readWhole(text: string, what: string): number {
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw misused(`"${text}" is not the number of ${what.replace(/^the number of /, '')}, a whole number from 1 up`);
  return value;
}

function readTable(text: string): TableName {
  const table = TABLES.find((name) => name === text);
  if (table === undefined) throw misused(`"${text}" is no table; the tables are ${TABLES.join(', ')}`);
  return table;
}

/** A value as JSON; what is no JSON is a text. */
function readValue(text: string): unknown {
  try {
    return parseExactJson(Buffer.from(text));
  } catch (error) {
    if (error instanceof BflyError) return text;
    throw error;
  }
}

/** Rows of one table as a list or a single one, or of several as `bfly export` writes them: `{"annotation": [rows]}`. */
function readRows(file: string, bytes: Uint8Array, table: TableName): Extract<EditOp, { op: 'put' }>[] {
  const name = path.basename(file);
  const value = parseNamed(name, bytes);
  const whole = isMap(value) && isMap(value['rows']) ? value['rows'] : value;
  const tables: [TableName, unknown][] = isTables(whole)
    ? Object.entries(whole).map(([key, rows]) => [readTable(key), rows])
    : [[table, Array.isArray(whole) ? whole : [whole]]];
  return tables.flatMap(([into, rows]) => {
    if (!Array.isArray(rows) || !rows.every(isMap))
      throw bad(`${name} must hold a row, a list of rows, or {table: rows}`);
    return rows.length === 0 ? [] : [{ op: 'put', table: into, rows: rows.map((row) => readRow(name, row)) } as const];
  });
}

function parseNamed(name: string, bytes: Uint8Array): unknown {
  try {
    return parseExactJson(bytes);
  } catch (error) {
    if (!(error instanceof BflyError)) throw error;
    throw new BflyError(error.code, `${name}: ${error.message}`, { cause: error });
  }
}

/** Ids may be texts, since many programs round large numbers. */
function readRow(file: string, row: Readonly<Record<string, unknown>>): RowInput {
  const id = (value: unknown): unknown => (typeof value === 'string' ? readIdIn(file, value) : value);
  const read = Object.entries(row).map(([field, value]): [string, unknown] => {
    if (['key', 'pre', 'post'].includes(field)) return [field, id(value)];
    return [field, field === 'ids' && Array.isArray(value) ? value.map(id) : value];
  });
  return Object.fromEntries(read) as RowInput; // the server checks what the fields hold
}

function readIdIn(file: string, text: string): bigint {
  const id = parseId(text);
  if (id !== undefined) return id;
  throw bad(`${file}: "${text}" is no id; ids are whole numbers from 0 to 2^64-1`);
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTables(value: unknown): value is Readonly<Record<string, unknown>> {
  return isMap(value) && Object.entries(value).every(([key, rows]) => isTable(key) && Array.isArray(rows));
}

const isTable = (name: string): boolean => TABLES.some((table) => table === name);

/** Which voxels of a box a file sets: 1 for those that are not 0. */
async function readBox(file: string, box: Box): Promise<Uint8Array> {
  const { dtype, bytes } = await readArray(file, box);
  const values = dtype === undefined ? bytes : viewVoxels(dtype, bytes);
  return Uint8Array.from<number | bigint>(values, (value) => (value ? 1 : 0));
}

/** Voxels of a box; where only some are set, those alone. */
async function readVoxels(file: string, box: Box, set: Uint8Array | undefined): Promise<VoxelArray> {
  const { dtype, bytes } = await readArray(file, box);
  if (dtype === undefined) throw bad(`${path.basename(file)} must hold voxels of the channel's type, not bool`);
  const values = viewVoxels(dtype, bytes);
  return set === undefined ? values : pick(values, set);
}

function pick(values: VoxelArray, set: Uint8Array): VoxelArray {
  const isSet = (_value: unknown, i: number): boolean => set[i] === 1;
  return values instanceof BigUint64Array || values instanceof BigInt64Array
    ? values.filter(isSet)
    : values.filter(isSet);
}

async function readArray(file: string, box: Box): Promise<NpyVoxels> {
  const name = path.basename(file);
  if (!/\.npy$/i.test(file)) throw misused(`"${name}" must be a .npy file, an array [z, y, x] of the size of --box`);
  const array = readNpyVoxels(await readFile(file), name);
  const shape = boxShape(box);
  if (array.shape.every((side, i) => side === shape[i])) return array;
  const [x, y, z] = shape;
  throw bad(
    `${name} has shape (${array.shape.toReversed().join(', ')}), but --box of ${volumeOf(shape)} voxels has (${z}, ${y}, ${x})`,
  );
}

function exactly(words: readonly string[], count: number, name: string): readonly string[] {
  if (words.length !== count) throw wrong(name);
  return words;
}

function atLeast(words: readonly string[], count: number, name: string): readonly string[] {
  if (words.length < count) throw wrong(name);
  return words;
}

function wrong(name: string): InvalidArgumentError {
  return misused(`${name} is written: ${FORMS[name]?.usage ?? name}`);
}

/** What is wrong on the command line itself. */
function misused(message: string): InvalidArgumentError {
  return new InvalidArgumentError(message);
}

/** What is wrong in a file. */
function bad(message: string): BflyError {
  return new BflyError('BAD_REQUEST', message);
}
