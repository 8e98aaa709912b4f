/** Addresses of peers as text, spelt the same on both transports, so that limits for one address hold. */
import { SocketAddress } from 'node:net';

const MAPPED = '::ffff:';

/** Text as Node has it: an IPv4 address that came through an IPv6 socket is written as IPv4. */
export function plainAddress(text: string | undefined): string {
  if (text === undefined) return '';
  return text.startsWith(MAPPED) && text.includes('.') ? text.slice(MAPPED.length) : text;
}

/** Text of 4 or 16 bytes in network order; '' for any other number of them. */
export function addressOfBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(2 * i).toString(16));
  return plainAddress(new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address);
}
