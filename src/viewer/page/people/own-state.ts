/** What one shows to the others in a channel, so that it fits. Pure. Rule [P1]. */
import { pack } from '../../../../protocol/msgpack.ts';
import type { PresenceState } from '../../../client/index.ts';
import { type Place, type StageLook, type StageVolume, toVoxel } from '../stage.ts';
import { tellLook } from './told-look.ts';

/** Bytes and values that a state may have. */
const MAX_BYTES = 512;
const MAX_NODES = 64;

/** What one does in a view. */
export interface OwnDoing {
  /** This window, among all of its user. */
  readonly window: string;
  /** Where one points at; undefined: nowhere. */
  readonly cursor: Place | undefined;
  readonly look: StageLook;
  readonly tool: string;
}

/** The state for one channel. Of what is selected as much as there is room for, and how many there are. */
export function ownState(
  { window, cursor, look, tool }: OwnDoing,
  { info, selected }: Pick<StageVolume, 'info' | 'selected'>,
): PresenceState {
  const state: PresenceState = {
    window,
    ...(cursor === undefined ? {} : { cursor: toVoxel(info, cursor).map(tenth) as [number, number, number] }), // three stay three
    view: tellLook(look),
    ...(tool === '' ? {} : { tool }),
  };
  if (selected.length === 0) return state;
  const ids = selected.slice(0, MAX_NODES);
  for (;;) {
    const whole = { ...state, select: ids, ...(ids.length < selected.length ? { selected: selected.length } : {}) };
    const over = Math.max((pack(whole).length - MAX_BYTES) / 9, nodesOf(whole) - MAX_NODES);
    if (over <= 0 || ids.length === 0) return whole;
    ids.splice(ids.length - Math.ceil(over));
  }
}

/** A tenth of a voxel is finer than anybody sees. */
function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Containers, keys and all, as the server counts. */
function nodesOf(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, part) => sum + nodesOf(part), 1);
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, part) => sum + 1 + nodesOf(part), 1);
}
