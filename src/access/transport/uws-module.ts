/** The part of uWebSockets.js that the uws transport uses: its own types come with neither of its builds in a usable form. */

/** A WebSocket; every call after its `close` event throws. */
export interface UwsSocket<UserData> {
  /** Copies `message`. 1 = sent, 0 = buffered, 2 = dropped over `maxBackpressure`. */
  send(message: Uint8Array, isBinary: boolean, compress: boolean): number;
  ping(): number;
  /** Sends a close frame and calls `close` at once. */
  end(code: number, reason: string): void;
  /** Cuts the connection and calls `close` at once. */
  close(): void;
  cork(work: () => void): void;
  getBufferedAmount(): number;
  getRemoteAddress(): ArrayBuffer;
  getUserData(): UserData;
}

/** A response; every call after `onAborted` or the end throws. */
export interface UwsResponse {
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  end(body: Uint8Array, closeConnection: boolean): UwsResponse;
  /** Any argument, undefined too, would be written as a length. */
  endWithoutBody(): UwsResponse;
  /** [everything was written, the response is over]. */
  tryEnd(rest: Uint8Array, totalSize: number): [boolean, boolean];
  onWritable(handler: (offset: number) => boolean): UwsResponse;
  onAborted(handler: () => void): UwsResponse;
  /** The chunk is detached when the handler returns. */
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): UwsResponse;
  pause(): void;
  resume(): void;
  close(): UwsResponse;
  cork(work: () => void): UwsResponse;
  getRemoteAddress(): ArrayBuffer;
  upgrade<UserData>(
    userData: UserData,
    key: string,
    protocol: string,
    extensions: string,
    context: UwsSocketContext,
  ): void;
}

/** A request; readable only until its handler returns or first awaits. */
export interface UwsRequest {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  getQuery(): string | undefined;
  forEach(visit: (name: string, value: string) => void): void;
}

/** Opaque, passed from the upgrade handler to `upgrade`. */
export interface UwsSocketContext {
  readonly uwsSocketContext?: never;
}

/** Opaque. */
export interface UwsListenSocket {
  readonly uwsListenSocket?: never;
}

/** Settings and handlers of a WebSocket route. */
export interface UwsBehavior<UserData> {
  readonly compression: number;
  readonly maxPayloadLength: number;
  readonly maxBackpressure: number;
  readonly idleTimeout: number;
  readonly sendPingsAutomatically: boolean;
  upgrade(response: UwsResponse, request: UwsRequest, context: UwsSocketContext): void;
  open(socket: UwsSocket<UserData>): void;
  message(socket: UwsSocket<UserData>, message: ArrayBuffer, isBinary: boolean): void;
  ping(socket: UwsSocket<UserData>): void;
  drain(socket: UwsSocket<UserData>): void;
  close(socket: UwsSocket<UserData>, code: number, reason: ArrayBuffer): void;
}

/** An application: routes and a port. */
export interface UwsApp {
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  ws<UserData>(pattern: string, behavior: UwsBehavior<UserData>): UwsApp;
  listen(host: string, port: number, options: number, listening: (socket: UwsListenSocket | false) => void): UwsApp;
  /** Closes the port and every connection. */
  close(): UwsApp;
}

/** The module. */
export interface UwsModule {
  App(): UwsApp;
  us_listen_socket_close(socket: UwsListenSocket): void;
  us_socket_local_port(socket: UwsListenSocket): number;
  _cfg(setting: string): void;
  readonly DISABLED: number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
}

/** True for the module with a native `App`: the JavaScript imitation in one of its builds is not taken. */
export function isNativeUws(loaded: unknown): loaded is UwsModule {
  if (typeof loaded !== 'object' || loaded === null || !('App' in loaded)) return false;
  const functions = ['App', 'us_listen_socket_close', 'us_socket_local_port', '_cfg'];
  const numbers = ['DISABLED', 'LIBUS_LISTEN_EXCLUSIVE_PORT'];
  const members = new Map<string, unknown>(Object.entries(loaded));
  return functions.every((name) => isNative(members.get(name))) && numbers.every((name) => members.has(name));
}

function isNative(value: unknown): boolean {
  return typeof value === 'function' && Function.prototype.toString.call(value).includes('[native code]');
}
