/**
 * MessagePack written straight into a buffer, for what is encoded very often: the same bytes as `pack`, without a copy of the value and
 * without an arena in between. What it does not know it leaves to `pack`, which is also its oracle in the tests.
 */
import { pack } from './msgpack.ts';

const UINT32 = 0x1_0000_0000;
const INT32 = 0x8000_0000;
const MAX_UINT32 = 0xffff_ffffn;
const MIN_INT32 = -0x8000_0000n;
/** Strings up to so many characters are tried as ASCII first. */
const SHORT = 64;
/** Byte lists up to so long are copied one by one: a call of `set` costs more. */
const FEW_BYTES = 24;

/** A buffer that grows, and what is written into it. */
export class MessageWriter {
  /** What was written is [0, end). */
  end = 0;
  readonly #size: number;
  #bytes: Uint8Array;
  #view: DataView;

  /** @param size bytes that are expected; it grows to the largest message. */
  constructor(size = 4_096) {
    this.#size = size;
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Begins a message whose bytes are handed out and never written over: in a buffer of its own, where this one is nearly full. */
  begin(): number {
    if (this.end > this.#size / 2) {
      this.#bytes = new Uint8Array(this.#size);
      this.#view = new DataView(this.#bytes.buffer);
      this.end = 0;
    }
    return this.end;
  }

  /** What was written from a place on. Borrowed: it stays as it is until something is written over it, or `end` is set back. */
  part(start: number, end = this.end): Uint8Array {
    return this.#bytes.subarray(start, end);
  }

  /** Makes room for some bytes and passes over them. @returns where they begin. */
  skip(length: number): number {
    const start = this.end;
    if (start + length > this.#bytes.length) {
      const larger = new Uint8Array(2 * (start + length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.end = start + length;
    return start;
  }

  byte(value: number): void {
    const at = this.skip(1);
    this.#bytes[at] = value;
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    const at = this.skip(bytes.length);
    if (bytes.length > FEW_BYTES) this.#bytes.set(bytes, at);
    else for (let i = 0; i < bytes.length; i++) this.#bytes[at + i] = bytes[i] as number;
  }

  float64(value: number): void {
    const at = this.skip(8);
    this.#view.setFloat64(at, value);
  }

  /** A whole number of up to 53 bits, in 8 bytes. */
  uint53(value: number): void {
    const at = this.skip(8);
    this.#view.setUint32(at, Math.floor(value / UINT32));
    this.#view.setUint32(at + 4, value >>> 0);
  }

  /** Text without a token before it. @returns its bytes. */
  text(text: string): number {
    const start = this.end;
    if (text.length > SHORT || !this.#ascii(text)) this.raw(ENCODER.encode(text));
    return this.end - start;
  }

  /** A value as `pack` writes it. */
  value(value: unknown): void {
    switch (typeof value) {
      case 'number':
        return this.#number(value);
      case 'bigint':
        return this.#bigint(value);
      case 'string':
        return this.#string(value);
      case 'boolean':
        return this.byte(value ? 0xc3 : 0xc2);
      case 'undefined':
        return this.byte(0xc0);
      case 'object':
        if (value === null) return this.byte(0xc0);
        if (Array.isArray(value)) return this.#array(value);
        if (value instanceof Uint8Array) return this.#bin(value);
        if (Object.getPrototypeOf(value) === Object.prototype) return this.#map(value as Record<string, unknown>);
    }
    this.raw(pack(value));
  }

  #array(values: readonly unknown[]): void {
    this.#count(values.length, 0x90, 0xdc);
    for (let i = 0; i < values.length; i++) this.value(values[i]);
  }

  #map(map: Readonly<Record<string, unknown>>): void {
    // Two loops cost less than a list of the keys; only `Object.prototype` stands above it, which has none.
    let count = 0;
    for (const _key in map) count++;
    this.#count(count, 0x80, 0xde);
    for (const key in map) {
      this.#string(key);
      this.value(map[key]);
    }
  }

  #bin(bytes: Uint8Array): void {
    const { length } = bytes;
    const width = length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 4;
    const at = this.skip(1 + width);
    this.#bytes[at] = width === 1 ? 0xc4 : width === 2 ? 0xc5 : 0xc6;
    if (width === 1) this.#bytes[at + 1] = length;
    else if (width === 2) this.#view.setUint16(at + 1, length);
    else this.#view.setUint32(at + 1, length);
    this.raw(bytes);
  }

  /** The head of a list or a map. @param few of up to 15. @param token of more. */
  #count(count: number, few: number, token: number): void {
    if (count < 16) return this.byte(few | count);
    const at = this.skip(count < 0x1_0000 ? 3 : 5);
    this.#bytes[at] = count < 0x1_0000 ? token : token + 1;
    if (count < 0x1_0000) this.#view.setUint16(at + 1, count);
    else this.#view.setUint32(at + 1, count);
  }

  #number(value: number): void {
    if (value >>> 0 === value) return this.#uint32(value);
    if (value < 0 && value >= -INT32 && Number.isInteger(value)) return this.#negative(value);
    if (Number.isSafeInteger(value)) return this.#int64(BigInt(value));
    this.byte(0xcb);
    this.float64(value);
  }

  #bigint(value: bigint): void {
    if (value <= MAX_UINT32 && value >= MIN_INT32) return this.#number(Number(value));
    this.#int64(value);
  }

  #uint32(value: number): void {
    if (value < 0x80) return this.byte(value);
    if (value < 0x100) {
      const at = this.skip(2);
      this.#bytes[at] = 0xcc;
      this.#bytes[at + 1] = value;
    } else if (value < 0x1_0000) {
      const at = this.skip(3);
      this.#bytes[at] = 0xcd;
      this.#view.setUint16(at + 1, value);
    } else {
      const at = this.skip(5);
      this.#bytes[at] = 0xce;
      this.#view.setUint32(at + 1, value);
    }
  }

  #negative(value: number): void {
    if (value >= -0x20) return this.byte(value + 0x100);
    if (value >= -0x80) {
      const at = this.skip(2);
      this.#bytes[at] = 0xd0;
      this.#view.setInt8(at + 1, value);
    } else if (value >= -0x8000) {
      const at = this.skip(3);
      this.#bytes[at] = 0xd1;
      this.#view.setInt16(at + 1, value);
    } else {
      const at = this.skip(5);
      this.#bytes[at] = 0xd2;
      this.#view.setInt32(at + 1, value);
    }
  }

  /** Of more than 32 bits. */
  #int64(value: bigint): void {
    if (value > 0xffff_ffff_ffff_ffffn || value < -0x8000_0000_0000_0000n) return this.raw(pack(value));
    const isSigned = value < 0x8000_0000_0000_0000n;
    const at = this.skip(9);
    this.#bytes[at] = isSigned ? 0xd3 : 0xcf;
    this.#view.setBigUint64(at + 1, BigInt.asUintN(64, value));
  }

  #string(text: string): void {
    if (text.length < 32) {
      const start = this.skip(1);
      this.#bytes[start] = 0xa0 | text.length;
      if (this.#ascii(text)) return;
      this.end = start;
    }
    this.raw(pack(text));
  }

  /** Text whose characters are bytes. @returns false, and nothing is written, where they are not. */
  #ascii(text: string): boolean {
    const start = this.skip(text.length);
    const bytes = this.#bytes;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) {
        this.end = start;
        return false;
      }
      bytes[start + i] = unit;
    }
    return true;
  }
}

const ENCODER = new TextEncoder();
