/**
 * Reads JSON piece by piece, so that a large file never stands in memory whole, with every integer exact.
 * (`JSON.parse` rounds integers above 2⁵³.)
 */
import { BflyError } from '../../protocol/errors.ts';

/** Hears the parts of a JSON text in order. What it throws ends the reading. */
export interface JsonListener {
  open(kind: 'object' | 'array'): void;
  close(kind: 'object' | 'array'): void;
  /** The name of the value that follows. */
  key(name: string): void;
  /** A number without fraction and exponent; a bigint beyond 15 digits. */
  integer(value: number | bigint): void;
  /** A number with a fraction or exponent. */
  fraction(value: number): void;
  other(value: string | boolean | null): void;
}

/** Longest string or number, bytes: without a limit a broken file would be held whole. */
const MAX_TOKEN_BYTES = 1024 * 1024;
const MAX_DEPTH = 64;
/** Digits that a number always holds exactly. */
const EXACT_DIGITS = 15;
const MAX_DIGITS = 400;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const LITERALS: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null };

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

type Expected = 'value' | 'value or ]' | 'key or }' | 'key' | ':' | ', or end' | 'nothing more';

/** A reader of one JSON text. */
export class JsonReader {
  readonly #listener: JsonListener;
  readonly #stack: ('object' | 'array')[] = [];
  #expected: Expected = 'value';
  /** Bytes of a token that goes on in the next piece. */
  #carry: Uint8Array = new Uint8Array(0);
  /** Bytes before the piece. */
  #before = 0;

  constructor(listener: JsonListener) {
    this.#listener = listener;
  }

  /**
   * Takes the next piece.
   *
   * @param piece borrowed.
   * @throws BflyError BAD_REQUEST naming the byte where it is no JSON; what the listener throws.
   */
  push(piece: Uint8Array): void {
    this.#read(this.#carry.length === 0 ? piece : Buffer.concat([this.#carry, piece]), false);
  }

