/** Plain HTTP of the ws transport, on Node's own server. */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BflyError } from '../../../protocol/errors.ts';
import type { Logger } from '../../utility/log.ts';
import { describeFault } from './guarded-events.ts';
import { INTERNAL_ERROR, plainText, prepareResponse, refuseRequest, splitTarget } from './http-head.ts';
import { plainAddress } from './remote-address.ts';
import type { HttpRequest, HttpResponse, TransportHandlers } from './transport.ts';

/** What an answer needs besides the request. */
export interface NodeHttpContext {
  readonly handlers: TransportHandlers;
  readonly log: Logger;
  readonly stalledMs: number;
}

/** Parts of a request that an upgrade and a plain request share. */
export function readHead(request: IncomingMessage): Omit<HttpRequest, 'method' | 'body'> {
  const target = splitTarget(request.url ?? '') ?? { path: '', query: '' };
  return {
    ...target,
    remoteAddress: plainAddress(request.socket.remoteAddress),
    header: (name) => {
      const value = request.headers[name];
      return typeof value === 'string' ? value : value?.join(', ');
    },
  };
}

/** Lets the handlers answer a plain request: before the call returns where they do. */
export function answerRequest(request: IncomingMessage, response: ServerResponse, context: NodeHttpContext): void {
  // Without a listener a reset connection would end the process.
  request.on('error', () => {});
  const write = (answer: HttpResponse): void => writeResponse(request, response, answer, context.stalledMs);
  const failed = (fault: unknown): void => {
    context.log.error({ method: request.method, fault: describeFault(fault) }, 'a request handler threw');
    write(INTERNAL_ERROR);
  };
  const refusal = refuseRequest(request.method ?? '', request.url ?? '');
  if (refusal !== undefined) return write(refusal);
  let answer: HttpResponse | Promise<HttpResponse>;
  try {
    answer = context.handlers.http(requestOf(request));
  } catch (fault) {
    return failed(fault);
  }
  if (answer instanceof Promise) answer.then(write).catch(failed);
  else write(answer);
}

function requestOf(request: IncomingMessage): HttpRequest {
  let body: Promise<Uint8Array> | undefined;
  return {
    method: request.method ?? '',
    ...readHead(request),
    body: (maxBytes) => {
      if (body === undefined) {
        body = readBody(request, maxBytes);
        // A handler that answers without waiting for it shall not end the process when the client goes away.
        body.catch(() => {});
      }
      return body;
    },
  };
}

/**
 * Answers a request whose socket Node has already given away because it asked for an upgrade, then closes it.
 * Such a request has no readable body.
 */
export function responseOnSocket(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  socket.once('timeout', () => socket.destroy());
  // The socket stays with the response: that closes with it, as every response does.
  response.on('finish', () => socket.destroySoon());
  return response;
}

/** Writes a whole response; where the client has gone, it is over at once. */
export function writeResponse(
  request: IncomingMessage,
  response: ServerResponse,
  answer: HttpResponse,
  stalledMs: number,
): void {
  const { onOver } = answer;
  if (response.destroyed || response.writableEnded || request.socket.destroyed) return onOver?.();
  if (onOver !== undefined) response.once('close', onOver);
  const { status, statusText, headers, body, length, bodyless } = prepareResponse(answer);
  // Node's server destroys a socket that times out, and sets the time anew when the response is finished.
  request.socket.setTimeout(stalledMs);
  for (const [name, value] of headers) response.setHeader(name, value);
  if (!bodyless) response.setHeader('content-length', request.method === 'HEAD' ? length : body.length);
  response.writeHead(status, statusText);
  if (request.method === 'HEAD' || bodyless) response.end();
  else response.end(body);
}

/** True where a request announces a body. */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) !== 0);
}

/** The answer to a body that comes with an upgrade which is none of ours: nobody can read it. */
export const UNREADABLE_BODY: HttpResponse = plainText(400, 'a request that asks for an upgrade must have no body');

function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = new BflyError('TOO_LARGE', `the request body must be at most ${maxBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLarge);
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const gone = (): void => reject(new BflyError('CANCELLED', 'the client went away before its request was complete'));
    if (request.destroyed && !request.complete) {
      gone();
      return;
    }
    request.once('close', gone);
    request.once('end', () => resolve(joined(chunks, length)));
    request.on('data', (chunk: Uint8Array) => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
      else {
        // The rest is read and dropped, so that the client gets to read the answer.
        chunks.length = 0;
        reject(tooLarge);
      }
    });
  });
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
