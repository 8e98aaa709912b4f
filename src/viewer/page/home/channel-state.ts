/** What the page knows of one channel. */
import { type Signal, signal } from '@preact/signals';
import type { ChannelInfo, EditEvent } from '../../../client/index.ts';
import { editVerb } from './format-edit.ts';
import type { Person } from './people.ts';
import type { Picture } from './thumbnail-pixels.ts';

/** The newest edit of a channel. */
export interface LastEdit {
  readonly seq: number;
  readonly author: string;
  /** As in `merged`. */
  readonly verb: string;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** How far a thumbnail is. */
export type Thumbnail =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'failed'; readonly fault: string }
  | { readonly kind: 'drawn'; readonly picture: Picture };

/** What is known of a channel; each signal changes when there is news. */
export interface ChannelState {
  readonly path: string;
  readonly info: Signal<ChannelInfo | undefined>;
  /** Why the channel cannot be shown. */
  readonly fault: Signal<string | undefined>;
  /** Null where there was none. */
  readonly lastEdit: Signal<LastEdit | null | undefined>;
  readonly people: Signal<readonly Person[]>;
  readonly thumbnail: Signal<Thumbnail>;
}

/** Nothing is known yet. */
export function newChannelState(path: string): ChannelState {
  return {
    path,
    info: signal(undefined),
    fault: signal(undefined),
    lastEdit: signal(undefined),
    people: signal([]),
    thumbnail: signal({ kind: 'waiting' }),
  };
}

/** Takes an edit as the newest, unless a newer one is known. */
export function tellEdit(state: ChannelState, edit: EditEvent): void {
  const { seq, user, time } = edit;
  if ((state.lastEdit.value?.seq ?? 0) >= seq) return;
  state.lastEdit.value = { seq, author: user.name || user.id || 'somebody', verb: editVerb(edit), time };
}
