/** Frames of tiles to whole tiles: the frames of one tile come in order and without others of the same pull between them. */
import { crc32, MalformedFrame, TileFlag, type TileHeader } from '../../protocol/index.ts';
import { join } from './gunzip.ts';
import { tileMessageBytes } from './line.ts';

/** A tile is at most 4 MiB raw; no encoding of it, and no later server's, comes near this. */
export const MAX_TILE_BYTES = 64 * 1024 * 1024;

/** All frames of one tile. */
export interface JoinedTile {
  /** Of the first frame. */
  readonly header: TileHeader;
  /** Owned: the encoded payload of all frames. */
  readonly payload: Uint8Array;
  /** Bytes of WebSocket messages that it came in. */
  readonly wireBytes: number;
  /** Whether the crc32 of a frame was checked and is wrong. */
  readonly damaged: boolean;
}

/** Joins the frames of one stream. */
export class TileJoiner {
  readonly #verify: boolean;
  #first: TileHeader | undefined;
  #parts: Uint8Array[] = [];
  #length = 0;
  #wireBytes = 0;
  #damaged = false;

  constructor(verify: boolean) {
    this.#verify = verify;
  }

  /** True while a tile has begun and not ended. */
  get midway(): boolean {
    return this.#first !== undefined;
  }

  /**
   * Takes a frame.
   *
   * @param payload owned, or shared: it is kept.
   * @returns the tile that it completes.
   * @throws MalformedFrame where it does not go on from the frame before.
   */
  add(header: TileHeader, payload: Uint8Array): JoinedTile | undefined {
    if ((header.flags & TileFlag.CONT) === 0) this.#begin(header);
    const first = this.#first;
    if (first === undefined || header.item !== first.item || !this.#continues(header))
      throw new MalformedFrame(`the frames of TILE item ${header.item} do not follow each other`);
    this.#parts.push(payload);
    this.#length += payload.length;
    this.#wireBytes += tileMessageBytes(payload);
    if (this.#length > MAX_TILE_BYTES)
      throw new MalformedFrame(`TILE item ${header.item} is larger than ${MAX_TILE_BYTES} bytes`);
    if (this.#verify && header.crc32 !== 0 && crc32(payload) !== header.crc32) this.#damaged = true;
    if ((header.flags & TileFlag.LAST) === 0) return undefined;
    const tile = {
      header: first,
      payload: join(this.#parts, this.#length),
      wireBytes: this.#wireBytes,
      damaged: this.#damaged,
    };
    this.#reset();
    return tile;
  }

  #begin(header: TileHeader): void {
    if (this.#first !== undefined)
      throw new MalformedFrame(`TILE item ${header.item} began before item ${this.#first.item} ended`);
    this.#first = header;
  }

  #continues(header: TileHeader): boolean {
    return (header.flags & TileFlag.CONT) === 0 || header.rawLength === this.#length;
  }

  #reset(): void {
    this.#first = undefined;
    this.#parts = [];
    this.#length = 0;
    this.#wireBytes = 0;
    this.#damaged = false;
  }
}
