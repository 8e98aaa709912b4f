/**
 * What uWebSockets.js can do by itself: no protocol, no store. Arguments: `push BYTES COUNT` sends messages of BYTES from a rotating set
 * of COUNT buffers as fast as the client takes them; `echo` gives back what comes.
 */
import { randomFillSync } from 'node:crypto';
import { loadUws } from '../../src/access/transport/uws-transport.ts';
import { reportPort } from '../support/child.ts';

const [mode = 'push', bytes = '65536', count = '256'] = process.argv.slice(2);
const { module } = loadUws();
if (module === undefined) throw new Error('uWebSockets.js does not load here');

/** The same message size that ours sends: payload behind a header of 64 bytes. */
const buffers =
  mode === 'push' ? Array.from({ length: Number(count) }, () => randomFillSync(Buffer.alloc(64 + Number(bytes)))) : [];
/** Below this the socket is topped up, as in ours. */
const HIGH_BYTES = 512 * 1024;

interface BareSocket {
  at?: number;
  send(message: Uint8Array | ArrayBuffer, isBinary: boolean, compress: boolean): number;
  getBufferedAmount(): number;
}

/** Sends until the socket holds enough; when the kernel takes everything, other sockets get their turn. */
function pump(socket: BareSocket): void {
  for (let n = 0; n < 16; n++) {
    if (socket.getBufferedAmount() > HIGH_BYTES) return;
    socket.at = ((socket.at ?? 0) + 1) % buffers.length;
    // compress on a route without compression: keeps uWebSockets.js off the path on which it stalls.
    socket.send(buffers[socket.at] as Buffer, true, true);
  }
  setImmediate(() => {
    if (!closed.has(socket)) pump(socket);
  });
}

const closed = new WeakSet<BareSocket>();
const app = module.App();
app.ws('/*', {
  compression: 0,
  maxBackpressure: 0,
  idleTimeout: 0,
  open: (socket: unknown) => {
    if (mode === 'push') setImmediate(() => pump(socket as BareSocket));
  },
  drain: (socket: unknown) => {
    if (mode === 'push') pump(socket as BareSocket);
  },
  message: (socket: unknown, message: ArrayBuffer) => {
    if (mode === 'echo') (socket as BareSocket).send(message, true, false);
  },
  close: (socket: unknown) => {
    closed.add(socket as BareSocket);
  },
} as never);
app.listen('127.0.0.1', 0, module.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
  if (socket === false) throw new Error('no port is free');
  reportPort(module.us_socket_local_port(socket), async () => {});
});
