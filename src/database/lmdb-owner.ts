/** Which process writes an environment, and whether it still lives. */
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';

/** The process that writes an environment, or was the last to; kept as JSON under `owner`. */
export interface Owner {
  readonly pid: number;
  /** When the process started, in the system's own clock ticks since boot; null where the system does not tell. */
  readonly started: string | null;
  /** Which boot of the machine; null as above. */
  readonly boot: string | null;
  /** In which namespace the pid counts; null as above. */
  readonly namespace: string | null;
  /** Tells two openings by one process apart. */
  readonly token: string;
  /** How it closed: `short` where the disk was too full to pad the file, see `padFile`; null: not yet. */
  readonly closed: 'whole' | 'short' | null;
}

/** This process as an owner. */
export function ownerNow(): Owner {
  return {
    pid: process.pid,
    started: processStart('self')?.started ?? null,
    boot: bootId(),
    namespace: pidNamespace(),
    token: randomUUID(),
    closed: null,
  };
}

/** Reads a stored owner; undefined where there is none or it is not one. */
export function parseOwner(text: string | undefined): Owner | undefined {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, started, boot, namespace, token, closed } = value as Partial<Record<keyof Owner, unknown>>;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1 || typeof token !== 'string') return undefined;
  const textOrNull = (field: unknown): string | null => (typeof field === 'string' ? field : null);
  return {
    pid,
    started: textOrNull(started),
    boot: textOrNull(boot),
    namespace: textOrNull(namespace),
    token,
    closed: closed === 'whole' || closed === 'short' ? closed : null,
  };
}

/** Parses JSON; undefined where it is none. */
export function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether an owner still writes: it has not closed and its process runs. */
export function isOwning(owner: Owner, readerPids: () => ReadonlySet<number>): boolean {
  return owner.closed === null && isRunning(owner, readerPids);
}

/**
 * Whether an owner's process still runs: the pid must live, and have the start time that was noted, since pids are reused.
 *
 * @param readerPids pids that hold the environment open now, as the kernel's locks on LMDB's lock file tell. They decide where the
 *   pid counts in another namespace (another container on this machine) and so cannot be looked up
 */
export function isRunning(owner: Owner, readerPids: () => ReadonlySet<number>): boolean {
  const boot = bootId();
  if (boot !== null && owner.boot !== null && boot !== owner.boot) return false;
  if (owner.namespace !== pidNamespace()) return readerPids().has(owner.pid);
  if (!pidExists(owner.pid)) return false;
  const found = processStart(owner.pid);
  // Without a start time our own pid in a record that we did not write is an earlier process's.
  if (found === undefined || owner.started === null) return owner.pid !== process.pid;
  return found.started === owner.started && !found.ended;
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to someone else.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Start time of a process, and whether it has ended and only waits for its parent; undefined where the system does not tell. */
function processStart(pid: number | 'self'): { readonly started: string; readonly ended: boolean } | undefined {
  const stat = readSystemFile(`/proc/${pid}/stat`);
  if (stat === null) return undefined;
  // The name, in parentheses, may hold anything; after it the fields are state (3) … starttime (22). See proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const started = fields[19];
  return started === undefined ? undefined : { started, ended: fields[0] === 'Z' || fields[0] === 'X' };
}

function bootId(): string | null {
  return readSystemFile('/proc/sys/kernel/random/boot_id');
}

function readSystemFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

function pidNamespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}
