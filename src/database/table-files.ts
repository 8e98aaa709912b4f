/**
 * The files of tables, as Butterfly had them. Source: parity.md 4.1.
 *
 * - `synapse-connections.json`: `{"neuron_1": [pre…], "neuron_2": [post…], "synapse_center": {"z": […], "y": […], "x": […]}}`, five
 *   lists of one length; row i is the synapse `firstSynapse + i`.
 * - `neuron-soma.json`: `[{"neuron_id", "z", "y", "x"}, …]`.
 *
 * Numbers may also be written as strings. Ids are exact up to 2⁶⁴-1. A file with a fault gives nothing.
 */
import { createReadStream } from 'node:fs';
import { BflyError } from '../../protocol/errors.ts';
import { type JsonListener, JsonReader } from '../utility/json-reader.ts';
import { checkCoordinate, checkId, type RowColumns, type SynapseColumns, shown } from './table-columns.ts';

const PIECE_BYTES = 256 * 1024;
const DECIMAL = /^\s*[+-]?\d+\s*$/;

/**
 * Reads a table of synapses.
 *
 * @param firstSynapse key of the first row.
 * @throws BflyError BAD_REQUEST naming the field, NOT_FOUND where there is no file, UNAVAILABLE where it cannot be read; the reason of
 *   `signal`.
 */
export async function readSynapseFile(
  file: string,
  firstSynapse: number,
  signal?: AbortSignal,
): Promise<SynapseColumns> {
  const listener = new SynapseListener();
  await readJson(file, listener, signal);
  return listener.columns(firstSynapse);
}

/**
 * Reads a table of somata: neurons in the order of the file; of two with one id the later counts.
 *
 * @throws BflyError as `readSynapseFile`.
 */
export async function readSomaFile(file: string, signal?: AbortSignal): Promise<RowColumns> {
  const listener = new SomaListener();
  await readJson(file, listener, signal);
  return listener.columns();
}

async function readJson(file: string, listener: JsonListener, signal: AbortSignal | undefined): Promise<void> {
  const reader = new JsonReader(listener);
  const stream = createReadStream(file, { highWaterMark: PIECE_BYTES });
  try {
    // Each piece is a turn of the event loop: a server that listens goes on answering.
    for await (const piece of stream) {
      signal?.throwIfAborted();
      reader.push(piece);
    }
  } catch (error) {
    throw readingFault(error);
  }
  reader.end();
}

function readingFault(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (error instanceof BflyError || code === undefined) return error;
  if (code === 'ENOENT') return new BflyError('NOT_FOUND', 'does not exist', { cause: error });
  return new BflyError('UNAVAILABLE', `cannot be read (${code})`, { cause: error });
}

/** A list of 64-bit numbers that grows. */
class Growing {
  view = new DataView(new ArrayBuffer(8 * 1024));
  length = 0;

  /** Adds a number. @returns where in `view` to write it. */
  next(): number {
    const at = 8 * this.length++;
    if (at === this.view.byteLength) {
      const larger = new Uint8Array(2 * at);
      larger.set(new Uint8Array(this.view.buffer));
      this.view = new DataView(larger.buffer);
    }
    return at;
  }

  bytes(): ArrayBuffer {
    return new Uint8Array(this.view.buffer).slice(0, 8 * this.length).buffer;
  }
}

/** A column of ids or coordinates. */
class Column {
  readonly field: string;
  readonly isId: boolean;
  #values = new Growing();
  isThere = false;

  constructor(field: string, isId: boolean) {
    this.field = field;
    this.isId = isId;
  }

  get length(): number {
    return this.#values.length;
  }

  /** Of two lists with one name the later counts. */
  begin(): void {
    this.#values = new Growing();
    this.isThere = true;
  }

  /** @param value as it stands in the file; a fraction is wrapped, so that 5.0 is no id. */
  add(value: unknown, at: () => string = () => `${this.field}[${this.length}]`): void {
    const given = typeof value === 'string' ? fromText(value) : value;
    if (this.isId) this.#addId(given, at);
    else this.#addCoordinate(given instanceof Fraction ? given.value : given, at);
  }

  #addId(given: unknown, at: () => string): void {
    if (given instanceof Fraction) throw notWhole(at(), given.value);
    const isSmall = typeof given === 'number' && given >= 0;
    const id = isSmall ? 0n : checkId(given, at());
    // The view may be another one after this.
    const place = this.#values.next();
    if (isSmall) setUint53(this.#values.view, given, place);
    else this.#values.view.setBigUint64(place, id, true);
  }

