/** What became of an edit. */
import { BflyError, viewVoxels, type WireMap } from '../../protocol/index.ts';
import { type EditEvent, readEditEvent } from './edit-event.ts';

/** What one op gave; which fields are set depends on the op, rule [E5]. */
export interface OpOutcome {
  /** Of `merge` and `cleave`: what the body is called now. */
  readonly root?: bigint;
  /** Of `split`: the new base id. */
  readonly id?: bigint;
  /** Of `split` and `write`: voxels that got another value. */
  readonly voxels?: number;
  /** Of `region`: the id that merges use for it. */
  readonly alias?: bigint;
  /** Of `put`: the keys of its rows, in their order. */
  readonly keys?: readonly bigint[];
}

/** An edit that is durable. */
export interface EditResult {
  /** `noop`: nothing changed; it has a seq all the same. */
  readonly status: 'applied' | 'noop';
  readonly seq: number;
  /** The server had applied it before: an answer was lost on the way. */
  readonly dup: boolean;
  /** One for each op; null where it has none. */
  readonly results: readonly (OpOutcome | null)[];
}

/** An edit of a log that was begun anew before it was answered: look at it again. Rule [E16]. */
export interface OrphanedEdit {
  readonly path: string;
  readonly error: BflyError;
  /** Makes the same edit in the log that is there now, without its base. */
  again(): Promise<EditResult>;
}

/** What became of an edit that an earlier page had sent, see `WriterStore`. */
export interface RecoveredEdit {
  readonly path: string;
  readonly result?: EditResult;
  readonly error?: BflyError;
}

/** Events of the edits of a session. */
export interface EditingEvents {
  readonly orphaned: OrphanedEdit;
  readonly recovered: RecoveredEdit;
}

/** Others were first: the edit was not applied. Rule [E19]. */
export class ConflictError extends BflyError {
  /** Newest seq of the path: a base that includes all winners. */
  readonly head: number;
  /** What stands in the way, oldest first, at most 16; null where `base` was too long ago to tell. */
  readonly edits: readonly EditEvent[] | null;
  /** Whether further edits stand in the way. */
  readonly more: boolean;

  constructor(error: BflyError) {
    super('CONFLICT', error.message, { ...(error.details === undefined ? {} : { details: error.details }) });
    const { head, edits, more } = error.details ?? {};
    this.head = typeof head === 'number' ? head : 0;
    this.edits = Array.isArray(edits) ? edits.filter(isMap).map((edit) => readEditEvent(edit)) : null;
    this.more = more === true;
  }
}

function isMap(value: unknown): value is WireMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads the results of an edit; what is not known is left out. */
export function readOutcomes(results: readonly unknown[]): (OpOutcome | null)[] {
  return results.map((result) => {
    if (!isMap(result)) return null;
    const { root, id, voxels, alias, keys } = result;
    return {
      ...(isInteger(root) ? { root: BigInt(root) } : {}),
      ...(isInteger(id) ? { id: BigInt(id) } : {}),
      ...(isInteger(voxels) ? { voxels: Number(voxels) } : {}),
      ...(isInteger(alias) ? { alias: BigInt(alias) } : {}),
      ...(keys === undefined || keys === null ? {} : { keys: readIds(keys) }),
    };
  });
}

function isInteger(value: unknown): value is number | bigint {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value));
}

/** The ids of a list, however it travelled: rule [F15]. `{ new: k }` and what is no id is left out. */
export function readIds(value: unknown): bigint[] {
  if (value instanceof Uint8Array) return [...(viewVoxels('uint64', value) as BigUint64Array)]; // the array of this dtype
  return Array.isArray(value) ? value.filter(isInteger).map((id) => BigInt(id)) : [];
}
