/** Edits and times as people read them. Pure. */
import type { EditEvent } from '../../../client/index.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago something was; both in ms since 1970. Clocks that disagree a little make no future. */
export function formatAgo(time: number, now: number): string {
  const ago = now - time;
  if (ago < 45 * SECOND) return 'just now';
  if (ago < 45 * MINUTE) return `${Math.max(1, Math.round(ago / MINUTE))} min ago`;
  if (ago < 22 * HOUR) return `${Math.max(1, Math.round(ago / HOUR))} h ago`;
  const days = Math.max(1, Math.round(ago / DAY));
  if (days === 1) return 'a day ago';
  if (days < 30) return `${days} days ago`;
  return `on ${formatDay(time)}`;
}

/** `3 Mar 2026`, in this machine's zone. */
function formatDay(time: number): string {
  return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' }).format(time);
}

/** The whole moment, for who asks: `3 March 2026 at 14:05`, in this machine's zone. */
export function formatMoment(time: number): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short' }).format(time);
}

/** What an op does, as a verb of the past; an op of a later version is an edit. */
const VERBS: ReadonlyMap<unknown, string> = new Map([
  ['merge', 'merged'],
  ['cleave', 'cleaved'],
  ['split', 'split'],
  ['region', 'marked a region'],
  ['write', 'painted'],
  ['put', 'annotated'],
  ['delete', 'deleted annotations'],
  ['undo', 'undid an edit'],
  ['meta', 'changed metadata'],
]);

/** What an edit did, as a verb: `merged`; `edited` where it did several things. */
export function editVerb({ ops }: Pick<EditEvent, 'ops'>): string {
  const kinds = new Set(ops.map((op) => op['op']));
  const [kind] = kinds;
  return (kinds.size === 1 ? VERBS.get(kind) : undefined) ?? 'edited';
}
