/** The transport on uWebSockets.js, an optional package of native code. The only file that loads it. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describeFault } from './guarded-events.ts';
import { INTERNAL_ERROR, plainText, readHandshake, refuseRequest } from './http-head.ts';
import { freePort, listenError, resolveHost, whyNotListening } from './listen-address.ts';
import type { HttpResponse, Transport, TransportOptions, UpgradeRequest, UpgradeVerdict } from './transport.ts';
import { DEFAULT_TIMINGS, type TransportTimings } from './transport-timings.ts';
import { UwsConnection } from './uws-connection.ts';
import { UwsExchange } from './uws-http.ts';
import {
  isNativeUws,
  type UwsApp,
  type UwsBehavior,
  type UwsListenSocket,
  type UwsModule,
  type UwsRequest,
  type UwsResponse,
  type UwsSocketContext,
} from './uws-module.ts';

/**
 * Seconds without a sign of the peer until it is pinged, and cut off 16 s later: the longest that there is. The
 * session's own beats find a dead peer long before; this one also ends what `close` has left to uWebSockets.js: a peer
 * that got its close frame and never closes. Without a time limit (0) it would hold its socket for ever.
 */
const IDLE_S = 960;
/** How often a free port is looked for: somebody else may take it first. */
const PORT_ATTEMPTS = 5;
/** The build on npm that holds binaries for some versions of Node, and imitates them on others. */
const IMITATING_BUILD = '@trufflesuite/uws-js-unofficial';

/** uWebSockets.js, or why it cannot be had. */
export type LoadedUws =
  | { readonly module: UwsModule; readonly missing?: undefined }
  | { readonly module?: undefined; readonly missing: string };

/** Loads uWebSockets.js where its native code runs here; never its imitation in JavaScript, which is slower than ws. */
export function loadUws(): LoadedUws {
  const require = createRequire(import.meta.url);
  try {
    const loaded: unknown = require(nativeEntry(require));
    return isNativeUws(loaded) ? { module: loaded } : { missing: 'the installed uWebSockets.js is not native code' };
  } catch (error) {
    return { missing: whyNotLoaded(error) };
  }
}

/** What to require: the imitating build's binary itself, since its main file would warn and imitate. */
function nativeEntry(require: NodeJS.Require): string {
  const main = require.resolve('uWebSockets.js');
  for (let folder = dirname(main); folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (!existsSync(manifest)) continue;
    if (!readFileSync(manifest, 'utf8').includes(`"name": "${IMITATING_BUILD}"`)) return main;
    return join(folder, 'binaries', `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`);
  }
  return main;
}

function whyNotLoaded(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'MODULE_NOT_FOUND') return 'its native code does not load on this system';
  const installed = error instanceof Error && !error.message.includes("'uWebSockets.js'");
  return installed
    ? `it has no native code for ${process.platform} ${process.arch} and Node ${process.versions.node}`
    : 'it is not installed';
}

/** Makes a transport on uWebSockets.js. */
export function createUwsTransport(
  uws: UwsModule,
  options: TransportOptions,
  timings: TransportTimings = DEFAULT_TIMINGS,
): Transport {
  return new UwsTransport(uws, options, timings);
}

/** What uWebSockets.js keeps with a socket for us. */
interface SocketData {
  readonly verdict: UpgradeVerdict & { accept: true };
  connection?: UwsConnection<SocketData>;
}

