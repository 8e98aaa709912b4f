/** zlib as plain bytes: its own results are `Buffer`s, whose `slice` does not copy as that of other arrays does. */
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';

const gunzipBuffer = promisify(gunzip);
const inflateBuffer = promisify(inflate);

/** The same bytes as an array that is no `Buffer`. */
export function plainArray(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** Unpacks gzip off the event loop. @returns owned bytes. @throws zlib's error, also where they are more than `maxBytes`. */
export async function gunzipBytes(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  return plainArray(await gunzipBuffer(bytes, { maxOutputLength: maxBytes }));
}

/** Unpacks deflate with zlib's header off the event loop. @returns owned bytes. @throws zlib's error, also where they are more than `maxBytes`. */
export async function inflateBytes(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  return plainArray(await inflateBuffer(bytes, { maxOutputLength: maxBytes }));
}
