/** A peer's state as it travels in PEERS: checked, given the names that the server vouches for, encoded once. Rules [P1], [P3]. */
import { BflyError } from '../../../protocol/errors.ts';
import type { WireMap } from '../../../protocol/messages.ts';
import { pack } from '../../../protocol/msgpack.ts';
import type { User } from '../../core/rights.ts';

/** Largest state of a client, in its shortest encoding. */
const MAX_BYTES = 512;
/** And in values: containers, keys and all. */
const MAX_NODES = 64;

const utf8 = new TextEncoder();

/** What is wrong with a client's state; undefined where it may be shown. */
export function presenceFault(state: WireMap): BflyError | undefined {
  const size = { bytes: 0, nodes: 0 };
  measure(state, size);
  if (size.nodes > MAX_NODES) return new BflyError('BAD_REQUEST', `state has more than ${MAX_NODES} values`);
  if (size.bytes > MAX_BYTES) return new BflyError('BAD_REQUEST', `state has more than ${MAX_BYTES} bytes`);
  return undefined;
}

/**
 * One row of PEERS: `[peer, n, state]`.
 *
 * @param state nil: the peer is gone.
 * @returns owned bytes.
 */
export function encodePeer(
  peer: { readonly peerId: string; readonly user: User; readonly color?: string | undefined },
  n: number,
  state: WireMap | null,
): Uint8Array {
  return new Uint8Array(pack([peer.peerId, n, state === null ? null : withUser(state, peer.user, peer.color)]));
}

/** `user` and `color` are the server's: what a client says under these keys is not shown. */
function withUser(state: WireMap, user: User, color: string | undefined): WireMap {
  const { user: _user, color: _color, ...rest } = state;
  return { ...rest, user: { id: user.id, name: user.name }, ...(color === undefined ? {} : { color }) };
}

/** Adds up the shortest encoding of a value; stops counting where it is too large. */
function measure(value: unknown, size: { bytes: number; nodes: number }): void {
  size.nodes++;
  if (size.nodes > MAX_NODES || size.bytes > MAX_BYTES) return;
  if (typeof value === 'string') {
    // Nothing is counted that is too long for certain.
    const bytes = value.length > MAX_BYTES ? value.length : utf8.encode(value).length;
    size.bytes += bytes + (bytes < 32 ? 1 : bytes < 256 ? 2 : 3);
  } else if (typeof value === 'number' || typeof value === 'bigint') size.bytes += numberBytes(value);
  else if (typeof value !== 'object' || value === null) size.bytes += 1;
  else if (value instanceof Uint8Array) size.bytes += value.length + (value.length < 256 ? 2 : 3);
  else if (Array.isArray(value)) {
    size.bytes += value.length < 16 ? 1 : 3;
    for (const part of value) measure(part, size);
  } else {
    const entries = Object.entries(value);
    size.bytes += entries.length < 16 ? 1 : 3;
    for (const [key, part] of entries) {
      measure(key, size);
      measure(part, size);
    }
  }
}

function numberBytes(value: number | bigint): number {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return Object.is(Math.fround(value), value) ? 5 : 9;
  if (value >= -32 && value < 128) return 1;
  if (value >= -0x80 && value < 0x100) return 2;
  if (value >= -0x8000 && value < 0x1_0000) return 3;
  return value >= -0x8000_0000 && value < 0x1_0000_0000 ? 5 : 9;
}
