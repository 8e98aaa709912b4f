/** Who is in a channel, from its peers. Pure. */
import type { Peer } from '../../../client/index.ts';
import { cssColor, idColor } from './id-color.ts';

/** Somebody in a channel, however many windows they have open. */
export interface Person {
  readonly id: string;
  readonly name: string;
  /** As CSS has it. */
  readonly color: string;
  readonly isMe: boolean;
}

const HEX = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i;

/** @param myId the user that the server takes us for. @returns by name. */
export function peopleOf(peers: Iterable<Peer>, myId: string): Person[] {
  const people = new Map<string, Person>();
  for (const { peer, user, name, color } of peers) {
    const id = user.id || peer;
    people.set(id, {
      id,
      name: name || user.id || 'somebody',
      color: HEX.test(color) ? color : cssColor(idColor(hashText(id))),
      isMe: user.id !== '' && user.id === myId,
    });
  }
  return [...people.values()].sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
}

/** A number for a text, never 0: whoever has no colour gets the same one each time. */
function hashText(text: string): bigint {
  let hash = 7;
  for (const letter of text) hash = (Math.imul(hash, 31) + (letter.codePointAt(0) ?? 0)) >>> 0;
  return BigInt(hash) + 1n;
}
