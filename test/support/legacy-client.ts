/** An old client of Butterfly's own socket: text frames of JSON, on a bare connection. */
import { OPCODE, RawWebSocket, type RawWebSocketOptions } from './raw-websocket.ts';

/** A frame of the server. */
export interface LegacyAnswer {
  readonly action: string;
  readonly merge?: readonly (readonly string[])[];
  readonly split?: readonly string[];
  readonly error: string;
}

/** One connection. */
export class LegacyClient {
  readonly socket: RawWebSocket;
  #barriers = 0;

  private constructor(socket: RawWebSocket) {
    this.socket = socket;
  }

  /**
   * Opens a connection; see `socket.status` for a refusal.
   *
   * @param path such as `/ws/e::s::d/seg`.
   */
  static async open(port: number, path: string, options: RawWebSocketOptions = {}): Promise<LegacyClient> {
    return new LegacyClient(await RawWebSocket.open(port, { path, ...options }));
  }

  /** Opens a connection and takes its welcome, which must be the tables. */
  static async welcomed(port: number, path: string): Promise<{ client: LegacyClient; welcome: LegacyAnswer }> {
    const client = await LegacyClient.open(port, path);
    const welcome = await client.next();
    if (welcome.action !== 'restore') throw new Error(`the first frame is not the tables: ${JSON.stringify(welcome)}`);
    return { client, welcome };
  }

  send(message: unknown): void {
    this.socket.sendText(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** The next frame. Fails where the connection ends, or where something else than JSON text comes. */
  async next(): Promise<LegacyAnswer> {
    const frame = await this.socket.nextMessage();
    if (frame?.opcode !== OPCODE.text) throw new Error(`no text came: ${frame?.opcode} ${frame?.payload.toString()}`);
    return JSON.parse(frame.payload.toString()) as LegacyAnswer;
  }

  /** Saves, and takes the answer. */
  async save(merge?: unknown, split?: unknown): Promise<LegacyAnswer> {
    this.send({ action: 'save', merge, split });
    return this.next();
  }

  /** Asks for the tables. Whatever came before them is returned too. */
  async restore(): Promise<{ before: LegacyAnswer[]; tables: LegacyAnswer }> {
    this.send({ action: 'restore' });
    const before: LegacyAnswer[] = [];
    for (;;) {
      const answer = await this.next();
      if (answer.action === 'restore') return { before, tables: answer };
      before.push(answer);
    }
  }

  /** Everything that came until now: up to the echo of a message of its own. */
  async heard(): Promise<LegacyAnswer[]> {
    const action = `barrier ${++this.#barriers}`;
    this.send({ action });
    const heard: LegacyAnswer[] = [];
    for (;;) {
      const answer = await this.next();
      if (answer.action === action) return heard;
      heard.push(answer);
    }
  }

  close(): void {
    this.socket.destroy();
  }
}