  #addCoordinate(given: unknown, at: () => string): void {
    const isSmall = typeof given === 'number' && Math.abs(given) < 2 ** 31;
    const coordinate = isSmall ? given : checkCoordinate(given, at());
    const place = this.#values.next();
    this.#values.view.setFloat64(place, coordinate, true);
  }

  ids(): BigUint64Array {
    return new BigUint64Array(this.#values.bytes());
  }

  coordinates(): Float64Array {
    return new Float64Array(this.#values.bytes());
  }
}

/** A number with a fraction or exponent. */
class Fraction {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

function fromText(text: string): unknown {
  if (DECIMAL.test(text)) return BigInt(text.trim().replace(/^\+/, ''));
  const number = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(number) ? new Fraction(number) : text;
}

/** @param value an integer below 2⁵³. */
function setUint53(view: DataView, value: number, at = 0): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

function notWhole(field: string, value: number): BflyError {
  return new BflyError(
    'BAD_REQUEST',
    `${field} must be an integer from 0 to 2^64-1, written without a point, not ${value}`,
  );
}

function fault(message: string): BflyError {
  return new BflyError('BAD_REQUEST', message);
}

const COLUMNS = [
  ['neuron_1', true],
  ['neuron_2', true],
  ['synapse_center.z', false],
  ['synapse_center.y', false],
  ['synapse_center.x', false],
] as const;

/** Takes the five lists out of a file of synapses. */
class SynapseListener implements JsonListener {
  readonly #columns = new Map(COLUMNS.map(([field, isId]) => [field as string, new Column(field, isId)]));
  /** Names of the objects that stand open, and of the value that follows. */
  readonly #keys: string[] = [];
  #depth = 0;
  #column: Column | undefined;

  open(kind: 'object' | 'array'): void {
    if (this.#depth === 0 && kind === 'array') throw fault(`must be an object with ${fieldNames()}, not a list`);
    if (this.#column !== undefined) throw fault(`${this.#column.field} must be a list of numbers alone`);
    const column = this.#here();
    if (column !== undefined && kind === 'object') throw fault(`${column.field} must be a list of numbers`);
    column?.begin();
    this.#column = column;
    this.#depth++;
    this.#keys[this.#depth] = kind === 'array' ? '[]' : '';
  }

  close(): void {
    this.#column = undefined;
    this.#depth--;
  }

  key(name: string): void {
    this.#keys[this.#depth] = name;
  }

  integer(value: number | bigint): void {
    this.#value(value);
  }

  fraction(value: number): void {
    this.#value(new Fraction(value));
  }

  other(value: string | boolean | null): void {
    this.#value(value);
  }

  columns(firstSynapse: number): SynapseColumns {
    const columns = [...this.#columns.values()];
    const missing = columns.find(({ isThere }) => !isThere);
    if (missing !== undefined) throw fault(`${missing.field} is missing: it must have ${fieldNames()}`);
    const [pre, post, z, y, x] = columns as [Column, Column, Column, Column, Column];
    const odd = columns.find(({ length }) => length !== pre.length);
    if (odd !== undefined)
      throw fault(
        `${odd.field} has ${odd.length} values and ${pre.field} has ${pre.length}: all lists must be equally long`,
      );
    const key = countFrom(firstSynapse, pre.length);
    return { key, pre: pre.ids(), post: post.ids(), x: x.coordinates(), y: y.coordinates(), z: z.coordinates() };
  }

  #value(value: unknown): void {
    if (this.#column !== undefined) return this.#column.add(value);
    if (this.#depth === 0) throw fault(`must be an object with ${fieldNames()}`);
    const column = this.#here();
    if (column !== undefined) throw fault(`${column.field} must be a list of numbers`);
  }

  /** The column that the value at this place would be. */
  #here(): Column | undefined {
    return this.#columns.get(this.#keys.slice(1, this.#depth + 1).join('.'));
  }
}

function fieldNames(): string {
  return 'neuron_1, neuron_2 and synapse_center {z, y, x}';
}

/** `length` keys, one after the other. */
function countFrom(first: number, length: number): BigUint64Array {
  const keys = new BigUint64Array(length);
  const view = new DataView(keys.buffer);
  for (let i = 0; i < length; i++) setUint53(view, first + i, 8 * i);
  return keys;
}

const SOMA_FIELDS = ['neuron_id', 'z', 'y', 'x'] as const;

/** Takes the neurons out of a file of somata. */
class SomaListener implements JsonListener {
  readonly #columns = SOMA_FIELDS.map((field) => new Column(field, field === 'neuron_id'));
  #depth = 0;
  #rows = 0;
  #key = '';
  #fields = new Map<string, unknown>();

  open(kind: 'object' | 'array'): void {
    if (this.#depth === 0 && kind === 'object') throw fault('must be a list of {neuron_id, z, y, x}, not an object');
    if (this.#depth === 1 && kind === 'array') throw fault(`[${this.#rows}] must be an object {neuron_id, z, y, x}`);
    if (this.#depth === 2) this.#set(kind === 'array' ? 'a list' : 'an object');
    this.#depth++;
    if (this.#depth === 2) this.#fields = new Map();
  }

  close(): void {
    this.#depth--;
    if (this.#depth === 1) this.#add();
  }

  key(name: string): void {
    if (this.#depth === 2) this.#key = name;
  }

  integer(value: number | bigint): void {
    this.#value(value);
  }

  fraction(value: number): void {
    this.#value(new Fraction(value));
  }

  other(value: string | boolean | null): void {
    this.#value(value);
  }

  columns(): RowColumns {
    const [key, z, y, x] = this.#columns as [Column, Column, Column, Column];
    return { key: key.ids(), x: x.coordinates(), y: y.coordinates(), z: z.coordinates() };
  }

  #value(value: unknown): void {
    if (this.#depth === 0) throw fault('must be a list of {neuron_id, z, y, x}');
    if (this.#depth === 1) throw fault(`[${this.#rows}] must be an object {neuron_id, z, y, x}, not ${shown(value)}`);
    if (this.#depth === 2) this.#set(value);
  }

  #set(value: unknown): void {
    this.#fields.set(this.#key, value);
  }

  #add(): void {
    for (const column of this.#columns) {
      const at = `[${this.#rows}].${column.field}`;
      if (!this.#fields.has(column.field)) throw fault(`${at} is missing: each needs neuron_id, z, y and x`);
      column.add(this.#fields.get(column.field), () => at);
    }
    this.#rows++;
  }
}
