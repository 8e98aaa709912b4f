/** Edits that a store holds and that nobody sees, since their paths are not served: what to do about it. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { counted } from '../client/words.ts';
import type { KeptEdits } from '../ingest/edited-paths.ts';

/** More paths than these are only counted. */
const PATHS_NAMED = 3;
/** More hints than these are only counted. */
const HINTS_SHOWN = 8;

/**
 * Says which edits are not shown, and what to serve to see them.
 *
 * @returns one sentence for each folder or file that is to be served.
 */
export async function describeKept(kept: readonly KeptEdits[]): Promise<string[]> {
  const groups = new Map<string, KeptEdits[]>();
  for (const one of kept) {
    const hint = await hintFor(one);
    const group = groups.get(hint);
    if (group === undefined) groups.set(hint, [one]);
    else group.push(one);
  }
  const lines = [...groups].slice(0, HINTS_SHOWN).map(([hint, group]) => `${sentenceOf(group)}; ${hint}`);
  const rest = [...groups.values()].slice(HINTS_SHOWN).flat();
  return rest.length === 0 ? lines : [...lines, sentenceOf(rest)];
}

function sentenceOf(group: readonly KeptEdits[]): string {
  const edits = counted(
    group.reduce((sum, one) => sum + one.edits, 0),
    'edit',
  );
  const named = group.slice(0, PATHS_NAMED).map((one) => one.path);
  if (group.length === 1) return `the store keeps ${edits} of ${named[0]}, which is not served`;
  const all = `${named.join(', ')}${group.length > named.length ? ', …' : ''}`;
  return `the store keeps ${edits} of ${counted(group.length, 'path')} that are not served (${all})`;
}

async function hintFor({ path: channel, source }: KeptEdits): Promise<string> {
  if (source === undefined) return 'add --demo to see them';
  const place = servedFrom(channel, source);
  const isThere = await stat(source).then(
    () => true,
    () => false,
  );
  if (!isThere)
    return `its data are no longer in ${place ?? source}: serve them from where they are now, under the same path`;
  if (place !== undefined) return `to see them, serve ${place} as well`;
  return `to see them, serve the configuration that calls ${source} so`;
}

/**
 * The folder or file that `discover` gives such a path to, by its table.
 *
 * @returns undefined where a configuration gave the path.
 */
export function servedFrom(channel: string, source: string): string | undefined {
  const [experiment = '', sample = ''] = channel.split('/');
  if (experiment === 'root' && sample === 'root') return source;
  const above = ancestorCalled(source, experiment === 'root' ? sample : experiment);
  return above === undefined || experiment === 'root' ? above : path.dirname(above);
}

function ancestorCalled(source: string, name: string): string | undefined {
  for (let folder = path.dirname(source); folder !== path.dirname(folder); folder = path.dirname(folder))
    if (path.basename(folder) === name) return folder;
  return undefined;
}
