/** Inflating with what every browser and Node have. */
import { BflyError } from '../../protocol/index.ts';

/** Whether this surrounding can inflate. */
export const CAN_GUNZIP = typeof DecompressionStream === 'function';

/**
 * Inflates gzip (RFC 1952).
 *
 * @param bytes borrowed until the promise settles.
 * @param maxBytes stops there: a small file may hold any number of zeros.
 * @returns owned bytes.
 * @throws BflyError INTERNAL where the bytes are no gzip or hold more than `maxBytes`.
 */
export async function gunzip(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const stream = new DecompressionStream('gzip');
  const writer = stream.writable.getWriter();
  const written = writer.write(bytes as Uint8Array<ArrayBuffer>).then(() => writer.close()); // never shared memory: it came off a socket
  written.catch(() => {}); // the reader fails with it
  const reader = stream.readable.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      length += part.value.length;
      if (length > maxBytes) throw new BflyError('INTERNAL', `a gzip tile holds more than ${maxBytes} bytes`);
    }
  } catch (cause) {
    reader.cancel().catch(() => {});
    throw cause instanceof BflyError ? cause : new BflyError('INTERNAL', 'a gzip tile is damaged', { cause });
  }
  return join(parts, length);
}

/** Parts in a row as one. @returns the only part itself, or owned bytes. */
export function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
