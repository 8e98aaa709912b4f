/** The others in a view, each window of theirs once, from the peers of its channels. Pure. */
import type { ChannelInfo, Peer, PresenceState } from '../../../client/index.ts';
import { COLORS } from '../identity.ts';
import { type Place, type StageLook, toPlace } from '../stage.ts';
import { lookFrom } from './told-look.ts';

/** What somebody has selected in a channel. */
export interface Selection {
  readonly ids: readonly bigint[];
  /** How many there are: no more than so many of them are told. */
  readonly count: number;
}

/** A window of somebody. */
export interface Person {
  /** The same for as long as the window is connected. */
  readonly key: string;
  readonly name: string;
  /** As CSS has it. */
  readonly color: string;
  /** Another window of one's own. */
  readonly isMe: boolean;
  /** What they do, in a word; '' while they only look. */
  readonly tool: string;
  /** Where they point at. */
  readonly cursor: Place | undefined;
  readonly look: StageLook | undefined;
  /** By path. */
  readonly selected: ReadonlyMap<string, Selection>;
}

/** A channel and who is in it. */
export interface ChannelPeers {
  readonly path: string;
  readonly info: ChannelInfo;
  readonly peers: Iterable<Peer>;
}

/** Who we are to the server, and which window this is. */
export interface Me {
  readonly id: string;
  readonly window: string;
}

const HEX = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i;
/** Letters of a name that are shown. */
const NAME_LENGTH = 64;
const TOOL_LENGTH = 24;

/** @returns by name, then by key; this window is not among them. */
export function joinPeers(channels: Iterable<ChannelPeers>, me: Me): Person[] {
  const people = new Map<string, Person>();
  for (const { path, info, peers } of channels) {
    const nameless = new Map<string, number>();
    for (const peer of [...peers].sort((a, b) => (a.peer < b.peer ? -1 : 1))) {
      const key = keyOf(peer, nameless);
      if (peer.user.id === me.id && peer.state['window'] === me.window) continue; // ourselves, of before a reconnection
      const known = people.get(key) ?? personOf(key, peer, me);
      people.set(key, withChannel(known, path, info, peer.state));
    }
  }
  return [...people.values()].sort((a, b) => a.name.localeCompare(b.name) || (a.key < b.key ? -1 : 1));
}

/** Other programs do not say which window they are: the first of a user in each channel is the same one, and so on. */
function keyOf({ peer, user, state }: Peer, nameless: Map<string, number>): string {
  if (user.id === '') return peer;
  const { window } = state;
  if (typeof window === 'string') return `${user.id} ${window}`;
  const n = nameless.get(user.id) ?? 0;
  nameless.set(user.id, n + 1);
  return `${user.id} #${n}`;
}

function personOf(key: string, { user, name, color, state }: Peer, me: Me): Person {
  return {
    key,
    name: (name || user.id || 'somebody').slice(0, NAME_LENGTH),
    color: HEX.test(color) ? color : colorOf(user.id || key),
    isMe: user.id !== '' && user.id === me.id,
    tool: typeof state.tool === 'string' ? state.tool.slice(0, TOOL_LENGTH) : '',
    cursor: undefined,
    look: undefined,
    selected: new Map(),
  };
}

/** The first channel that tells of a cursor says where it is: each tells at another moment. */
function withChannel(person: Person, path: string, info: ChannelInfo, state: PresenceState): Person {
  const ids = idsOf(state.select);
  const count = Math.max(ids.length, typeof state['selected'] === 'number' ? state['selected'] : 0);
  return {
    ...person,
    cursor: person.cursor ?? cursorOf(info, state.cursor),
    look: person.look ?? lookFrom(state.view),
    selected: ids.length === 0 ? person.selected : new Map([...person.selected, [path, { ids, count }]]),
  };
}

function cursorOf(info: ChannelInfo, cursor: unknown): Place | undefined {
  if (!Array.isArray(cursor) || cursor.length !== 3) return undefined;
  const [x, y, z] = cursor.map(Number);
  const place = toPlace(info, [x ?? Number.NaN, y ?? Number.NaN, z ?? Number.NaN]);
  return place.every(Number.isFinite) ? place : undefined;
}

function idsOf(select: unknown): bigint[] {
  if (!Array.isArray(select)) return [];
  return select.flatMap((id) =>
    typeof id === 'bigint' || (typeof id === 'number' && Number.isSafeInteger(id)) ? [BigInt(id)] : [],
  );
}

/** For who has chosen none: the same one each time. */
function colorOf(text: string): string {
  let hash = 7;
  for (const letter of text) hash = (Math.imul(hash, 31) + (letter.codePointAt(0) ?? 0)) >>> 0;
  return COLORS[hash % COLORS.length] ?? '#42d4f4';
}

/** Black or white, whichever is read better on a colour. @param color `#rgb` or `#rrggbb`. */
export function inkOn(color: string): '#000' | '#fff' {
  const hex = color.length === 4 ? color.replace(/[0-9a-f]/gi, '$&$&') : color;
  const [r, g, b] = [1, 3, 5].map((at) => linear(Number.parseInt(hex.slice(at, at + 2), 16) / 255));
  const light = 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
  return (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) ? '#000' : '#fff';
}

function linear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}
