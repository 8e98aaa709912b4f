/** Voxels that a client sends ahead of, or behind, the EDIT that names them. Rule [E12]. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Bulk } from '../../../protocol/messages.ts';
import { TileFlag } from '../../../protocol/tile-frame.ts';

const MiB = 1024 * 1024;
/** What may wait on one connection without an EDIT that names it, bytes. */
const MAX_WAITING_BYTES = 8 * MiB;
/** What may come for EDITs that are there, together, bytes. */
const MAX_CLAIMED_BYTES = 64 * MiB;
/** Voxels of one BULK, decoded, bytes. */
const MAX_RAW_BYTES = 16 * MiB;
/** How long voxels wait for their EDIT, and an EDIT for its voxels. */
const WAIT_MS = 10_000;

/** A BULK of which frames have come. */
interface Entry {
  frames: Bulk[];
  bytes: number;
  whole: boolean;
  readonly since: number;
}

/** An EDIT that waits for its BULK. */
interface Waiter {
  readonly resolve: (bulk: Bulk) => void;
  readonly reject: (error: BflyError) => void;
  readonly since: number;
}

/** Dropped ones that are remembered until their EDIT comes. */
const MAX_DROPPED = 1_024;

/** BULKs of one connection, by the wseq of their EDIT and their id. */
export class BulkInbox {
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #waiters = new Map<string, Waiter>();
  /** What was dropped for want of room: the EDITs that name it are told so. */
  readonly #dropped = new Set<string>();
  #closed = false;

  /** @param now the present in ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Takes a frame. `bulk` is borrowed.
   *
   * @returns what is wrong with it; what had come of its BULK is dropped then.
   */
  take(bulk: Bulk): BflyError | undefined {
    const key = keyOf(bulk.header.seq, bulk.id);
    const fault = this.#takeFrame(key, bulk);
    if (fault === undefined) return undefined;
    this.#entries.delete(key);
    if (fault.code === 'LIMIT' && this.#waiters.get(key) === undefined && this.#dropped.size < MAX_DROPPED)
      this.#dropped.add(key);
    this.#waiters.get(key)?.reject(fault);
    this.#waiters.delete(key);
    return fault;
  }

  #takeFrame(key: string, bulk: Bulk): BflyError | undefined {
    const { id, header, payload } = bulk;
    const isFirst = (header.flags & TileFlag.CONT) === 0;
    let entry = this.#entries.get(key);
    if (isFirst) {
      if (header.rawLength > MAX_RAW_BYTES)
        return new BflyError('TOO_LARGE', `the voxels of a BULK may have ${MAX_RAW_BYTES} bytes`);
      // A whole one that waits is sent again: its EDIT was refused before it was looked at.
      if (entry !== undefined && !entry.whole)
        return new BflyError(
          'BAD_REQUEST',
          `BULK ${id} begins anew before its last frame: all but the first have CONT`,
        );
      entry = { frames: [], bytes: 0, whole: false, since: this.#now() };
      this.#entries.set(key, entry);
    } else if (entry === undefined || entry.whole)
      return new BflyError('BAD_REQUEST', `BULK ${id} has a frame with CONT and no first frame without`);
    const isClaimed = this.#waiters.has(key);
    const most = isClaimed ? MAX_CLAIMED_BYTES : MAX_WAITING_BYTES;
    if (this.#bytes(isClaimed) + payload.length > most)
      return new BflyError('LIMIT', `at most ${most} bytes of BULK may wait on a connection: send their edits first`);
    entry.frames.push({ ...bulk, payload: payload.slice() });
    entry.bytes += payload.length;
    entry.whole = (header.flags & TileFlag.LAST) !== 0;
    if (entry.whole) this.#deliver(key);
    return undefined;
  }

  /** The whole BULK that an EDIT names, as soon as it is there. Rejects with TIMEOUT, LIMIT, and what was wrong with its frames. */
  claim(wseq: number, id: number): Promise<Bulk> {
    const key = keyOf(wseq, id);
    return new Promise((resolve, reject) => {
      // An EDIT that stood in line when the connection went: nobody would ever end its wait.
      if (this.#closed) return reject(gone());
      if (this.#dropped.delete(key))
        return reject(new BflyError('LIMIT', `BULK ${id} was dropped for want of room: send its edit first`));
      this.#waiters.get(key)?.reject(new BflyError('TIMEOUT', `BULK ${id} was named by an EDIT that came later`));
      this.#waiters.set(key, { resolve, reject, since: this.#now() });
      if (this.#entries.get(key)?.whole === true) this.#deliver(key);
    });
  }

  /** Drops what nobody claimed, and ends who waited in vain. */
  sweep(now: number): void {
    for (const [key, { since }] of this.#entries) if (now - since >= WAIT_MS) this.#entries.delete(key);
    for (const [key, { since, reject }] of this.#waiters) {
      if (now - since < WAIT_MS) continue;
      this.#waiters.delete(key);
      reject(new BflyError('TIMEOUT', 'the BULK of the edit did not come: send it and the edit again'));
    }
    if (this.#entries.size === 0) this.#dropped.clear();
  }

  /** The connection is gone. */
  close(): void {
    this.#closed = true;
    this.#entries.clear();
    for (const { reject } of this.#waiters.values()) reject(gone());
    this.#waiters.clear();
  }

  #deliver(key: string): void {
    const waiter = this.#waiters.get(key);
    const entry = this.#entries.get(key);
    const first = entry?.frames[0];
    if (waiter === undefined || entry === undefined || first === undefined) return;
    this.#waiters.delete(key);
    this.#entries.delete(key);
    const payload = new Uint8Array(entry.bytes);
    let at = 0;
    for (const frame of entry.frames) {
      payload.set(frame.payload, at);
      at += frame.payload.length;
    }
    waiter.resolve({ ...first, payload });
  }

  /** Bytes that wait, of those that are claimed or of the others. */
  #bytes(claimed: boolean): number {
    let bytes = 0;
    for (const [key, entry] of this.#entries) if (this.#waiters.has(key) === claimed) bytes += entry.bytes;
    return bytes;
  }
}

function gone(): BflyError {
  return new BflyError('TIMEOUT', 'the connection is gone');
}

const keyOf = (wseq: number, id: number): string => `${wseq}/${id}`;
