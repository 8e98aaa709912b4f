/** Which paths of a store have edits, and what their voxels were read from. */
import { channelRecord } from '../core/channel.ts';
import { LogReader } from '../core/edits/log-reader.ts';
import type { Database } from '../database/database.ts';

/** Edits that are in a store. */
export interface KeptEdits {
  /** experiment/sample/dataset/channel. */
  readonly path: string;
  readonly edits: number;
  /** Absolute path of the file or folder that the channel was read from; undefined for the demonstration. */
  readonly source?: string;
}

/** How many edits a channel's log has, by its number in the store; 0 is no channel. */
export function editsOf(database: Database, number: number): number {
  return number === 0 ? 0 : new LogReader(database, number).last();
}

/** Every channel with edits, by path. */
export function editedPaths(database: Database): KeptEdits[] {
  const paths = database.records('channel:').map(([name]) => name.slice('channel:'.length));
  return paths.sort().flatMap((path) => {
    const record = channelRecord(database, path);
    const edits = editsOf(database, record?.number ?? 0);
    if (record === undefined || edits === 0) return [];
    const source = sourceOf(record.fingerprint);
    return [{ path, edits, ...(source === undefined ? {} : { source }) }];
  });
}

/** What the layout's fingerprint names: `[version, spec, …]`; nothing where it is of another make: a hint shall not stop a server. */
function sourceOf(fingerprint: string): string | undefined {
  try {
    const [, spec] = JSON.parse(fingerprint) as readonly [unknown, { readonly path?: unknown } | null]; // our own
    return typeof spec?.path === 'string' ? spec.path : undefined;
  } catch {
    return undefined;
  }
}
