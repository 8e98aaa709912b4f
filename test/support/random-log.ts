/** Edits as a server tells them, from random plans: what changed is what the fold of the server says. */
import { readChanges } from '../../protocol/edit-changes.ts';
import { EditState } from '../../protocol/edit-state.ts';
import { BflyError } from '../../protocol/errors.ts';
import { pack, unpack } from '../../protocol/msgpack.ts';
import { wireChanges } from '../../protocol/wire-lists.ts';
import type { EditEvent } from '../../src/client/index.ts';
import { opsOf, type Plans } from './random-edits.ts';

/** A log of random edits; plans that are refused are left out. */
export function randomLog(plans: Plans): EditEvent[] {
  const state = new EditState({
    ...{ maxId: () => 20n, maxLegalId: 60n, bodyIds: 2 ** 22 },
    ...{ baseRow: () => undefined, lastBaseKey: () => -1n },
  });
  const log: EditEvent[] = [];
  for (const plan of plans) {
    const { ops, voxels } = opsOf(plan, log.length + 1);
    try {
      const { results, changes } = state.apply(ops, voxels);
      const seq = log.length + 1;
      log.push({
        ...{ seq, time: 1_000 * seq, user: { id: 'u', name: `user ${seq % 3}` }, mine: false },
        ...{ ops: ops.map((op) => ({ ...op })), results, changes: readChanges(unpack(pack(wireChanges(changes)))) },
      });
    } catch (error) {
      if (!(error instanceof BflyError)) throw error;
    }
  }
  return log;
}
