/** Says beforehand whether LZ4 would make something shorter: noise, as microscopes have it, costs time to pack and to unpack for nothing. */

/** Bytes of a sample: two slices of a common chunk, so that what repeats along any axis is seen. */
const SAMPLE_BYTES = 8 * 1024;
const HASH_BITS = 12;
/** One word in so many has been there before: below that LZ4 saves a few per cent. */
const RARE = 8;

const lastAt = new Int32Array(1 << HASH_BITS);

/** Whether words of 4 bytes, which are what LZ4 finds again, come again often in the middle of some bytes. Short ones always count as such. */
export function isCompressible(bytes: Uint8Array): boolean {
  const { buffer, byteOffset, length } = bytes;
  if (length < 2 * SAMPLE_BYTES) return true;
  const words = new DataView(buffer, byteOffset + ((length - SAMPLE_BYTES) >> 1), SAMPLE_BYTES);
  lastAt.fill(0);
  let again = 0;
  for (let i = 0; i <= SAMPLE_BYTES - 4; i++) {
    const word = words.getUint32(i, true);
    const slot = Math.imul(word, 0x9e37_79b1) >>> (32 - HASH_BITS);
    if (words.getUint32(lastAt[slot] as number, true) === word && i > 0) again++;
    lastAt[slot] = i;
  }
  return again * RARE > SAMPLE_BYTES;
}
