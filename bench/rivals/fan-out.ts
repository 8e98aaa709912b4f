/**
 * Rivals of fan-out, each as its own documentation has it: what one client sends, all get. Argument: `uws` (bare uWebSockets.js publish),
 * `ws` (a loop over `ws`), `socketio` (Socket.IO 4), `hocuspocus` (Hocuspocus, Yjs). None of them keeps anything.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server as Hocuspocus } from '@hocuspocus/server';
import { Server as SocketIo } from 'socket.io';
import { type WebSocket, WebSocketServer } from 'ws';
import { loadUws } from '../../src/access/transport/uws-transport.ts';
import { reportPort } from '../support/child.ts';

const KINDS: Readonly<Record<string, () => Promise<number>>> = {
  uws: serveUws,
  ws: serveWs,
  socketio: serveSocketIo,
  hocuspocus: serveHocuspocus,
};

async function serveUws(): Promise<number> {
  const { module } = loadUws();
  if (module === undefined) throw new Error('uWebSockets.js does not load here');
  // Our own types of uWebSockets.js hold only what the server uses.
  const app = module.App() as ReturnType<typeof module.App> & {
    publish(topic: string, message: ArrayBuffer, isBinary: boolean, compress: boolean): boolean;
  };
  app.ws('/*', {
    ...{ compression: 0, maxBackpressure: 0, idleTimeout: 0, maxPayloadLength: 1024 * 1024 },
    open: (socket: unknown) => (socket as { subscribe(topic: string): void }).subscribe('edits'),
    message: (_socket: unknown, message: ArrayBuffer) => {
      app.publish('edits', message, true, false);
    },
  } as never);
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, module.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      if (socket === false) reject(new Error('no port is free'));
      else resolve(module.us_socket_local_port(socket));
    });
  });
}

async function serveWs(): Promise<number> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  const all = new Set<WebSocket>();
  server.on('connection', (socket) => {
    all.add(socket);
    socket.on('close', () => all.delete(socket));
    socket.on('error', () => {});
    socket.on('message', (message) => {
      for (const other of all) other.send(message);
    });
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as AddressInfo).port;
}

async function serveSocketIo(): Promise<number> {
  const http = createServer();
  const io = new SocketIo(http, { transports: ['websocket'], perMessageDeflate: false });
  io.on('connection', (socket) => {
    socket.on('edit', (edit: Buffer) => io.emit('edit', edit));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return (http.address() as AddressInfo).port;
}

async function serveHocuspocus(): Promise<number> {
  const server = new Hocuspocus({ address: '127.0.0.1', port: 0, quiet: true, stopOnSignals: false });
  await server.listen();
  return server.address.port;
}

const [kind = 'uws'] = process.argv.slice(2);
const port = await (KINDS[kind] ?? serveUws)();
reportPort(port, async () => {});
