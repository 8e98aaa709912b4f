/** Voxels that a client sends ahead of, or behind, the EDIT that names them. Rule [E12]. */
import { BflyError } from '../../protocol/errors.ts';
import type { Bulk } from '../../protocol/messages.ts';
import { TileFlag } from '../../protocol/tile-frame.ts';

/** What waits on one connection, bytes. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** Voxels of one BULK, decoded, bytes. */
const MAX_RAW_BYTES = 16 * 1024 * 1024;
/** How long voxels wait for their EDIT, and an EDIT for its voxels. */
const WAIT_MS = 10_000;

interface Entry {
  readonly frames: Bulk[];
  bytes: number;
  whole: boolean;
  since: number;
}

interface Waiter {
  readonly resolve: (bulk: Bulk) => void;
  readonly reject: (error: BflyError) => void;
  readonly since: number;
}

/** BULKs of one connection. */
export class BulkInbox {
  readonly #now: () => number;
  readonly #entries = new Map<number, Entry>();
  readonly #waiters = new Map<number, Waiter>();
  /** What was dropped for want of room: the EDITs that name it are told so. */
  readonly #dropped = new Set<number>();
  #bytes = 0;

  /** @param now the present in ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Takes a frame. `bulk` is borrowed.
   *
   * @returns what is wrong with it; it is dropped then.
   */
  take(bulk: Bulk): BflyError | undefined {
    const { id, header, payload } = bulk;
    const isNext = (header.flags & TileFlag.CONT) !== 0;
    let entry = this.#entries.get(id);
    if (isNext !== (entry !== undefined && !entry.whole)) {
      this.#drop(id);
      return new BflyError(
        'BAD_REQUEST',
        `BULK ${id} has a frame out of order: the first has no flag CONT, all others have`,
      );
    }
    if (!isNext && header.rawLength > MAX_RAW_BYTES)
      return new BflyError('TOO_LARGE', `the voxels of a BULK may have ${MAX_RAW_BYTES} bytes`);
    if (this.#bytes + payload.length > MAX_WAITING_BYTES) {
      this.#drop(id);
      this.#dropped.add(id);
      this.#waiters.get(id)?.reject(tooMuch());
      return tooMuch();
    }
    if (entry === undefined) {
      entry = { frames: [], bytes: 0, whole: false, since: this.#now() };
      this.#entries.set(id, entry);
    }
    entry.frames.push({ ...bulk, payload: payload.slice() });
    entry.bytes += payload.length;
    this.#bytes += payload.length;
    entry.whole = (header.flags & TileFlag.LAST) !== 0;
    if (entry.whole) this.#deliver(id);
    return undefined;
  }

  /** The whole BULK of an id, as soon as it is there. Rejects with TIMEOUT, LIMIT. */
  claim(id: number): Promise<Bulk> {
    return new Promise((resolve, reject) => {
      if (this.#dropped.delete(id)) return reject(tooMuch());
      if (this.#waiters.has(id)) return reject(new BflyError('BAD_REQUEST', `BULK ${id} is claimed by another edit`));
      this.#waiters.set(id, { resolve, reject, since: this.#now() });
      if (this.#entries.get(id)?.whole === true) this.#deliver(id);
    });
  }

  /** Drops what nobody claimed, and ends who waited in vain. */
  sweep(now: number): void {
    for (const [id, { since }] of this.#entries) if (now - since >= WAIT_MS) this.#drop(id);
    for (const [id, { since, reject }] of this.#waiters) {
      if (now - since < WAIT_MS) continue;
      this.#waiters.delete(id);
      reject(new BflyError('TIMEOUT', `BULK ${id} did not come: send it and the edit again`));
    }
    if (this.#entries.size === 0) this.#dropped.clear();
  }

  /** The connection is gone. */
  close(): void {
    this.#entries.clear();
    this.#bytes = 0;
    for (const { reject } of this.#waiters.values()) reject(new BflyError('TIMEOUT', 'the connection is gone'));
    this.#waiters.clear();
  }

  #deliver(id: number): void {
    const waiter = this.#waiters.get(id);
    const entry = this.#entries.get(id);
    if (waiter === undefined || entry === undefined) return;
    this.#waiters.delete(id);
    this.#drop(id);
    const [first] = entry.frames;
    if (first === undefined) return;
    const payload = new Uint8Array(entry.bytes);
    let at = 0;
    for (const frame of entry.frames) {
      payload.set(frame.payload, at);
      at += frame.payload.length;
    }
    waiter.resolve({ ...first, payload });
  }

  #drop(id: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#bytes -= entry.bytes;
  }
}

function tooMuch(): BflyError {
  return new BflyError(
    'LIMIT',
    `at most ${MAX_WAITING_BYTES} bytes of BULK may wait on a connection: send their edits first`,
  );
}
