/** A WebSocket client on bare TCP, for tests: it can do what real clients do not, such as send half a frame or stop reading. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Opcodes of frames. Source: RFC 6455, 5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A frame as it came. The payload is the receiver's own. */
export interface RawFrame {
  readonly fin: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

/** What to send in the handshake. */
export interface RawWebSocketOptions {
  readonly host?: string;
  readonly path?: string;
  readonly protocols?: readonly string[];
  /** Further header lines; undefined leaves a usual one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Called with each frame instead of keeping it for `next`. */
  readonly onFrame?: (frame: RawFrame) => void;
  /** Take no byte from the kernel after the handshake until `resume`. */
  readonly paused?: boolean;
}

/** One connection after its handshake. */
export class RawWebSocket {
  readonly socket: Socket;
  /** Status line of the answer to the handshake. */
  readonly status: number;
  /** Headers of that answer by lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes of frames that came, heads included. */
  bytes = 0;
  readonly #reader: FrameReader;
  readonly #frames: RawFrame[] = [];
  readonly #waiting: ((frame: RawFrame | undefined) => void)[] = [];
  #ended = false;
  /** Resolves when the connection is gone, however it went. */
  readonly gone: Promise<void>;

  private constructor(socket: Socket, head: Head, onFrame: ((frame: RawFrame) => void) | undefined) {
    this.socket = socket;
    this.status = head.status;
    this.headers = head.headers;
    this.#reader = new FrameReader(onFrame ?? ((frame) => this.#keep(frame)));
    this.gone = new Promise((resolve) => {
      const end = (): void => {
        this.#ended = true;
        for (const wake of this.#waiting.splice(0)) wake(undefined);
        resolve();
      };
      if (socket.closed) end();
      else socket.once('close', end);
    });
  }

  /** Opens a WebSocket; a refused handshake is a result too, see `status`. */
  static async open(port: number, options: RawWebSocketOptions = {}): Promise<RawWebSocket> {
    const socket = connect({ port, host: options.host ?? '127.0.0.1' });
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write(handshake(options));
    const { head, rest } = await readHead(socket);
    const client = new RawWebSocket(socket, head, options.onFrame);
    const take = (chunk: Buffer): void => {
      client.bytes += chunk.length;
      if (client.status !== 101) return;
      client.#reader.push(chunk);
    };
    if (options.paused === true) socket.pause();
    socket.on('data', take);
    if (rest.length > 0) take(rest);
    if (options.paused !== true) socket.resume();
    return client;
  }

  /** The next frame; undefined when the connection is gone. */
  next(): Promise<RawFrame | undefined> {
    const frame = this.#frames.shift();
    if (frame !== undefined || this.#ended) return Promise.resolve(frame);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The next message, joined from its fragments; pings and pongs are passed over. */
  async nextMessage(): Promise<RawFrame | undefined> {
    const parts: Buffer[] = [];
    let opcode = 0;
    for (;;) {
      const frame = await this.next();
      if (frame === undefined || frame.opcode === OPCODE.close) return frame;
      if (frame.opcode >= OPCODE.close) continue;
      if (frame.opcode !== OPCODE.continuation) opcode = frame.opcode;
      parts.push(frame.payload);
      if (frame.fin) return { fin: true, opcode, payload: Buffer.concat(parts) };
    }
  }

  /** Sends one masked frame. */
  sendFrame(opcode: number, payload: Uint8Array, fin = true): void {
    this.socket.write(maskedFrame(opcode, payload, fin));
  }

  sendBinary(payload: Uint8Array): void {
    this.sendFrame(OPCODE.binary, payload);
  }

  sendText(text: string): void {
    this.sendFrame(OPCODE.text, Buffer.from(text));
  }

  /** Sends one binary message in several frames. */
  sendFragments(parts: readonly Uint8Array[]): void {
    parts.forEach((part, i) => {
      this.sendFrame(i === 0 ? OPCODE.binary : OPCODE.continuation, part, i === parts.length - 1);
    });
  }

  /** Sends a close frame; without a code it is empty. */
  sendClose(code?: number, reason = ''): void {
    const payload = code === undefined ? Buffer.alloc(0) : Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
    if (code !== undefined) payload.writeUInt16BE(code, 0);
    this.sendFrame(OPCODE.close, payload);
  }

  /** Stops taking bytes from the kernel. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Cuts the connection. */
  destroy(): void {
    this.socket.destroy();
  }

  #keep(frame: RawFrame): void {
    const wake = this.#waiting.shift();
    if (wake === undefined) this.#frames.push(frame);
    else wake(frame);
  }
}

/** Code and reason of a close frame; code 1005 where it holds none. */
export function readClose(frame: RawFrame | undefined): { readonly code: number; readonly reason: string } {
  if (frame === undefined || frame.opcode !== OPCODE.close) return { code: 1006, reason: '' };
  if (frame.payload.length < 2) return { code: 1005, reason: '' };
  return { code: frame.payload.readUInt16BE(0), reason: frame.payload.toString('utf8', 2) };
}

/** One frame as a client sends it. */
export function maskedFrame(opcode: number, payload: Uint8Array, fin = true): Buffer {
  const { length } = payload;
  const mask = randomBytes(4);
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | opcode;
  if (length < 126) head[1] = 0x80 | length;
  else if (length < 65_536) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeUIntBE(length, 4, 6);
  }
  const masked = Buffer.from(payload);
  for (let i = 0; i < length; i++) masked[i] = (masked[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return Buffer.concat([head, mask, masked]);
}

/** Takes bytes as they come and gives frames; fails on masked frames and reserved bits, which no server may send. */
class FrameReader {
  readonly #give: (frame: RawFrame) => void;
  #head = Buffer.alloc(0);
  #opcode = 0;
  #fin = true;
  #payload: Buffer | undefined;
  #filled = 0;

  constructor(give: (frame: RawFrame) => void) {
    this.#give = give;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0 || this.#payload?.length === 0) {
      if (this.#payload === undefined) rest = this.#readHead(rest);
      if (this.#payload === undefined) return;
      rest = this.#fill(this.#payload, rest);
    }
  }

  #readHead(chunk: Buffer): Buffer {
    const bytes = this.#head.length > 0 ? Buffer.concat([this.#head, chunk]) : chunk;
    this.#head = Buffer.alloc(0);
    const short = (bytes[1] ?? 0) & 0x7f;
    const headBytes = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (bytes.length < headBytes) {
      this.#head = Buffer.from(bytes);
      return bytes.subarray(bytes.length);
    }
    const first = bytes[0] ?? 0;
    if ((first & 0x70) !== 0 || ((bytes[1] ?? 0) & 0x80) !== 0) {
      throw new Error(`the server sent a bad frame: ${bytes.subarray(0, 16).toString('hex')}`);
    }
    this.#fin = (first & 0x80) !== 0;
    this.#opcode = first & 0x0f;
    const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
    this.#payload = Buffer.allocUnsafe(length);
    this.#filled = 0;
    return bytes.subarray(headBytes);
  }

  #fill(payload: Buffer, chunk: Buffer): Buffer {
    const taken = chunk.copy(payload, this.#filled);
    this.#filled += taken;
    if (this.#filled === payload.length) {
      this.#payload = undefined;
      this.#give({ fin: this.#fin, opcode: this.#opcode, payload });
    }
    return chunk.subarray(taken);
  }
}

function handshake({ path = '/', protocols = [], headers = {} }: RawWebSocketOptions): string {
  const lines: Record<string, string | undefined> = {
    Host: 'test',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    'Sec-WebSocket-Protocol': protocols.length === 0 ? undefined : protocols.join(', '),
    ...headers,
  };
  const written = Object.entries(lines).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return `GET ${path} HTTP/1.1\r\n${written.join('\r\n')}\r\n\r\n`;
}

interface Head {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
}

/** Reads up to the empty line; status 0 where the connection ended before. */
function readHead(socket: Socket): Promise<{ head: Head; rest: Buffer }> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const done = (head: Head, rest: Buffer): void => {
      socket.off('data', take);
      socket.off('close', none);
      resolve({ head, rest });
    };
    const none = (): void => done({ status: 0, headers: new Map() }, Buffer.alloc(0));
    const take = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.pause();
      const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
      const headers = new Map(
        lines.map((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
        }),
      );
      done({ status: Number(first.split(' ')[1]), headers }, bytes.subarray(end + 4));
    };
    socket.on('data', take);
    socket.once('close', none);
  });
}