class UwsTransport implements Transport {
  readonly kind = 'uws';
  readonly #uws: UwsModule;
  readonly #options: TransportOptions;
  readonly #closeMs: number;
  readonly #app: UwsApp;
  #listening: UwsListenSocket | undefined;
  #unfinished = 0;
  readonly #over = (): void => {
    this.#unfinished--;
  };

  constructor(uws: UwsModule, options: TransportOptions, timings: TransportTimings) {
    this.#uws = uws;
    this.#options = options;
    this.#closeMs = timings.closeMs;
    // No header that names uWebSockets.js and its version.
    uws._cfg('silent');
    this.#app = uws.App();
    this.#app.ws('/*', this.#behavior());
    this.#app.any('/*', (response, request) => this.#request(this.#exchange(response, request)));
  }

  get unfinished(): number {
    return this.#unfinished;
  }

  #exchange(response: UwsResponse, request: UwsRequest): UwsExchange {
    this.#unfinished++;
    return new UwsExchange(response, request, this.#over);
  }

  async listen(host: string, port: number): Promise<number> {
    const address = await resolveHost(host, port);
    // Not port 0: uWebSockets.js would not mark it for being used again at once after `close`.
    const socket = port === 0 ? await this.#listenAnywhere(address) : await this.#bind(address, port);
    if (socket === false) throw listenError(await whyNotListening(address, port), host, port);
    this.#listening = socket;
    return this.#uws.us_socket_local_port(socket);
  }

  #bind(address: string, port: number): Promise<UwsListenSocket | false> {
    return new Promise((resolve) => {
      this.#app.listen(address, port, this.#uws.LIBUS_LISTEN_EXCLUSIVE_PORT, resolve);
    });
  }

  async #listenAnywhere(address: string): Promise<UwsListenSocket | false> {
    for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
      const port = await freePort(address).catch(() => 0);
      const socket = port !== 0 && (await this.#bind(address, port));
      if (socket !== false) return socket;
    }
    return false;
  }

  stopListening(): void {
    if (this.#listening !== undefined) this.#uws.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
  }

  async close(): Promise<void> {
    this.stopListening();
    this.#app.close();
  }

  #behavior(): UwsBehavior<SocketData> {
    return {
      compression: this.#uws.DISABLED,
      maxPayloadLength: this.#options.maxMessageBytes,
      // Unlimited: over a limit messages and pongs would be dropped. The session looks at `bufferedBytes`.
      maxBackpressure: 0,
      idleTimeout: IDLE_S,
      sendPingsAutomatically: true,
      upgrade: (response, request, context) => this.#upgrade(response, request, context),
      open: (socket) => {
        const data = socket.getUserData();
        const connection = new UwsConnection(socket, this.#options.log, this.#closeMs);
        data.connection = connection;
        connection.onOpen(data.verdict.open);
      },
      message: (socket, bytes, isBinary) => socket.getUserData().connection?.onMessage(bytes, isBinary),
      ping: (socket) => socket.getUserData().connection?.onPing(),
      drain: (socket) => socket.getUserData().connection?.onDrain(),
      close: (socket, code, reason) => socket.getUserData().connection?.onClose(code, reason),
    };
  }

  #upgrade(response: UwsResponse, request: UwsRequest, context: UwsSocketContext): void {
    const exchange = this.#exchange(response, request);
    const handshake = readHandshake(exchange.method, (name) => exchange.header(name));
    // A WebSocket's key alone makes no handshake.
    if (handshake.kind !== 'offer' || this.#refusal(exchange) !== undefined) this.#request(exchange);
    else void this.#judge(exchange, handshake, context);
  }

  async #judge(
    exchange: UwsExchange,
    { key, protocols }: { readonly key: string; readonly protocols: readonly string[] },
    context: UwsSocketContext,
  ): Promise<void> {
    const { handlers, log } = this.#options;
    const { path, query, remoteAddress } = exchange;
    const request: UpgradeRequest = { path, query, remoteAddress, protocols, header: (name) => exchange.header(name) };
    let verdict: UpgradeVerdict;
    try {
      verdict = await handlers.upgrade(request);
    } catch (fault) {
      log.error({ fault: describeFault(fault) }, 'the upgrade handler threw');
      verdict = { accept: false, response: INTERNAL_ERROR };
    }
    if (!verdict.accept) return exchange.answer(verdict.response, true);
    const chosen = verdict.protocol !== undefined && protocols.includes(verdict.protocol) ? verdict.protocol : '';
    const data: SocketData = { verdict };
    if (exchange.upgrade((response) => response.upgrade(data, key, chosen, '', context))) return;
    try {
      verdict.aborted?.();
    } catch (fault) {
      log.error({ fault: describeFault(fault) }, 'the handler of an aborted upgrade threw');
    }
  }

  #refusal(exchange: UwsExchange): HttpResponse | undefined {
    if (exchange.ambiguous) return plainText(400, 'Host and Content-Length must come once');
    return refuseRequest(exchange.method, exchange.path + (exchange.query === '' ? '' : `?${exchange.query}`));
  }

  #request(exchange: UwsExchange): void {
    const refusal = this.#refusal(exchange);
    if (refusal !== undefined) return exchange.answer(refusal, true);
    const handshake = readHandshake(exchange.method, (name) => exchange.header(name));
    if (handshake.kind === 'refused') return exchange.answer(handshake.response, true);
    const { method, path, query, remoteAddress } = exchange;
    try {
      const answer = this.#options.handlers.http({
        method,
        path,
        query,
        remoteAddress,
        header: (name) => exchange.header(name),
        body: (maxBytes) => exchange.body(maxBytes),
      });
      if (!(answer instanceof Promise)) return exchange.answer(answer);
      answer.then(
        (late) => exchange.answer(late),
        (fault: unknown) => this.#failed(exchange, fault),
      );
    } catch (fault) {
      this.#failed(exchange, fault);
    }
  }

  #failed(exchange: UwsExchange, fault: unknown): void {
    this.#options.log.error({ method: exchange.method, fault: describeFault(fault) }, 'a request handler threw');
    exchange.answer(INTERNAL_ERROR);
  }
}
