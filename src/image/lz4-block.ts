/**
 * LZ4 blocks. Not numcodecs' lz4: that keeps the room of each block it fails at, for good, until it can unpack none any more.
 *
 * Source: lz4, doc/lz4_Block_format.md
 */

const MIN_MATCH = 4;
const LONG = 15;

/**
 * Unpacks a block.
 *
 * @param bytes borrowed until the call returns.
 * @param length that it unpacks to.
 * @returns owned.
 * @throws Error where it is damaged, or unpacks to another length.
 */
export function unpackLz4Block(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let at = 0;
  let done = 0;
  const byte = (): number => {
    const value = bytes[at++];
    if (value === undefined) throw new Error('an LZ4 block ends too early');
    return value;
  };
  const lengthFrom = (nibble: number): number => {
    let sum = nibble;
    if (nibble === LONG) for (let more = 255; more === 255; sum += more) more = byte();
    return sum;
  };
  for (;;) {
    const token = byte();
    const literals = lengthFrom(token >> 4);
    if (at + literals > bytes.length || done + literals > length)
      throw new Error('literals of an LZ4 block are too long');
    out.set(bytes.subarray(at, at + literals), done);
    at += literals;
    done += literals;
    if (at === bytes.length) break;
    const offset = byte() | (byte() << 8);
    const match = lengthFrom(token & LONG) + MIN_MATCH;
    if (offset === 0 || offset > done || done + match > length)
      throw new Error('a match of an LZ4 block lies outside it');
    copyMatch(out, done, offset, match);
    done += match;
  }
  if (done !== length) throw new Error(`an LZ4 block unpacks to ${done} bytes instead of ${length}`);
  return out;
}

/** Repeats what stands `offset` bytes before: the copy may run into itself, then what was copied is copied on. */
function copyMatch(out: Uint8Array, at: number, offset: number, length: number): void {
  for (let copied = 0; copied < length; ) {
    const part = Math.min(offset + copied, length - copied);
    out.copyWithin(at + copied, at - offset, at - offset + part);
    copied += part;
  }
}
