/** Names and colours of those who made annotations: as presence tells them while they are here, else made of their ids. Pure. */
import type { Peer } from '../../../client/index.ts';
import { authorOf, type Shape } from './shape.ts';

/** Somebody, as annotations show them. */
export interface Author {
  readonly name: string;
  /** As CSS takes it. */
  readonly color: string;
  readonly isOwn: boolean;
}

/** Oneself. */
export interface Self {
  readonly id: string;
  readonly name: string;
  readonly color: string;
}

const HEX = /^#[0-9a-f]{6}$/i;
const ANONYMOUS = 'anonymous:';

/** Who made what. */
export class Authors {
  readonly #self: Self;
  readonly #known: ReadonlyMap<string, Author>;
  readonly #nameOf: (id: string) => string | undefined;

  /** @param nameOf a name of somebody who is not here. */
  constructor(self: Self, peers: Iterable<Peer>, nameOf: (id: string) => string | undefined) {
    this.#self = self;
    this.#nameOf = nameOf;
    const known = new Map<string, Author>();
    for (const { user, name, color } of peers)
      if (!known.has(user.id) && user.id !== '')
        known.set(user.id, {
          name: name || user.id,
          color: HEX.test(color) ? color : hashColor(user.id),
          isOwn: false,
        });
    if (self.id !== '') known.set(self.id, { name: self.name, color: self.color, isOwn: true });
    this.#known = known;
  }

  /** Whether all look as they do to another. */
  isSame(other: Authors): boolean {
    if (this.#known.size !== other.#known.size) return false;
    return [...this.#known].every(([id, { name, color }]) => {
      const there = other.#known.get(id);
      return there?.name === name && there.color === color;
    });
  }

  /** Whoever made a shape. What the server has not answered is one's own. */
  of(shape: Pick<Shape, 'key' | 'row'>): Author {
    const id = authorOf(shape) || (shape.key < 0n ? this.#self.id : '');
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    if (shape.key < 0n) return { name: this.#self.name, color: this.#self.color, isOwn: true };
    return { name: this.#nameOf(id) ?? shortName(id), color: hashColor(id || 'nobody'), isOwn: false };
  }

  /** The colour of a shape: its own where it has one, else its author's. */
  colorOf(shape: Pick<Shape, 'key' | 'row'>): string {
    const props = shape.row['props'];
    if (typeof props === 'object' && props !== null) {
      const { color, colour = color } = props as { readonly color?: unknown; readonly colour?: unknown };
      if (typeof colour === 'string' && HEX.test(colour)) return colour;
    }
    return this.of(shape).color;
  }
}

/** Ids of guests are long and say nothing. */
function shortName(id: string): string {
  if (id.startsWith(ANONYMOUS)) return `guest ${id.slice(ANONYMOUS.length, ANONYMOUS.length + 4)}`;
  return id;
}

/** Always the same for the same text, and bright enough on dark. */
export function hashColor(text: string): string {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return `hsl(${((hash >>> 8) * 137) % 360} 75% 65%)`;
}
