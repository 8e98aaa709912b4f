/** Edits with a base: whether those that lost had to, and those that were applied could. Rules [E17]..[E19]. */
import type { WireMap } from '../../protocol/messages.ts';
import { canonical, idsOf } from './edit-oracle.ts';

/** What an EDIT with a base asked to be checked against. Rule [E17]. */
export interface Claim {
  readonly base: number;
  readonly policy: 'scope' | 'strict';
}

/** A CONFLICT that an EDIT was refused with. */
export interface Conflict {
  /** Of the EDIT. */
  readonly name: string;
  readonly claim: Claim | undefined;
  /** Of the ERROR. */
  readonly details: WireMap;
}

/** The log in the end. */
interface Log {
  readonly head: number;
  readonly edits: readonly WireMap[];
}

/** CONFLICTs that name no edits, edits which did not come after the base, or others than those of the log. */
export function falseConflicts(conflicts: readonly Conflict[], log: Log): string[] {
  return conflicts.flatMap(({ name, claim, details }) => {
    if (claim === undefined) return [`${name} lost and had no base`];
    const { head, edits } = details;
    const told = Array.isArray(edits) ? (edits as readonly WireMap[]) : [];
    const isTrue = told.every(({ seq, ops }) => {
      const kept = log.edits[Number(seq) - 1];
      const isInside = Number(seq) > claim.base && Number(seq) <= Number(head);
      return isInside && canonical(ops) === canonical(kept?.['ops']);
    });
    if (told.length > 0 && isTrue && Number(head) <= log.head) return [];
    return [`${name} with base ${claim.base} lost to ${canonical(told).slice(0, 200)} at head ${String(head)}`];
  });
}

/** Edits with a base that were applied though another was in their way. */
export function missedConflicts(
  submitted: Iterable<
    readonly [name: string, { readonly ack?: { readonly seq: number }; readonly claim?: Claim | undefined }]
  >,
  log: Log,
): string[] {
  const keys = log.edits.map(({ ops, results }) => writtenBy(ops, results));
  return [...submitted].flatMap(([name, { ack, claim }]) => {
    if (ack === undefined || claim === undefined) return [];
    const { base, policy } = claim;
    if (policy === 'strict') return ack.seq === base + 1 ? [] : [`${name} was strict on ${base} and is ${ack.seq}`];
    const own = keys[ack.seq - 1] ?? new Set();
    const before = keys.slice(base, ack.seq - 1);
    const at = before.findIndex((others) => [...others].some((key) => own.has(key)));
    return at < 0 ? [] : [`${name} is edit ${ack.seq} on base ${base}, and edit ${base + 1 + at} was in its way`];
  });
}

/** Some of what the ops of an edit write, named: rule [E18] without tiles, bodies and what undone edits bring. */
function writtenBy(ops: unknown, results: unknown): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const [at, op] of ((ops ?? []) as readonly WireMap[]).entries()) {
    const result = (results as readonly (WireMap | null)[])[at];
    for (const id of idsOf(op['ids'])) if (id !== String({})) keys.add(`id ${id}`);
    if (op['op'] === 'split') keys.add(`id ${op['id']}`);
    if (op['op'] === 'region') keys.add(`region ${op['id']} ${op['region']}`);
    if (op['op'] === 'undo') keys.add(`undo ${op['seq']}`);
    if (op['op'] === 'put') for (const key of idsOf(result?.['keys'])) keys.add(`row ${op['table']} ${key}`);
    if (op['op'] === 'delete') for (const key of idsOf(op['keys'])) keys.add(`row ${op['table']} ${key}`);
  }
  return keys;
}
