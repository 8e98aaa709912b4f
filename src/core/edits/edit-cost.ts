/** What an edit costs besides what its sender had to send. */
import type { Changes } from '../../../protocol/edit-changes.ts';
import type { Op } from '../../../protocol/edit-ops.ts';

/** To move an id together with others costs this share of what it costs to tell of a root. */
const SHARE_OF_MEMBER = 1 / 16;

/**
 * Rows that an applied edit made others be told, beyond the ids that its ops name: an undo of a few bytes may part hundreds of thousands of
 * ids. A row is a root that was joined or parted, 16 members that went along, or an edit whose force changed; each takes about 1 µs.
 */
export function editCost(ops: readonly Op[], { joined, parted = [], undone = [], redone = [] }: Changes): number {
  let rows = (joined?.length ?? 0) / 16 + parted.length + undone.length + redone.length;
  for (const [, members] of parted) rows += (members.length / 8) * SHARE_OF_MEMBER;
  for (const op of ops) if (op.op === 'merge' || op.op === 'cleave') rows -= 2 * op.ids.length;
  return Math.max(0, Math.floor(rows));
}
