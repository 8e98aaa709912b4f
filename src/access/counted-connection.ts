/** Counts what leaves by a connection. */
import { TileFlag } from '../../protocol/tile-frame.ts';
import type { Connection } from './transport.ts';

/** Where a TILE frame has its flags. */
const FLAGS_AT = 8;

/** What has left; only ever more. */
export interface SentCounts {
  /** Tiles, and parts of cutouts: a long one is several frames. */
  tiles: number;
  /** Bytes of messages, without what the transport puts around them. */
  bytes: number;
}

/** The same connection, whose messages are counted. */
export function countedConnection(connection: Connection, counts: SentCounts): Connection {
  return {
    remoteAddress: connection.remoteAddress,
    copiesOnSend: connection.copiesOnSend,
    bufferedBytes: () => connection.bufferedBytes(),
    send: (message) => {
      counts.bytes += message.length;
      connection.send(message);
    },
    sendText: (text) => {
      counts.bytes += text.length;
      connection.sendText(text);
    },
    ping: () => connection.ping(),
    sendTile: (frame) => {
      if (((frame[FLAGS_AT] ?? 0) & TileFlag.CONT) === 0) counts.tiles++;
      counts.bytes += frame.length;
      connection.sendTile(frame);
    },
    cork: (work) => connection.cork(work),
    close: (code, reason) => connection.close(code, reason),
    terminate: () => connection.terminate(),
  };
}
