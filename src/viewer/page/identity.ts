/** Who one is to the others: a name and a colour of one's own choice, kept in the browser. */

/** What others see. */
export interface Identity {
  readonly name: string;
  /** As `#rrggbb`. */
  readonly color: string;
}

const KEY = 'bfly.identity';
/** Told apart well, also on grey. */
export const COLORS = [
  '#e6194b',
  '#3cb44b',
  '#ffe119',
  '#4363d8',
  '#f58231',
  '#911eb4',
  '#42d4f4',
  '#f032e6',
  '#bfef45',
];

/** The identity of this browser; made up the first time. */
export function loadIdentity(storage: Storage = localStorage): Identity {
  try {
    const { name, color } = JSON.parse(storage.getItem(KEY) ?? '{}') as Partial<Identity>; // our own
    if (typeof name === 'string' && name !== '' && typeof color === 'string' && /^#[0-9a-f]{6}$/.test(color))
      return { name, color };
  } catch {
    // What cannot be read is made anew.
  }
  const number = crypto.getRandomValues(new Uint16Array(2));
  const identity = {
    name: `guest ${String((number[0] ?? 0) % 1_000).padStart(3, '0')}`,
    color: COLORS[(number[1] ?? 0) % COLORS.length] ?? '#3cb44b',
  };
  saveIdentity(identity, storage);
  return identity;
}

/** Keeps an identity. */
export function saveIdentity(identity: Identity, storage: Storage = localStorage): void {
  try {
    storage.setItem(KEY, JSON.stringify(identity));
  } catch {
    // A browser that keeps nothing: it is asked again the next time.
  }
}
