/** One PULL on its way out: tiles in order, each read when it is the next to be sent. Rules [D2]..[D8], [D21]..[D23]. */

import { encodeServer } from '../../../protocol/encode.ts';
import { BflyError, ERROR_CODES } from '../../../protocol/errors.ts';
import type { EndStatus } from '../../../protocol/messages.ts';
import { pack } from '../../../protocol/msgpack.ts';
import {
  readdressTile,
  readTileHeader,
  TILE_HEADER_BYTES,
  TILE_TYPE,
  TileFlag,
  type TileHeader,
  writeTileHeader,
} from '../../../protocol/tile-frame.ts';
import type { Vec3 } from '../../../protocol/volume.ts';
import type { Core, PullPlan } from '../../core/core.ts';
import { tileAt, tileBox } from '../../query/tile-grid.ts';
import { NearOrder, ScanOrder, type TileOrder } from '../../query/tile-order.ts';
import type { LoadLine } from '../session/load-line.ts';
import type { SendQueue, Step, Stream } from '../session/send-queue.ts';
import type { Connection } from '../transport/transport.ts';

/** What a pull needs from its session. */
export interface PullContext {
  readonly core: Core;
  readonly connection: Connection;
  readonly queue: SendQueue;
  /** Largest payload of a frame, bytes. */
  readonly frameBytes: number;
  /** Where the load of the tile that is next waits for its place; a pull has one there at a time. */
  readonly nextLoads: LoadLine;
  /** Takes one of the connection's few places for loads ahead; false when all are taken. */
  startLoad(): boolean;
  endLoad(): void;
  /** Answers the request with an ERROR. */
  fail(id: number, error: unknown): void;
  /** Called once, when END or ERROR has been sent or the stream was dropped. */
  ended(id: number): void;
}

/** Tiles of one pull whose loads may be under way: the one to be sent next, and those behind it. */
const READ_AHEAD = 4;

export interface PullSettings {
  readonly id: number;
  readonly urgency: number;
  readonly order: 'near' | 'scan';
  readonly focus: Vec3;
}

/** A stream of TILE frames that ends with END. */
export class PullStream implements Stream {
  readonly id: number;
  urgency: number;
  readonly #plan: PullPlan;
  readonly #context: PullContext;
  readonly #order: TileOrder | undefined;
  /** Tiles taken from the order and not sent yet; the first is the next. */
  readonly #ahead: Vec3[] = [];
  /** Tiles whose load is under way. */
  readonly #loading = new Set<string>();
  /** A frame that was loaded, but is in no cache any more: kept until it is sent. */
  #held: { readonly tile: string; readonly frame: Uint8Array } | undefined;
  #missed: string | undefined;
  #failed: { readonly tile: string; readonly fault: BflyError } | undefined;
  #item = 0;
  /** Bytes of the present tile's payload that were sent. */
  #offset = 0;
  #tilesFailed = 0;
  #bytes = 0;
  #over = false;
  /** Gives up waiting for the next tile's load. */
  #leaveLine: (() => void) | undefined;

  constructor(plan: PullPlan, context: PullContext, settings: PullSettings) {
    this.id = settings.id;
    this.urgency = settings.urgency;
    this.#plan = plan;
    this.#context = context;
    const { range, level } = plan;
    if (range !== undefined)
      this.#order =
        settings.order === 'scan' ? new ScanOrder(range) : new NearOrder(range, tileAt(level, settings.focus));
  }

  /** Nearest to this voxel first, from now on. */
  refocus(focus: Vec3): void {
    this.#order?.refocus(tileAt(this.#plan.level, focus));
  }

