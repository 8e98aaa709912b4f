/** Counts what leaves by a connection. */
import { TileFlag } from '../../../protocol/tile-frame.ts';
import type { Connection } from '../transport/transport.ts';

/** Where a TILE frame has its flags. */
const FLAGS_AT = 8;

/** What has left; only ever more. */
export interface SentCounts {
  /** Tiles, and parts of cutouts: a long one is several frames. */
  tiles: number;
  /** Bytes of messages, without what the transport puts around them. */
  bytes: number;
}

/** The same connection, whose messages are counted. A class: a literal of functions would cost each idle socket the better part of 1 KB. */
export class CountedConnection implements Connection {
  readonly #connection: Connection;
  readonly #counts: SentCounts;

  constructor(connection: Connection, counts: SentCounts) {
    this.#connection = connection;
    this.#counts = counts;
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  get copiesOnSend(): boolean {
    return this.#connection.copiesOnSend;
  }

  bufferedBytes(): number {
    return this.#connection.bufferedBytes();
  }

  send(message: Uint8Array): void {
    this.#counts.bytes += message.length;
    this.#connection.send(message);
  }

  sendText(text: Uint8Array): void {
    this.#counts.bytes += text.length;
    this.#connection.sendText(text);
  }

  ping(): void {
    this.#connection.ping();
  }

  sendTile(frame: Uint8Array): void {
    if (((frame[FLAGS_AT] ?? 0) & TileFlag.CONT) === 0) this.#counts.tiles++;
    this.#counts.bytes += frame.length;
    this.#connection.sendTile(frame);
  }

  cork(work: () => void): void {
    this.#connection.cork(work);
  }

  close(code: number, reason: string): void {
    this.#connection.close(code, reason);
  }

  terminate(): void {
    this.#connection.terminate();
  }
}