  /** Ends the text. @throws BflyError BAD_REQUEST where it is not whole. */
  end(): void {
    this.#read(this.#carry, true);
    if (this.#expected !== 'nothing more') throw this.#fault(this.#carry.length, 'the text ends too early');
  }

  #read(bytes: Uint8Array, isLast: boolean): void {
    let at = this.#before === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    while (at < bytes.length) {
      const byte = bytes[at] as number;
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
        at++;
        continue;
      }
      const next = this.#token(bytes, at, byte, isLast);
      if (next === undefined) break;
      at = next;
    }
    if (bytes.length - at > MAX_TOKEN_BYTES) throw this.#fault(at, `a value is longer than ${MAX_TOKEN_BYTES} bytes`);
    this.#before += at;
    this.#carry = bytes.slice(at);
  }

  /** @returns where the next token begins; undefined where this one may go on in the next piece. */
  #token(bytes: Uint8Array, at: number, byte: number, isLast: boolean): number | undefined {
    if (byte === COMMA && this.#expected === ', or end') {
      this.#expected = this.#stack.at(-1) === 'array' ? 'value' : 'key';
      return at + 1;
    }
    if (byte === COLON && this.#expected === ':') {
      this.#expected = 'value';
      return at + 1;
    }
    if (byte === 0x7d || byte === 0x5d) return this.#close(byte === 0x7d ? 'object' : 'array', at);
    if (byte === QUOTE) return this.#string(bytes, at, isLast);
    if (this.#expected !== 'value' && this.#expected !== 'value or ]')
      throw this.#fault(at, `${this.#expected} is missing`);
    if (byte === 0x7b || byte === 0x5b) return this.#open(byte === 0x7b ? 'object' : 'array', at);
    return this.#scalar(bytes, at, isLast);
  }

  #open(kind: 'object' | 'array', at: number): number {
    if (this.#stack.length === MAX_DEPTH) throw this.#fault(at, `it is nested deeper than ${MAX_DEPTH}`);
    this.#stack.push(kind);
    this.#expected = kind === 'object' ? 'key or }' : 'value or ]';
    this.#listener.open(kind);
    return at + 1;
  }

  #close(kind: 'object' | 'array', at: number): number {
    const isEmpty = this.#expected === (kind === 'object' ? 'key or }' : 'value or ]');
    if (this.#stack.at(-1) !== kind || (!isEmpty && this.#expected !== ', or end'))
      throw this.#fault(at, `${this.#expected} is missing`);
    this.#stack.pop();
    this.#listener.close(kind);
    this.#valueEnds();
    return at + 1;
  }

  #valueEnds(): void {
    this.#expected = this.#stack.length === 0 ? 'nothing more' : ', or end';
  }

  #string(bytes: Uint8Array, at: number, isLast: boolean): number | undefined {
    let end = at + 1;
    while (end < bytes.length && bytes[end] !== QUOTE) end += bytes[end] === BACKSLASH ? 2 : 1;
    if (end >= bytes.length) {
      if (isLast) throw this.#fault(at, 'a string does not end');
      return undefined;
    }
    const text = this.#parseString(Buffer.from(bytes.buffer, bytes.byteOffset + at, end + 1 - at).toString('utf8'), at);
    if (this.#expected === 'key' || this.#expected === 'key or }') {
      this.#expected = ':';
      this.#listener.key(text);
    } else if (this.#expected === 'value' || this.#expected === 'value or ]') {
      this.#valueEnds();
      this.#listener.other(text);
    } else throw this.#fault(at, `${this.#expected} is missing`);
    return end + 1;
  }

  #parseString(quoted: string, at: number): string {
    try {
      // It begins and ends with quotes, so it can only be a string.
      return JSON.parse(quoted) as string;
    } catch {
      throw this.#fault(at, 'a string has a character that is not allowed');
    }
  }

  /** A number, true, false or null. Numbers of few digits, which nearly all are, become no text on the way. */
  #scalar(bytes: Uint8Array, at: number, isLast: boolean): number | undefined {
    const isNegative = bytes[at] === 0x2d;
    const first = isNegative ? at + 1 : at;
    let end = first;
    let value = 0;
    for (; end < bytes.length; end++) {
      const digit = (bytes[end] as number) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const digits = end - first;
    if (digits > 0 && digits <= EXACT_DIGITS && end < bytes.length && isEndOfScalar(bytes[end] as number)) {
      if (digits > 1 && bytes[first] === 0x30) throw this.#fault(at, 'a number begins with 0');
      this.#valueEnds();
      this.#listener.integer(isNegative ? -value : value);
      return end;
    }
    while (end < bytes.length && !isEndOfScalar(bytes[end] as number)) end++;
    if (end === bytes.length && !isLast) return undefined;
    this.#longScalar(Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString('latin1'), at);
    return end;
  }

  #longScalar(text: string, at: number): void {
    const literal = Object.hasOwn(LITERALS, text) ? LITERALS[text] : undefined;
    const number = literal === undefined && text.length <= MAX_DIGITS ? NUMBER.exec(text) : null;
    if (literal === undefined && number === null)
      throw this.#fault(at, `${JSON.stringify(text.slice(0, 20))} is no value`);
    this.#valueEnds();
    if (literal !== undefined) this.#listener.other(literal);
    else if (number?.[2] !== undefined || number?.[3] !== undefined) this.#listener.fraction(Number(text));
    else this.#listener.integer(text.length <= EXACT_DIGITS ? Number(text) : BigInt(text));
  }

  #fault(at: number, what: string): BflyError {
    return new BflyError('BAD_REQUEST', `is not JSON: ${what} at byte ${this.#before + at}`);
  }
}

/** White space, a comma or a bracket. */
function isEndOfScalar(byte: number): boolean {
  return byte === COMMA || byte === 0x5d || byte === 0x7d || byte <= 0x20 || byte === COLON || byte === QUOTE;
}
