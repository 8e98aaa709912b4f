/** One CUTOUT on its way out: parts of the assembled box, each made when it is the next to be sent. Rules [D25]..[D28]. */

import { encodeServer } from '../../../protocol/encode.ts';
import { BflyError } from '../../../protocol/errors.ts';
import type { EndStatus } from '../../../protocol/messages.ts';
import { TILE_HEADER_BYTES, TILE_TYPE, TileFlag, writeTileHeader } from '../../../protocol/tile-frame.ts';
import type { Box } from '../../../protocol/volume.ts';
import type { SendQueue, Step, Stream } from '../session/send-queue.ts';
import type { Connection } from '../transport/transport.ts';

/** Bytes that come part by part; `Cutout` of the Core, or bytes that are there already. */
export interface PartSource {
  readonly totalBytes: number;
  /** Bytes of the next part; 0 when there is none. */
  readonly nextBytes: number;
  /** Writes the next part into `into`, or gives a promise to wait for before it is asked again. */
  next(into: Uint8Array): undefined | Promise<void>;
}

export interface CutoutContext {
  readonly connection: Connection;
  readonly queue: SendQueue;
  /** A buffer for one frame that may be written over after each send, where the transport copies. */
  scratch(bytes: number): Uint8Array;
  /** Called once, after END, ERROR or `drop`. */
  ended(id: number): void;
  /** Answers the request with an ERROR. */
  fail(id: number, error: unknown): void;
}

/** Bytes that are there already, such as an encoded image, cut into parts. */
export class BytesParts implements PartSource {
  readonly totalBytes: number;
  readonly #bytes: Uint8Array;
  readonly #partBytes: number;
  #at = 0;

  /** @param bytes shared. */
  constructor(bytes: Uint8Array, partBytes: number) {
    this.#bytes = bytes;
    this.totalBytes = bytes.length;
    this.#partBytes = partBytes;
  }

  get nextBytes(): number {
    return Math.min(this.#partBytes, this.totalBytes - this.#at);
  }

  next(into: Uint8Array): undefined {
    const bytes = this.nextBytes;
    into.set(this.#bytes.subarray(this.#at, this.#at + bytes));
    this.#at += bytes;
    return undefined;
  }
}

/** Parts of several sources, one source after the other. */
export class JoinedParts implements PartSource {
  readonly totalBytes: number;
  readonly #sources: PartSource[];

  constructor(sources: readonly PartSource[]) {
    this.#sources = [...sources];
    this.totalBytes = sources.reduce((sum, source) => sum + source.totalBytes, 0);
  }

  get #present(): PartSource | undefined {
    while (this.#sources.length > 1 && this.#sources[0]?.nextBytes === 0) this.#sources.shift();
    return this.#sources[0];
  }

  get nextBytes(): number {
    return this.#present?.nextBytes ?? 0;
  }

  next(into: Uint8Array): undefined | Promise<void> {
    return this.#present?.next(into);
  }
}

/** A stream of TILE frames of one item that ends with END. */
export class CutoutStream implements Stream {
  readonly id: number;
  urgency: number;
  /** Bytes sent so far: whether a client takes any. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  readonly #parts: PartSource;
  readonly #context: CutoutContext;
  readonly #mip: number;
  readonly #box: Box;
  readonly #seq: number;
  #sentBytes = 0;
  #wireBytes = 0;
  #over = false;
  #fault: BflyError | undefined;

  constructor(
    id: number,
    urgency: number,
    mip: number,
    box: Box,
    seq: number,
    parts: PartSource,
    context: CutoutContext,
  ) {
    this.id = id;
    this.urgency = urgency;
    this.#mip = mip;
    this.#box = box;
    this.#seq = seq;
    this.#parts = parts;
    this.#context = context;
  }

  cancel(status: EndStatus): void {
    if (this.#over) return;
    this.#context.queue.remove(this.id);
    this.#end(status);
  }

  drop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.ended(this.id);
  }

  atEnd(): boolean {
    return this.#fault !== undefined || this.#parts.nextBytes === 0;
  }

  fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.fail(this.id, error);
    this.#context.ended(this.id);
  }

  step(): Step {
    if (this.#fault !== undefined) {
      this.fail(this.#fault);
      return 'ended';
    }
    const bytes = this.#parts.nextBytes;
    if (bytes === 0) {
      this.#end('done');
      return 'ended';
    }
    const frame = this.#context.scratch(TILE_HEADER_BYTES + bytes);
    let waiting: undefined | Promise<void>;
    try {
      waiting = this.#parts.next(frame.subarray(TILE_HEADER_BYTES));
    } catch (error) {
      // A tile that failed a moment ago fails at once.
      this.#fault = asFault(error);
      return this.step();
    }
    if (waiting !== undefined) {
      this.#awaitPart(waiting);
      return 'waiting';
    }
    return this.#send(frame, bytes);
  }

  #awaitPart(part: Promise<void>): void {
    const wake = (): void => {
      if (!this.#over) this.#context.queue.wake(this.id);
    };
    part.then(wake, (error: unknown) => {
      this.#fault = asFault(error);
      wake();
    });
  }

  #send(frame: Uint8Array, bytes: number): Step {
    const first = this.#sentBytes === 0;
    const last = this.#sentBytes + bytes === this.#parts.totalBytes;
    writeTileHeader(frame, {
      type: TILE_TYPE,
      id: this.id,
      flags: (first ? 0 : TileFlag.CONT) | (last ? TileFlag.LAST : 0),
      item: 0,
      seq: this.#seq,
      mip: this.#mip,
      x: this.#box[0],
      y: this.#box[1],
      z: this.#box[2],
      encoding: 0,
      // A length or offset of 4 GiB and more does not fit the field; the reply said how long it is.
      rawLength: first ? fitsU32(this.#parts.totalBytes) : fitsU32(this.#sentBytes),
      crc32: 0,
      sizeX: 0,
      sizeY: 0,
      length: bytes,
    });
    this.#context.connection.sendTile(frame);
    this.#sentBytes += bytes;
    this.#wireBytes += frame.length;
    return frame.length;
  }

  #end(status: EndStatus): void {
    this.#over = true;
    const sent = status === 'done' ? 1 : 0;
    this.#context.connection.send(
      encodeServer({ kind: 'END', id: this.id, status, sent, failed: 0, bytes: this.#wireBytes }),
    );
    this.#context.ended(this.id);
  }
}

const fitsU32 = (value: number): number => (value > 0xffff_ffff ? 0 : value);

function asFault(error: unknown): BflyError {
  return error instanceof BflyError ? error : new BflyError('INTERNAL', 'the box could not be read');
}
