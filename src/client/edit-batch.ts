/** Which edits of a writer's queue may be sent now. Pure. Rules [E3], [E12]. */
import type { PendingEdit } from './pending-edit.ts';

/** Edits of a writer without an answer, rule [E3]. */
const MAX_UNANSWERED = 16;
/** Bytes of voxels that wait on a connection, rule [E12]. */
const MAX_BULK_BYTES = 8 * 1_024 * 1_024;

/**
 * What may be sent besides what is under way: few enough, and not more voxels beside them than the server lets wait.
 *
 * @param queue all edits whose fate is not known, in their order.
 */
export function nextBatch(queue: readonly PendingEdit[]): PendingEdit[] {
  let free = MAX_UNANSWERED;
  let room = MAX_BULK_BYTES;
  const batch: PendingEdit[] = [];
  for (const edit of queue) {
    if (free === 0) break;
    const bytes = edit.fields.bulks.reduce((sum, bulk) => sum + bulk.bytes.length, 0);
    if (edit.stage === 'waiting') {
      if (bytes > 0 && bytes > room && room < MAX_BULK_BYTES) break;
      batch.push(edit);
    }
    free--;
    room -= bytes;
  }
  return batch;
}
