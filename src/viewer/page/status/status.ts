/** The state of the line in one line of words. Pure. */
import type { SessionState } from '../../../client/index.ts';
import type { TokenWanted } from '../access.ts';

/** A channel of the view. */
export interface ChannelStatus {
  readonly path: string;
  /** Newest edit that is shown, and that there is. */
  readonly seq: number;
  readonly head: number;
  /** Whether its edits are still on their way for the first time. */
  readonly isLoading: boolean;
  /** Own edits that are not in what the server tells yet, and those of them without an answer. */
  readonly unsaved: number;
  readonly unanswered: number;
  /** Why it cannot be edited; undefined: it can. */
  readonly readOnly: string | undefined;
}

/** All that the status depends on. */
export interface StatusFacts {
  readonly session: SessionState;
  /** How a session ended that is closed. */
  readonly ended: string | undefined;
  /** A token is wanted. */
  readonly token: TokenWanted | undefined;
  readonly channels: readonly ChannelStatus[];
  /** Edits of before a reload that have no answer yet. */
  readonly found: number;
  /** Whether edits outlive a reload of the page. */
  readonly isKept: boolean;
  /** State of the connection that brings the images. */
  readonly pixels: string;
}

/** The status as it is shown. */
export interface Status {
  readonly kind: 'closed' | 'token' | 'offline' | 'connecting' | 'behind' | 'saving' | 'images' | 'read-only' | 'live';
  /** How good it is: decides on the colour and the icon. */
  readonly mood: 'good' | 'busy' | 'warn' | 'bad';
  /** A few words. */
  readonly text: string;
  /** One sentence or two that say what it means. */
  readonly meaning: string;
}

const TOKENS: Readonly<Record<TokenWanted, Pick<Status, 'text' | 'meaning'>>> = {
  ends: { text: 'Token ends soon', meaning: 'Your token ends within a minute.' },
  refused: { text: 'Token expired', meaning: 'The server does not take your token any more.' },
  wrong: { text: 'Token not taken', meaning: 'The server did not take the token that you gave. Try another.' },
};

/** What is the most to be known, of all that holds. */
export function statusOf(facts: StatusFacts): Status {
  const { session, ended, token, channels, found, isKept, pixels } = facts;
  const unsent = found + sum(channels, ({ unanswered }) => unanswered);
  const unsaved = found + sum(channels, (channel) => channel.unsaved);
  const behind = sum(channels, ({ head, seq }) => Math.max(0, head - seq));
  const kept = `${unsent === 1 ? 'It is' : 'They are'} ${isKept ? 'kept in this browser, also over a reload, and' : 'kept while this page is open and'} sent when the server is back.`;
  if (session === 'closed')
    return {
      kind: 'closed',
      mood: 'bad',
      text: 'Disconnected',
      meaning: `The connection has ended for good${ended === undefined ? '' : `: ${ended}`}. Load the page again to go on.`,
    };
  if (token !== undefined)
    return {
      kind: 'token',
      mood: 'bad',
      text: TOKENS[token].text,
      meaning: `${TOKENS[token].meaning}${unsent > 0 ? ` ${count(unsent, 'edit')} ${unsent === 1 ? 'is' : 'are'} not sent yet. ${kept}` : ''}`,
    };
  if (session === 'offline')
    return {
      kind: 'offline',
      mood: 'warn',
      text: unsent > 0 ? `Offline, ${count(unsent, 'unsent edit')}` : 'Offline',
      meaning: `The server cannot be reached; it is tried again and again. ${unsent > 0 ? kept : 'What you see may be out of date.'}`,
    };
  if (session === 'connecting' || channels.some(({ isLoading }) => isLoading))
    return {
      kind: 'connecting',
      mood: 'busy',
      text: 'Connecting',
      meaning: 'The edits of the volume are on their way.',
    };
  if (behind > 0)
    return {
      kind: 'behind',
      mood: 'busy',
      text: `Catching up, ${behind.toLocaleString('en')} behind`,
      meaning: 'Edits that others have made are on their way.',
    };
  if (unsaved > 0)
    return {
      kind: 'saving',
      mood: 'busy',
      text: `Saving ${count(unsaved, 'edit')}`,
      meaning: 'What you did is shown already and is being written by the server.',
    };
  if (pixels === 'offline' || pixels === 'refused' || pixels === 'closed')
    return {
      kind: 'images',
      mood: 'warn',
      text: 'Live, images wait',
      meaning: 'Edits come and go, but the connection that brings the images is lost; it is made again.',
    };
  const reasons = channels.map(({ readOnly }) => readOnly);
  if (channels.length > 0 && reasons.every((reason) => reason !== undefined))
    return { kind: 'read-only', mood: 'good', text: 'Live, read-only', meaning: `${reasons[0]}.` };
  return { kind: 'live', mood: 'good', text: 'Live', meaning: 'All that anybody does is shown here at once.' };
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}

/** Such as `1 edit`, `12 edits`. */
export function count(n: number, what: string): string {
  return `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
}
