/** What the log says that an edit was given when it was applied: ids and keys. Rule [E24]: they are never chosen anew. */
import type { Op, OpResult } from './edit-ops.ts';
import { BflyError } from './errors.ts';
import { readId64 } from './fields.ts';
import { readIds } from './parse-rows.ts';

/** Ids that ops created and keys of the rows that they put, by op index. */
export interface Gifts {
  readonly created: readonly (bigint | undefined)[];
  readonly keys: readonly (readonly bigint[] | undefined)[];
}

/** Reads what the ops of edit `seq` were given from their results. @throws BflyError INTERNAL where it is not there. */
export function recordedGifts(ops: readonly Op[], results: readonly OpResult[], seq: number): Gifts {
  try {
    return {
      created: ops.map((op, index) => createdBy(op, results[index] ?? {})),
      keys: ops.map((op, index) => (op.op === 'put' ? readIds(results[index]?.['keys'], 'keys') : undefined)),
    };
  } catch (error) {
    const message = `the results of edit ${seq} of the log do not tell what its ops were given`;
    throw new BflyError('INTERNAL', message, { cause: error });
  }
}

function createdBy(op: Op, result: Readonly<Record<string, unknown>>): bigint | undefined {
  if (op.op === 'region') return readId64(result['alias'], 'alias');
  if (op.op === 'split' || (op.op === 'write' && op.value === 'new')) return readId64(result['id'], 'id');
  return undefined;
}
