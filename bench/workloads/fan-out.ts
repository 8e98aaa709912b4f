/**
 * Fan-out: one path, one stream of edits of about 200 bytes, many subscribers. Closed loop: at most `WINDOW` edits are not yet with
 * everybody, the same for us and for every rival, so that nobody's buffers grow. Ours are durable before they are told.
 */
import { Doc } from 'yjs';
import { RawSocket } from '../support/raw-socket.ts';
import { openSubscribers, Writer } from './edits.ts';
import type { Rate } from './pull.ts';

/** Edits that are under way. */
const WINDOW = 256;
/** Bytes of a rival's message; ours have about as many with all that they tell. */
const MESSAGE_BYTES = 200;

/** Who fans out. */
export type FanOutKind = 'ours' | 'uws' | 'ws' | 'socketio' | 'hocuspocus';

interface FanOut {
  readonly sockets: RawSocket[];
  send(): void;
  close(): void;
}

/** Deliveries a second of one stream to `subscribers` clients. */
export async function measureFanOut(
  kind: FanOutKind,
  port: number,
  path: string,
  subscribers: number,
  seconds: number,
): Promise<Rate> {
  let delivered = 0;
  let sent = 0;
  let running = true;
  let fanOut: FanOut | undefined;
  const onDelivery = (count: number): void => {
    delivered += count;
    if (running) push();
  };
  const push = (): void => {
    while (sent - delivered / subscribers < WINDOW) {
      sent++;
      fanOut?.send();
    }
  };
  fanOut = await openFanOut(kind, port, path, subscribers, onDelivery);
  await sleep(300);
  delivered = 0;
  push();
  await sleep(700);
  const from = delivered;
  const start = performance.now();
  await sleep(seconds * 1_000);
  const perSecond = (delivered - from) / ((performance.now() - start) / 1_000);
  running = false;
  fanOut.close();
  for (const socket of fanOut.sockets) socket.close();
  return { perSecond };
}

function openFanOut(
  kind: FanOutKind,
  port: number,
  path: string,
  subscribers: number,
  onDelivery: (count: number) => void,
): Promise<FanOut> {
  if (kind === 'ours') return openOurs(port, path, subscribers, onDelivery);
  if (kind === 'socketio') return openSocketIo(port, subscribers, onDelivery);
  if (kind === 'hocuspocus') return openHocuspocus(port, subscribers, onDelivery);
  return openPlain(port, subscribers, onDelivery);
}

async function openOurs(
  port: number,
  path: string,
  subscribers: number,
  onDelivery: (count: number) => void,
): Promise<FanOut> {
  const sockets = await openSubscribers(port, path, subscribers, (_subscriber, edits) => onDelivery(edits));
  // A writer may have 16 edits under way.
  const writers = Array.from({ length: WINDOW / 16 }, () => {
    const writer: { readonly it: Writer; free: number; owed: number } = {
      it: new Writer(path, () => {
        writer.free++;
        if (writer.owed > 0) {
          writer.owed--;
          writer.free--;
          writer.it.send();
        }
      }),
      ...{ free: 16, owed: 0 },
    };
    return writer;
  });
  for (const { it } of writers) await it.open(port);
  let turn = 0;
  return {
    sockets,
    send: () => {
      const writer = writers[turn++ % writers.length];
      if (writer === undefined) return;
      if (writer.free === 0) writer.owed++;
      else {
        writer.free--;
        writer.it.send();
      }
    },
    close: () => {
      for (const { it } of writers) it.close();
    },
  };
}

/** Opens sockets one after the other; `greet` sends what the server wants to hear, `isDelivery` knows an edit. */
async function openSockets(
  port: number,
  path: string,
  count: number,
  isDelivery: (head: Uint8Array, bytes: number) => boolean,
  onDelivery: (count: number) => void,
  greet?: (socket: RawSocket) => void,
): Promise<RawSocket[]> {
  const sockets: RawSocket[] = [];
  for (let n = 0; n < count; n++) {
    const socket = await RawSocket.open(port, path, '', (head, bytes) => {
      if (isDelivery(head, bytes)) onDelivery(1);
    });
    greet?.(socket);
    sockets.push(socket);
  }
  return sockets;
}

async function openPlain(port: number, subscribers: number, onDelivery: (count: number) => void): Promise<FanOut> {
  const sockets = await openSockets(port, '/', subscribers, (_head, bytes) => bytes === MESSAGE_BYTES, onDelivery);
  const message = new Uint8Array(MESSAGE_BYTES).fill(1);
  return { sockets, send: () => sockets[0]?.send(message), close: () => {} };
}

async function openSocketIo(port: number, subscribers: number, onDelivery: (count: number) => void): Promise<FanOut> {
  const sockets = await openSockets(
    port,
    '/socket.io/?EIO=4&transport=websocket',
    subscribers,
    (_head, bytes) => bytes === MESSAGE_BYTES,
    onDelivery,
    // Joins the namespace /.
    (socket) => socket.sendText('40'),
  );
  const message = new Uint8Array(MESSAGE_BYTES).fill(1);
  return {
    sockets,
    send: () => {
      sockets[0]?.sendText('451-["edit",{"_placeholder":true,"num":0}]');
      sockets[0]?.send(message);
    },
    close: () => {},
  };
}

/** Hocuspocus's frames: the document's name, the kind (0 sync, 2 auth), then y-protocols' message. */
async function openHocuspocus(port: number, subscribers: number, onDelivery: (count: number) => void): Promise<FanOut> {
  const name = [4, ...Buffer.from('path')];
  const SYNC = 0;
  const UPDATE = 2;
  const AUTH = 2;
  const sockets = await openSockets(
    port,
    '/path',
    // The writer is not told of its own updates.
    subscribers + 1,
    (head) => head[5] === SYNC && head[6] === UPDATE,
    onDelivery,
    (socket) => socket.send(Uint8Array.of(...name, AUTH, 0, 0)),
  );
  const doc = new Doc();
  const edits = doc.getMap<string>('edits');
  const writer = sockets[0];
  doc.on('update', (update: Uint8Array) => {
    const length = update.length < 128 ? [update.length] : [(update.length & 127) | 128, update.length >> 7];
    writer?.send(Uint8Array.of(...name, SYNC, UPDATE, ...length, ...update));
  });
  const text = 'x'.repeat(160);
  let n = 0;
  return { sockets, send: () => void edits.set(`${n++ % 1_000}`, text), close: () => doc.destroy() };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
