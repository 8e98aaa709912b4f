/** A web server of a folder of volumes, as buckets and nginx are, that counts what it is asked and can be made to misbehave. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

/** One request that was made. */
export interface VolumeRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly range: string | undefined;
}

/** What a server does with a request instead of sending the file; undefined = sends the file. What it returns is not looked at. */
export type Misbehave = (request: VolumeRequest, response: ServerResponse) => unknown;

/** How the server is to be. */
export interface VolumeServerOptions {
  /** Status of files that are not there; default 404. */
  readonly missing?: number;
  /** Answers to Range are the whole file. */
  readonly ignoresRange?: boolean;
  /** Files are sent packed. */
  readonly gzips?: boolean;
  /** No ETag, no Last-Modified. */
  readonly bare?: boolean;
  /** Default: a free one. */
  readonly port?: number;
}

/** A server that listens on loopback. */
export class VolumeServer {
  readonly requests: VolumeRequest[] = [];
  misbehave: Misbehave | undefined;
  /** Changes the ETags of all files. */
  edition = 1;
  readonly #server: Server;
  readonly #folder: string;
  readonly #options: VolumeServerOptions;
  readonly #sockets = new Set<Socket>();
  /** Connections that were made. */
  connections = 0;

  constructor(folder: string, options: VolumeServerOptions = {}) {
    this.#folder = folder;
    this.#options = options;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on('connection', (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** Starts listening. */
  static async open(folder: string, options: VolumeServerOptions = {}): Promise<VolumeServer> {
    const server = new VolumeServer(folder, options);
    server.#server.listen(options.port ?? 0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Without a slash at its end. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Requests whose path ends so. */
  asked(ending: string): number {
    return this.requests.filter(({ url }) => url.split('?', 1)[0]?.endsWith(ending)).length;
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    const asked = { method, url, range: request.headers.range };
    this.requests.push(asked);
    if (this.misbehave?.(asked, response) !== undefined) return;
    const { missing = 404, ignoresRange = false, gzips = false, bare = false } = this.#options;
    const name = path.normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname));
    const file = await readFile(path.join(this.#folder, name)).catch(() => undefined);
    if (file === undefined) {
      response.writeHead(missing).end('there is no such file');
      return;
    }
    if (!bare) response.setHeader('etag', `"${this.edition}-${file.length}"`);
    const range = ignoresRange ? undefined : rangeOf(asked.range, file.length);
    if (range === 'outside') response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end();
    else if (range !== undefined) {
      const [from, to] = range;
      response
        .writeHead(206, { 'content-range': `bytes ${from}-${to}/${file.length}` })
        .end(file.subarray(from, to + 1));
    } else if (gzips) response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(file));
    else response.writeHead(200, { 'content-length': file.length }).end(method === 'HEAD' ? undefined : file);
  }
}

/** First and last byte. */
function rangeOf(header: string | undefined, length: number): [number, number] | 'outside' | undefined {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (from === undefined || to === undefined) return undefined;
  if (from === '') return [Math.max(0, length - Number(to)), length - 1];
  if (Number(from) >= length) return 'outside';
  return [Number(from), to === '' ? length - 1 : Math.min(length - 1, Number(to))];
}
