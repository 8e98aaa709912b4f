/** A thread that holds sockets: it frames, sends and receives, and knows nothing of what is said. The entry of a worker. */
import { parentPort, workerData } from 'node:worker_threads';
import { BflyError } from '../../../../protocol/errors.ts';
import { readdressTile } from '../../../../protocol/tile-frame.ts';
import type { Logger } from '../../../utility/log.ts';
import { withSharedFrame } from '../../../utility/shared-frames.ts';
import { describeFault } from '../guarded-events.ts';
import type {
  Connection,
  ConnectionEvents,
  HttpRequest,
  HttpResponse,
  UpgradeRequest,
  UpgradeVerdict,
} from '../transport.ts';
import { createUwsTransport, loadUws } from '../uws-transport.ts';
import { Inbound } from './inbound.ts';
import { Order, Report, type RequestHead, type ThreadStart, type Verdict } from './letters.ts';
import { Letters, type Mail, Outbox } from './mail.ts';

/** From when nothing is left of uWebSockets.js until its memory may go, ms. */
const SETTLE_MS = 50;

/** A connection, and what the server was told of it. */
interface Held {
  readonly connection: Connection;
  /** Bytes that were posted for it and have been sent; only ever more. */
  sent: number;
  /** The server has not been told of the last of them. */
  isNews: boolean;
}

/** Between the server's thread and a transport. */
class SocketThread {
  readonly #outbox: Outbox;
  readonly #inbound: Inbound;
  readonly #transport;
  readonly #held = new Map<number, Held>();
  readonly #verdicts = new Map<number, (verdict: UpgradeVerdict) => void>();
  readonly #requests = new Map<number, { request: HttpRequest; answer: (response: HttpResponse) => void }>();
  /** Connections that the server is to hear of when this mail is done. */
  readonly #news: [number, Held][] = [];
  #count = 0;
  #spare = new Uint8Array(0);

  constructor({ maxMessageBytes, timings, inbound }: ThreadStart, outbox: Outbox) {
    this.#outbox = outbox;
    this.#inbound = new Inbound(inbound);
    const { module, missing } = loadUws();
    if (module === undefined) throw new Error(`uWebSockets.js: ${missing}`);
    const handlers = {
      upgrade: (request: UpgradeRequest) => this.#upgrade(request),
      http: (request: HttpRequest) => this.#http(request),
    };
    const log = this.#log();
    this.#transport = createUwsTransport(module, { handlers, log, maxMessageBytes, sharesPort: true }, timings);
  }

  take(mail: Mail): void {
    const letters = new Letters(mail);
    let more = letters.next();
    while (more) {
      const held = this.#held.get(letters.about);
      if (held === undefined) {
        this.#obey(letters, undefined);
        more = letters.next();
        continue;
      }
      const { about } = letters;
      // What comes for one connection in a row leaves together.
      let ranInside = false;
      held.connection.cork(() => {
        ranInside = true;
        do {
          this.#obey(letters, held);
          more = letters.next();
        } while (more && letters.about === about);
      });
      if (ranInside) continue;
      // A connection that is over corks nothing.
      this.#obey(letters, held);
      more = letters.next();
    }
    for (const [id, held] of this.#news) this.#tellFlow(id, held);
    this.#news.length = 0;
  }

  #obey(letters: Letters, held: Held | undefined): void {
    const connection = held?.connection;
    const { kind, about, a, b } = letters;
    // What a letter carries is taken out in any case: the next one's stands behind it.
    switch (kind) {
      case Order.send:
      case Order.text:
      case Order.tile: {
        const bytes = this.#sent(about, held, letters.bytes());
        if (kind === Order.text) connection?.sendText(bytes);
        else connection?.send(bytes);
        break;
      }
      case Order.sharedTile:
        this.#sendShared(this.#sent(about, held, letters.frame()), connection, a, b);
        break;
      case Order.ping:
        connection?.ping();
        break;
      case Order.close: {
        const reason = letters.value() as string;
        connection?.close(a, reason);
        break;
      }
      case Order.terminate:
        connection?.terminate();
        break;
      default:
        this.#obeyOther(letters);
    }
  }

