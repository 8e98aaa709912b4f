/** What can be said of an edit before it is sent: what it cannot do to this channel, and what is probably not meant. */
import { BflyError } from '../../protocol/errors.ts';
import { type ChannelInfo, viewVoxels } from '../../protocol/volume.ts';
import type { EditOp } from '../client/edit-input.ts';
import { readIds } from '../client/edit-result.ts';
import type { EditSession } from './context.ts';

/** Beyond so many edits nobody looks which ids they created. */
const MOST_EDITS = 5_120;
/** More ids than these are only counted. */
const IDS_SHOWN = 6;

/**
 * Checks ops against the channel that they are for.
 *
 * @returns sentences for the person; the edit may go on.
 * @throws BflyError BAD_REQUEST where ids are asked of a channel that has none, or voxels are of another type; as `session.info`.
 */
export async function checkEdit(session: EditSession, path: string, ops: readonly EditOp[]): Promise<string[]> {
  const isLooked = ops.some((op) => needsIds(op) || (op.op === 'write' && op.voxels !== undefined));
  const info = isLooked ? await session.info(path) : undefined;
  // A dataset is refused as a whole by the edit.
  if (info?.kind !== 'channel') return [];
  for (const op of ops) {
    if (needsIds(op)) checkIds(op, info);
    if (op.op === 'write') checkVoxels(op, info);
  }
  return warningsOf(session, ops, info);
}

function needsIds(op: EditOp): boolean {
  return ['merge', 'cleave', 'split', 'region'].includes(op.op) || (op.op === 'write' && op.value === 'new');
}

function checkIds({ op }: EditOp, { path, type, dtype }: ChannelInfo): void {
  if (type === 'segmentation' && dtype !== 'float32') return;
  const what = op === 'write' ? 'a new id is' : `${op} is`;
  const found = dtype === 'float32' ? 'holds float32 values, which are no ids' : `is an image (${dtype})`;
  const advice =
    dtype === 'float32' ? '' : '; if its values are ids, say type: segmentation in the file that bfly discover writes';
  throw new BflyError('BAD_REQUEST', `${what} for a segmentation, and ${path} ${found}${advice}`);
}

/** The server counts bytes: voxels of another type and the same size would be taken for others. */
function checkVoxels({ voxels }: Extract<EditOp, { op: 'write' }>, { dtype }: ChannelInfo): void {
  if (voxels === undefined || voxels.constructor === viewVoxels(dtype, new Uint8Array(0)).constructor) return;
  const found = voxels.constructor.name.replace('Array', '').replace('Big', '').toLowerCase();
  throw new BflyError('BAD_REQUEST', `the file of --voxels holds ${found}, the channel ${dtype}: save it as ${dtype}`);
}

async function warningsOf(session: EditSession, ops: readonly EditOp[], info: ChannelInfo): Promise<string[]> {
  const ids = new Set(ops.flatMap((op) => (op.op === 'merge' ? readIds(op.ids) : [])));
  const warnings: string[] = [];
  if (ids.has(0n)) warnings.push('0 is the background: by this merge every voxel without an id is part of the body');
  const { maxId, path, head } = info;
  const large = maxId === undefined ? [] : [...ids].filter((id) => id > maxId);
  if (large.length === 0) return warnings;
  const isKnown = head <= MOST_EDITS;
  const created = isKnown ? await createdIds(session, path) : new Set<bigint>();
  const unknown = large.filter((id) => !created.has(id));
  if (unknown.length === 0) return warnings;
  const [are, they] = unknown.length === 1 ? ['is', 'it'] : ['are', 'them'];
  const unless = isKnown ? 'and no edit made' : `and unless an edit made ${they}, no voxel has`;
  warnings.push(`${listed(unknown)} ${are} above ${maxId}, the largest id of the data, ${unless} ${they}`);
  return warnings;
}

/** Ids that splits and writes gave to voxels, and that regions are merged by. */
async function createdIds(session: EditSession, path: string): Promise<Set<bigint>> {
  const created = new Set<bigint>();
  for await (const { results } of session.history(path, { kinds: ['split', 'write', 'region'] }))
    for (const result of results) {
      const { id, alias } = (result ?? {}) as { readonly id?: unknown; readonly alias?: unknown }; // a map, or nothing
      for (const made of readIds([id, alias])) created.add(made);
    }
  return created;
}

function listed(ids: readonly bigint[]): string {
  const more = ids.length > IDS_SHOWN ? `, … (${ids.length.toLocaleString('en')})` : '';
  return `${ids.slice(0, IDS_SHOWN).join(', ')}${more}`;
}
