/** Tells the others where one is and what one does, for as long as the page is seen. */
import type { LiveChannel, PresenceState } from '../../../client/index.ts';
import { onNextFrame } from '../next-frame.ts';
import type { Place } from '../stage.ts';
import type { VolumeView } from '../volume/volume-view.ts';
import { ownState } from './own-state.ts';

/** The pointer may leave the view for so long, for a panel beside it, before its cursor goes, ms. */
const CURSOR_MS = 3_000;
/** Who does nothing for so long is away, ms. */
const AWAY_MS = 10 * 60_000;
/** Signs that somebody is there. */
const SIGNS = ['pointermove', 'pointerdown', 'keydown', 'wheel'] as const;

/** Starts it. @param window names this window. @returns a function that ends it. */
export function tellPresence(view: Pick<VolumeView, 'stage' | 'tool'>, window: string): () => void {
  const { stage, tool } = view;
  const told = new Map<LiveChannel, PresenceState>();
  let cursor: Place | undefined;
  let isAway = false;
  let forgetCursor: ReturnType<typeof setTimeout> | undefined;
  let leave: ReturnType<typeof setTimeout> | undefined;

  const tell = (): void => {
    const isHere = !document.hidden && !isAway;
    const open = new Set<LiveChannel>();
    for (const volume of stage.volumes) {
      const { channel } = volume;
      if (channel === undefined || open.has(channel)) continue;
      open.add(channel);
      if (isHere) show(channel, ownState({ window, cursor, look: stage.look, tool: tool.value }, volume));
    }
    for (const channel of told.keys()) if (!isHere || !open.has(channel)) hide(channel);
  };
  const show = (channel: LiveChannel, state: PresenceState): void => {
    const before = told.get(channel);
    if (before !== undefined && isEqual(before, state)) return;
    told.set(channel, state);
    channel.subscription.presence.set(state);
  };
  const hide = (channel: LiveChannel): void => {
    told.delete(channel);
    channel.subscription.presence.set(null);
  };
  const frame = onNextFrame(tell);
  const point = (): void => {
    const { pointer } = stage;
    clearTimeout(forgetCursor);
    if (pointer !== undefined) cursor = pointer;
    else
      forgetCursor = setTimeout(() => {
        cursor = undefined;
        frame.ask();
      }, CURSOR_MS);
    frame.ask();
  };
  const sign = (): void => {
    clearTimeout(leave);
    leave = setTimeout(() => {
      isAway = true;
      tell();
    }, AWAY_MS);
    if (!isAway) return;
    isAway = false;
    frame.ask();
  };
  const ends = [
    stage.on('pointer', point),
    stage.on('view', () => frame.ask()),
    stage.on('volumes', () => frame.ask()),
    tool.subscribe(() => frame.ask()),
  ];
  document.addEventListener('visibilitychange', tell);
  for (const name of SIGNS) addEventListener(name, sign, { passive: true });
  sign();
  return () => {
    for (const end of ends) end();
    document.removeEventListener('visibilitychange', tell);
    for (const name of SIGNS) removeEventListener(name, sign);
    clearTimeout(forgetCursor);
    clearTimeout(leave);
    frame.cancel();
    for (const channel of told.keys()) channel.subscription.presence.set(null);
  };
}

function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const [left, right] = [Object.entries(a), b as Readonly<Record<string, unknown>>]; // states are maps and lists
  return left.length === Object.keys(right).length && left.every(([key, value]) => isEqual(value, right[key]));
}
