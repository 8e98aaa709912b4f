/** What a refusal says about an edit: whether it can have been applied, and so what to do. Pure. Rules [E14]..[E16], [X3]. */
import type { ErrorName } from '../../protocol/index.ts';

/**
 * What to do with an edit that was refused.
 *
 * - `resend`: it may have been applied, so the same bytes are sent again.
 * - `renumber`: it was certainly not applied, so its ops are sent again under another number.
 * - `rename`: another writer uses the same name and number, so its ops are sent again under another name.
 * - `orphan`: the log that it was made for is no more.
 * - `end`: it will not be applied.
 */
export type EditVerdict = 'resend' | 'renumber' | 'rename' | 'orphan' | 'end';

/**
 * Reads a refusal.
 *
 * @param mayBeApplied an earlier copy under the same number went out, and nobody knows what became of it.
 */
export function editVerdict(code: ErrorName, mayBeApplied: boolean): EditVerdict {
  switch (code) {
    case 'REJECTED':
      return 'renumber';
    // This copy was not looked at: that says nothing about an earlier one.
    case 'UNAVAILABLE':
    case 'RATE_LIMITED':
      return mayBeApplied ? 'resend' : 'renumber';
    case 'TIMEOUT':
    case 'INTERNAL':
      return 'resend';
    case 'WSEQ_REUSED':
      return 'rename';
    case 'EPOCH_MISMATCH':
      return 'orphan';
    default:
      return 'end';
  }
}

/** Whether a refusal may be the fault of the edit itself: after many of them it is given up. */
export function blamesEdit(code: ErrorName): boolean {
  return code === 'TIMEOUT' || code === 'INTERNAL' || code === 'WSEQ_REUSED';
}
