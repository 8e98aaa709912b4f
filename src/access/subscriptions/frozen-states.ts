/** Snapshots that were taken for subscribers and may serve others, or the same one after a reconnect. */
import type { OpenLog } from '../../core/edits/edit-logs.ts';
import { FrozenState } from './frozen-state.ts';

/** A large snapshot serves whoever comes within this time, ms: those who come together share one. */
const SHARED_MS = 2_000;
/** Links, or edited rows, from which on a snapshot is large. */
const LARGE = 65_536;
/** One that was cut off can be gone on with for so long, ms. */
const KEPT_MS = 60_000;
const KEPT = 3;

const frozen = new WeakMap<OpenLog, FrozenState[]>();

/** A state of a path to be sent whole to somebody who knows nothing, of this moment or of a little before. */
export function freeze(open: OpenLog, now: number): FrozenState {
  const states = keptOf(open, now);
  const last = states[states.length - 1];
  const { seq, linkCount, editedRowCount } = open.log.tip;
  const isLarge = Math.max(linkCount, editedRowCount) >= LARGE;
  if (last !== undefined && (last.seq === seq || (isLarge && now - last.at < SHARED_MS))) return last;
  const state = new FrozenState(open, now, true);
  states.push(state);
  if (states.length > KEPT) states.shift();
  return state;
}

/** The state of this moment but for the links. Nobody was told of more edits. */
export function freezeTables(open: OpenLog, now: number): FrozenState {
  return new FrozenState(open, now, false);
}

/** The snapshot at a seq, where it is still kept. */
export function frozenAt(open: OpenLog, seq: number, now: number): FrozenState | undefined {
  return keptOf(open, now).find((state) => state.seq === seq);
}

function keptOf(open: OpenLog, now: number): FrozenState[] {
  const states = (frozen.get(open) ?? []).filter((state) => now - state.at < KEPT_MS && state.standing !== 'void');
  frozen.set(open, states);
  return states;
}