  #obeyOther(letters: Letters): void {
    const { about } = letters;
    switch (letters.kind) {
      case Order.verdict:
        this.#judge(about, letters.value() as Verdict);
        break;
      case Order.readBody:
        this.#readBody(about, letters.a);
        break;
      case Order.answer:
        this.#answer(about, letters.value() as HttpResponse);
        break;
      case Order.listen:
        void this.#listen(letters.value() as { readonly host: string; readonly port: number });
        break;
      case Order.stopListening:
        void this.#transport.stopListening().then(() => this.#outbox.write(Report.stopped, 0));
        break;
      case Order.end:
        void this.#end();
    }
  }

  #sent(id: number, held: Held | undefined, bytes: Uint8Array): Uint8Array {
    if (held === undefined) return bytes;
    held.sent += bytes.length;
    if (!held.isNews) this.#news.push([id, held]);
    held.isNews = true;
    return bytes;
  }

  #sendShared(frame: Uint8Array, connection: Connection | undefined, id: number, item: number): void {
    if (connection === undefined) return;
    if (this.#spare.length < frame.length) this.#spare = new Uint8Array(frame.length);
    withSharedFrame(frame, this.#spare, (mine) => {
      readdressTile(mine, id, item);
      connection.send(mine);
    });
  }

  #tellFlow(id: number, held: Held): void {
    held.isNews = false;
    this.#outbox.write(Report.flow, id, held.sent, held.connection.bufferedBytes());
  }

  #upgrade(request: UpgradeRequest): Promise<UpgradeVerdict> {
    const id = ++this.#count;
    this.#outbox.writeValue(Report.upgrade, id, headOf('GET', request, request.protocols));
    return new Promise((resolve) => this.#verdicts.set(id, resolve));
  }

  #judge(id: number, verdict: Verdict): void {
    const resolve = this.#verdicts.get(id);
    this.#verdicts.delete(id);
    if (!('accept' in verdict)) return resolve?.({ accept: false, response: verdict });
    resolve?.({
      accept: true,
      protocol: verdict.protocol,
      open: (connection) => this.#open(id, connection),
      aborted: () => this.#outbox.write(Report.aborted, id),
    });
  }

  #open(id: number, connection: Connection): ConnectionEvents {
    const held: Held = { connection, sent: 0, isNews: false };
    this.#held.set(id, held);
    this.#outbox.writeValue(Report.opened, id, connection.remoteAddress);
    const handOn = (kind: number, bytes: Uint8Array): void => {
      this.#outbox.writeBytes(kind, id, bytes);
      this.#inbound.add(bytes.length, () => this.#outbox.flush());
    };
    return {
      message: (bytes) => handOn(Report.message, bytes),
      text: (bytes) => handOn(Report.text, bytes),
      drained: () => this.#tellFlow(id, held),
      closed: (code, reason) => {
        this.#held.delete(id);
        this.#outbox.writeValue(Report.closed, id, reason, code);
      },
    };
  }

  #http(request: HttpRequest): Promise<HttpResponse> {
    const id = ++this.#count;
    this.#outbox.writeValue(Report.request, id, headOf(request.method, request, []));
    request.onGone(() => this.#outbox.write(Report.over, id));
    return new Promise((answer) => this.#requests.set(id, { request, answer }));
  }

  #readBody(id: number, maxBytes: number): void {
    this.#requests
      .get(id)
      ?.request.body(maxBytes)
      .then(
        (bytes) => {
          this.#outbox.writeBytes(Report.body, id, bytes);
          this.#inbound.add(bytes.length, () => this.#outbox.flush());
        },
        (fault: unknown) => this.#outbox.writeValue(Report.bodyFailed, id, faultOf(fault)),
      );
  }

  #answer(id: number, response: HttpResponse): void {
    const waiting = this.#requests.get(id);
    this.#requests.delete(id);
    waiting?.answer({ ...response, onOver: () => this.#outbox.write(Report.over, id) });
  }

  async #listen({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
    try {
      this.#outbox.write(Report.listening, 0, await this.#transport.listen(host, port));
    } catch (fault) {
      this.#outbox.writeValue(Report.notListening, 0, faultOf(fault));
    }
  }

  /** Ended from outside with sockets open, uWebSockets.js would take the whole process along. */
  async #end(): Promise<void> {
    await this.#transport.close();
    setTimeout(() => this.#outbox.write(Report.ended, 0), SETTLE_MS);
  }

  #log(): Logger {
    const at =
      (level: keyof Logger) =>
      (fields: Readonly<Record<string, unknown>>, message: string): void =>
        this.#outbox.writeValue(Report.log, 0, [level, fields, message]);
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }
}

function headOf(
  method: string,
  { path, query, remoteAddress, headers }: UpgradeRequest | HttpRequest,
  protocols: readonly string[],
): RequestHead {
  return { method, path, query, protocols, remoteAddress, headers: headers() };
}

function faultOf(fault: unknown): readonly [code: string, message: string] {
  return fault instanceof BflyError ? [fault.code, fault.message] : ['INTERNAL', describeFault(fault)];
}

if (parentPort === null) throw new Error('socket-thread.ts is the entry of a worker');
const server = parentPort;
const outbox = new Outbox(server);
// As in the server's own thread, it ends the program; but there, and not by an abort of uWebSockets.js.
process.on('uncaughtException', (fault) => outbox.writeValue(Report.fault, 0, describeFault(fault)));
const thread = new SocketThread(workerData as ThreadStart, outbox);
server.on('message', (mail: Mail) => thread.take(mail));
