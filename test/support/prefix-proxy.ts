/** A reverse proxy that serves a server below a prefix of paths, and takes the prefix off, as `location /bfly/ { proxy_pass http://…/; }` does. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** A proxy that listens. */
export interface PrefixProxy {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Listens on a free loopback port.
 *
 * @param prefix begins and ends with a slash; every other path is 404.
 * @param target loopback port of the server, which is told the proxy's own name for it as Host.
 */
export async function openPrefixProxy(prefix: string, target: number): Promise<PrefixProxy> {
  const host = `127.0.0.1:${target}`;
  const sockets = new Set<Socket | Duplex>();
  const pathOf = ({ url = '' }: IncomingMessage): string | undefined =>
    url.startsWith(prefix) ? url.slice(prefix.length - 1) : undefined;
  const server = createServer((from, to) => {
    const path = pathOf(from);
    if (path === undefined) return void to.writeHead(404).end();
    const headers = { ...from.headers, host };
    const onward = request({ port: target, host: '127.0.0.1', path, method: from.method, headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(to);
    });
    onward.on('error', () => to.destroy());
    from.pipe(onward);
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.on('upgrade', (from, client, head) => {
    const path = pathOf(from);
    if (path === undefined) return void client.end('HTTP/1.1 404 Not Found\r\n\r\n');
    const onward = connect({ port: target, host: '127.0.0.1' });
    sockets.add(onward);
    const lines = Object.entries({ ...from.headers, host }).map(([name, value]) => `${name}: ${value}\r\n`);
    onward.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    onward.write(head);
    for (const [one, other] of [
      [onward, client],
      [client, onward],
    ] as const) {
      one.on('error', () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
