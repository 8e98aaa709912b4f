/** The edits of a session: a writer for each path, and the form in which ops travel. */
import { BflyError } from '../../protocol/index.ts';
import { pack } from '../../protocol/msgpack.ts';
import type { Connection } from './connection.ts';
import { type EditOp, wireOps } from './edit-input.ts';
import type { EditResult } from './edit-result.ts';
import { Epochs } from './epochs.ts';
import type { EditFields, PendingEdit } from './pending-edit.ts';
import { askInfo } from './requests.ts';
import { Writer, type WriterHost } from './writer.ts';
import type { WriterStore } from './writer-store.ts';

/** Options of an edit. */
export interface EditOptions {
  /** The seq that the user saw: who edited the same since then wins, and this edit gets a `ConflictError`. */
  readonly base?: number;
  /** `scope` (default with `base`): edits of the same things conflict. `strict`: any edit does. `none`: nothing does. */
  readonly policy?: 'none' | 'scope' | 'strict';
  /** Said in the log, at most 1,024 bytes. */
  readonly note?: string;
  /** Ends the waiting. What was sent may be applied all the same. */
  readonly signal?: AbortSignal;
  /** The life of the log that `base`, or the seq of an `undo`, counts in; default: the one that the session knows. */
  readonly epoch?: Uint8Array;
  /** Whole boxes of voxels of more bytes than this travel apart from the edit; default 256 KiB. */
  readonly bulk?: number;
}

/** Room in a message for all of an EDIT but its ops, bytes. */
const ENVELOPE = 2_048;
/** Names of bulks begin here, away from the ids of requests. */
const FIRST_BULK = 0x8000_0000;

/** All writers of a session. */
export class Editing {
  readonly epochs: Epochs;
  readonly #connection: Connection;
  readonly #writers = new Map<string, Writer>();
  readonly #host: WriterHost;
  #bulks = 0;

  constructor(connection: Connection, store: WriterStore | undefined) {
    this.#connection = connection;
    this.epochs = new Epochs((path, epoch) => this.#writers.get(path)?.newEpoch(epoch));
    this.#host = this.#makeHost(store);
    void connection.closed.then(({ error }) => {
      for (const writer of this.#writers.values())
        writer.shut(error ?? new BflyError('CANCELLED', 'the session is closed'));
    });
  }

  /** @throws BflyError BAD_REQUEST, TOO_LARGE where the ops cannot be sent. */
  edit(path: string, ops: readonly EditOp[], options: EditOptions): PendingEdit {
    const wired = wireOps(ops, () => FIRST_BULK + this.#bulks++, options.bulk);
    const bytes = packedBytes(wired.ops);
    const most = this.#connection.limits.message - ENVELOPE;
    if (bytes > most)
      throw new BflyError('TOO_LARGE', `ops has ${bytes} bytes; the server takes ${most}, whole boxes of voxels apart`);
    const { base, policy, note, signal, epoch } = options;
    const fields = {
      ...wired,
      base: base ?? null,
      epoch: epoch ?? new Uint8Array(0),
      ...(policy === undefined ? {} : { policy }),
      ...(note === undefined ? {} : { note }),
    };
    return this.#writer(path).add(fields, signal);
  }

  /** Sends what an earlier page left, see `WriterStore`. */
  recover(path: string): Promise<void> {
    return this.#writer(path).recover();
  }

  /** Whether a writer of a path is this session's. */
  owns(path: string, wid: Uint8Array): boolean {
    return this.#writers.get(path)?.owns(wid) === true;
  }

  /** The names of the writer of a path. */
  wids(path: string): readonly Uint8Array[] {
    return this.#writers.get(path)?.wids ?? [];
  }

  #writer(path: string): Writer {
    let writer = this.#writers.get(path);
    if (writer === undefined) {
      writer = new Writer(this.#host, path);
      this.#writers.set(path, writer);
    }
    return writer;
  }

  #makeHost(store: WriterStore | undefined): WriterHost {
    const connection = this.#connection;
    return {
      operations: connection,
      epochs: this.epochs,
      store,
      userId: () => connection.welcome?.user.id ?? '',
      askEpoch: async (path) => {
        const info = await askInfo(connection, path, {});
        if (info.kind === 'channel') return info.epoch;
        throw new BflyError('BAD_REQUEST', `${path} is a dataset; edits go to one of its channels`);
      },
      orphaned: (path, fields, error) => {
        const again = (): Promise<EditResult> => this.#again(path, fields);
        connection.events.emit('orphaned', { path, error, again });
      },
      recovered: (path, _fields, outcome) => {
        const told = outcome instanceof BflyError ? { error: outcome } : { result: outcome };
        connection.events.emit('recovered', { path, ...told });
      },
      trouble: (error) => connection.events.emit('error', error),
    };
  }

  #again(path: string, { ops, bulks, note }: EditFields): Promise<EditResult> {
    const fields = { ops, bulks, base: null, epoch: new Uint8Array(0), ...(note === undefined ? {} : { note }) };
    return this.#writer(path).add(fields).result;
  }
}

/** @throws BflyError BAD_REQUEST where a value has no form on the wire. */
function packedBytes(ops: readonly unknown[]): number {
  try {
    return pack(ops).length;
  } catch (cause) {
    throw new BflyError('BAD_REQUEST', 'ops holds a value that cannot be sent', { cause });
  }
}
