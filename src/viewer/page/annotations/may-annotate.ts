/** Why somebody may not annotate a channel. Pure. */
import type { ChannelInfo } from '../../../client/index.ts';
import { PAST_REFUSAL } from '../volume/past-moment.ts';

/** What is asked about. */
export interface Asked {
  /** Of the layer. */
  readonly name: string;
  readonly info: Pick<ChannelInfo, 'editable' | 'rights'>;
  /** Whether the layer shows the present, and ids as they are stored. */
  readonly isLive: boolean;
}

/** @param past the edit of the past that is shown. @returns a sentence; undefined where they may. */
export function whyNotAnnotate(asked: Asked | undefined, past?: number | undefined): string | undefined {
  if (asked === undefined) return 'No layer of this server is shown.';
  const { name, info, isLive } = asked;
  if (past !== undefined) return `${PAST_REFUSAL}.`;
  if (!isLive) return `${name} shows the past, or bodies, which cannot be annotated.`;
  if (!info.editable) return `${name} is read-only.`;
  if (info.rights !== undefined && !info.rights.includes('annotate'))
    return `You may look at ${name}, but not annotate it.`;
  return undefined;
}