  /** Ends the pull before its last tile. */
  cancel(status: EndStatus): void {
    if (this.#over) return;
    this.#context.queue.remove(this.id);
    this.#end(status);
  }

  /** Forgets everything without a word: the connection is gone. */
  drop(): void {
    this.#over = true;
    this.#leaveLine?.();
    this.#held = undefined;
  }

  atEnd(): boolean {
    this.#fillAhead();
    return this.#ahead.length === 0;
  }

  fail(error: unknown): void {
    this.drop();
    this.#context.fail(this.id, error);
    this.#context.ended(this.id);
  }

  step(): Step {
    this.#fillAhead();
    const tile = this.#ahead[0];
    if (tile === undefined) {
      this.#end('done');
      return 'ended';
    }
    const key = keyOf(tile);
    if (this.#failed?.tile === key) return this.#sendError(tile, this.#failed.fault);
    const frame = this.#frameOf(tile, key);
    if (frame instanceof BflyError) return this.#sendError(tile, frame);
    if (frame === undefined) return this.#awaitTile(tile, key);
    return frame.length - TILE_HEADER_BYTES <= this.#context.frameBytes
      ? this.#sendWhole(frame)
      : this.#sendPart(frame);
  }

  #fillAhead(): void {
    const tile: [number, number, number] = [0, 0, 0];
    while (this.#ahead.length === 0 && this.#order?.next(tile) === true) this.#ahead.push([...tile]);
  }

  #frameOf(tile: Vec3, key: string): Uint8Array | BflyError | undefined {
    if (this.#held?.tile === key) return this.#held.frame;
    const { channel, encoding, mip, reading } = this.#plan;
    const { core, connection } = this.#context;
    try {
      return core.tiles.peek(channel, mip, tile, encoding, !connection.copiesOnSend, reading);
    } catch (error) {
      return asFault(error);
    }
  }

  /** Starts loading the next tile and a few behind it; the stream goes on when the next one is there. */
  #awaitTile(tile: Vec3, key: string): Step {
    this.#load(tile, key);
    const next: [number, number, number] = [0, 0, 0];
    while (this.#ahead.length < READ_AHEAD && this.#order?.next(next) === true) this.#ahead.push([...next]);
    for (const behind of this.#ahead.slice(1)) {
      const behindKey = keyOf(behind);
      if (this.#loading.has(behindKey) || !this.#context.startLoad()) continue;
      this.#loading.add(behindKey);
      this.#read(behind).then(
        () => this.#loaded(behindKey),
        () => this.#loaded(behindKey),
      );
    }
    return 'waiting';
  }

  #loaded(key: string): void {
    this.#loading.delete(key);
    this.#context.endLoad();
  }

  /** Loads the tile that everything waits for. */
  #load(tile: Vec3, key: string): void {
    // Loaded once and gone again, from a cache that is too small: the second time it is held until it is sent.
    const hold = this.#missed === key;
    this.#missed = key;
    this.#leaveLine = this.#context.nextLoads.enter(() => {
      const reading = this.#read(tile);
      reading.then(
        (frame) => {
          if (this.#over) return;
          if (hold) this.#held = { tile: key, frame };
          this.#context.queue.wake(this.id);
        },
        (error: unknown) => {
          if (this.#over) return;
          this.#failed = { tile: key, fault: asFault(error) };
          this.#context.queue.wake(this.id);
        },
      );
      return reading;
    });
  }

  #read(tile: Vec3): Promise<Uint8Array> {
    const { channel, mip, encoding, reading } = this.#plan;
    return this.#context.core.tiles.load(channel, mip, tile, encoding, reading);
  }

  #sendWhole(frame: Uint8Array): Step {
    readdressTile(frame, this.id, this.#item);
    this.#context.connection.sendTile(frame);
    return this.#sent(frame.length, true);
  }

  #sendPart(frame: Uint8Array): Step {
    const stored = readTileHeader(frame);
    if (stored === undefined) throw new BflyError('INTERNAL', 'a stored tile has a broken header');
    const { frameBytes, connection } = this.#context;
    const from = this.#offset;
    const length = Math.min(frameBytes, stored.length - from);
    const last = from + length === stored.length;
    const part = new Uint8Array(TILE_HEADER_BYTES + length);
    part.set(frame.subarray(TILE_HEADER_BYTES + from, TILE_HEADER_BYTES + from + length), TILE_HEADER_BYTES);
    writeTileHeader(part, {
      ...stored,
      id: this.id,
      item: this.#item,
      flags: (from > 0 ? TileFlag.CONT : 0) | (last ? TileFlag.LAST : 0),
      rawLength: from > 0 ? from : stored.rawLength,
      crc32: 0,
      length,
    });
    connection.sendTile(part);
    this.#offset += length;
    return this.#sent(part.length, last);
  }

  #sendError(tile: Vec3, fault: BflyError): Step {
    const payload = pack([ERROR_CODES[fault.code], fault.message]);
    const box = tileBox(this.#plan.level, tile[0], tile[1], tile[2]);
    const frame = new Uint8Array(TILE_HEADER_BYTES + payload.length);
    frame.set(payload, TILE_HEADER_BYTES);
    const header: TileHeader = {
      type: TILE_TYPE,
      id: this.id,
      flags: TileFlag.ERROR | TileFlag.LAST,
      item: this.#item,
      seq: this.#plan.seq,
      mip: this.#plan.mip,
      x: box[0],
      y: box[1],
      z: box[2],
      encoding: 0,
      rawLength: 0,
      crc32: 0,
      sizeX: box[3] - box[0],
      sizeY: box[4] - box[1],
      length: payload.length,
    };
    writeTileHeader(frame, header);
    this.#context.connection.sendTile(frame);
    this.#tilesFailed++;
    return this.#sent(frame.length, true);
  }

  #sent(bytes: number, tileDone: boolean): number {
    this.#bytes += bytes;
    if (tileDone) {
      this.#ahead.shift();
      this.#held = undefined;
      this.#failed = undefined;
      this.#missed = undefined;
      this.#item++;
      this.#offset = 0;
    }
    return bytes;
  }

  #end(status: EndStatus): void {
    this.#over = true;
    this.#leaveLine?.();
    this.#held = undefined;
    this.#context.connection.send(
      encodeServer({
        kind: 'END',
        id: this.id,
        status,
        sent: this.#item - this.#tilesFailed,
        failed: this.#tilesFailed,
        bytes: this.#bytes,
      }),
    );
    this.#context.ended(this.id);
  }
}

const keyOf = (tile: Vec3): string => `${tile[0]},${tile[1]},${tile[2]}`;

function asFault(error: unknown): BflyError {
  return error instanceof BflyError ? error : new BflyError('INTERNAL', 'the tile could not be read');
}
