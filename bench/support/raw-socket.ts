/**
 * A WebSocket client that does next to nothing: it counts. The same one measures us and our rivals, so that what is compared is servers.
 * It understands unmasked server frames, fragmented or not, and looks only at the first bytes of each message.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** What a message began with, and how long it was. */
export type OnMessage = (head: Uint8Array, bytes: number, socket: RawSocket) => void;

const HEAD_BYTES = 64;

/** One connection. */
export class RawSocket {
  readonly #socket: Socket;
  readonly #onMessage: OnMessage;
  /** Frame header bytes of which not all have come. */
  #pending: Buffer | undefined;
  /** Payload bytes still to come of the present frame. */
  #left = 0;
  #isLast = true;
  #messageBytes = 0;
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headLength = 0;

  private constructor(socket: Socket, onMessage: OnMessage) {
    this.#socket = socket;
    this.#onMessage = onMessage;
  }

  /** Connects and shakes hands. */
  static async open(port: number, path: string, protocol: string, onMessage: OnMessage): Promise<RawSocket> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const raw = new RawSocket(socket, onMessage);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', () => {
        const key = randomBytes(16).toString('base64');
        const offer = protocol === '' ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`;
        socket.write(
          `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n${offer}\r\n`,
        );
      });
      let response = Buffer.alloc(0);
      const onData = (chunk: Buffer): void => {
        response = Buffer.concat([response, chunk]);
        const end = response.indexOf('\r\n\r\n');
        if (end < 0) return;
        socket.off('data', onData);
        if (!response.toString('latin1', 0, 12).includes('101')) return reject(new Error(response.toString('latin1')));
        socket.on('data', (data: Buffer) => raw.#take(data));
        resolve();
        const rest = response.subarray(end + 4);
        if (rest.length > 0) raw.#take(rest);
      };
      socket.on('data', onData);
    });
    socket.on('error', () => {});
    return raw;
  }

  /** Sends one text message of at most 64 KiB. */
  sendText(message: string): void {
    this.send(Buffer.from(message), 0x81);
  }

  /** Sends one binary message of at most 64 KiB. */
  send(message: Uint8Array, opcode = 0x82): void {
    const long = message.length > 125;
    const frame = Buffer.allocUnsafe((long ? 8 : 6) + message.length);
    frame[0] = opcode;
    frame[1] = 0x80 | (long ? 126 : message.length);
    if (long) frame.writeUInt16BE(message.length, 2);
    // A mask of zeros is a mask: the payload stays as it is.
    frame.fill(0, long ? 4 : 2, long ? 8 : 6);
    frame.set(message, long ? 8 : 6);
    this.#socket.write(frame);
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    let chunk = data;
    if (this.#pending !== undefined) {
      chunk = Buffer.concat([this.#pending, data]);
      this.#pending = undefined;
    }
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        const header = this.#readHeader(chunk, at);
        if (header === 0) {
          this.#pending = chunk.subarray(at);
          return;
        }
        at += header;
      }
      const taken = Math.min(this.#left, chunk.length - at);
      if (this.#headLength < HEAD_BYTES && taken > 0) this.#keepHead(chunk, at, taken);
      this.#left -= taken;
      this.#messageBytes += taken;
      at += taken;
      if (this.#left === 0 && this.#isLast) this.#finish();
    }
  }

  /** @returns bytes of the frame header, 0 where it is not all there. */
  #readHeader(chunk: Buffer, at: number): number {
    if (at + 2 > chunk.length) return 0;
    const short = (chunk[at + 1] as number) & 127;
    const bytes = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (at + bytes > chunk.length) return 0;
    this.#isLast = ((chunk[at] as number) & 0x80) !== 0;
    this.#left = short === 126 ? chunk.readUInt16BE(at + 2) : short === 127 ? chunk.readUInt32BE(at + 6) : short;
    return bytes;
  }

  #keepHead(chunk: Buffer, at: number, taken: number): void {
    const part = chunk.subarray(at, at + Math.min(taken, HEAD_BYTES - this.#headLength));
    this.#head.set(part, this.#headLength);
    this.#headLength += part.length;
  }

  #finish(): void {
    const bytes = this.#messageBytes;
    this.#messageBytes = 0;
    const head = this.#head.subarray(0, this.#headLength);
    this.#headLength = 0;
    this.#onMessage(head, bytes, this);
  }
}
