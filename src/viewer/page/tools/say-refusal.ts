/** Why an edit was refused, in plain words. Pure. */
import { BflyError, ConflictError, type EditEvent } from '../../../client/index.ts';
import { editWords } from '../history/edit-words.ts';

/** Edits of others that are told; more are left to the history. */
const TOLD = 2;

/** @param what the edit, such as `The stroke`. */
export function refusalOf(what: string, error: unknown): string {
  return `${what} was taken back: ${reasonOf(error)}`;
}

/** The reason alone, as the end of a sentence. */
export function reasonOf(error: unknown): string {
  if (error instanceof ConflictError) return conflictOf(error);
  if (!(error instanceof BflyError)) return error instanceof Error ? error.message : String(error);
  switch (error.code) {
    case 'CONFLICT':
      return 'somebody else was faster. Look at it again.';
    case 'FORBIDDEN':
    case 'UNAUTHENTICATED':
      return 'you may not do that here.';
    case 'READ_ONLY':
      return 'this channel cannot be edited.';
    case 'OUT_OF_BOUNDS':
      return 'it reaches out of the volume.';
    case 'RATE_LIMITED':
      return 'too many edits at once. Wait a moment.';
    case 'TOO_LARGE':
    case 'LIMIT':
      return `it is too large (${error.message}).`;
    case 'NOT_FOUND':
      return 'there is no such thing any more.';
    case 'EPOCH_MISMATCH':
    case 'UNRECOVERABLE':
      return 'the data were replaced meanwhile. Look at it again.';
    case 'CANCELLED':
      return 'the connection was closed.';
    case 'UNAVAILABLE':
    case 'TIMEOUT':
    case 'INTERNAL':
    case 'REJECTED':
      return `the server could not do it (${error.message}).`;
    default:
      return `${error.message}.`;
  }
}

function conflictOf({ edits, more }: ConflictError): string {
  const names = [...new Set((edits ?? []).map(({ user }) => user.name || user.id))];
  if (names.length === 0) return 'somebody else was faster. Look at it again.';
  const others = names.length > 2 || more ? `${names.slice(0, 2).join(', ')} and others` : names.join(' and ');
  const were = names.length > 1 || more ? 'were' : 'was';
  return `${others} ${were} faster and ${whatTheyDid(edits ?? [])}. Look at it again.`;
}

function whatTheyDid(edits: readonly EditEvent[]): string {
  const did = edits.filter(({ ops }) => ops.length > 0).map((edit) => editWords(edit));
  return [...new Set(did)].slice(-TOLD).join(', ') || 'changed the same';
}
