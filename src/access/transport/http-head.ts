/** What both transports hold to about heads of requests and responses. */
import { STATUS_CODES } from 'node:http';
import type { HttpResponse } from './transport.ts';

/** Methods that reach the handlers; others are answered with 501. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Headers that the transport itself writes: a handler's are left out. */
const OWNED: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive', 'date']);

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Every response may be read by pages of any origin: one that a browser hides from its page tells nobody what is wrong. */
const ANY_ORIGIN = { 'access-control-allow-origin': '*' };

/** Makes a small response of plain text. */
export function plainText(status: number, text: string, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  const type = { 'content-type': 'text/plain; charset=utf-8' };
  return { status, headers: { ...ANY_ORIGIN, ...type, ...headers }, body: `${text}\n` };
}

const NO_BYTES = new Uint8Array(0);

/** The answer where a handler threw. */
export const INTERNAL_ERROR: HttpResponse = plainText(500, 'internal error');

/** A response, checked and ready to be written. */
export interface PreparedResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  /** Content-Length for a HEAD. */
  readonly length: number;
  /** 204 and 304 have neither a body nor a Content-Length. */
  readonly bodyless: boolean;
}

/**
 * Checks a response: an impossible status becomes 500, header names that are none are left out, and whatever could
 * split a header line or is not ASCII becomes '?'.
 */
export function prepareResponse(response: HttpResponse): PreparedResponse {
  const possible = Number.isInteger(response.status) && response.status >= 200 && response.status <= 599;
  const { status, headers, body = '' } = possible ? response : INTERNAL_ERROR;
  const bodyless = status === 204 || status === 304;
  const sent: (readonly [string, string])[] = [];
  for (const name in headers) if (isSendable(name)) sent.push([name, headerValue(headers[name] as string)]);
  const bytes = bodyless ? NO_BYTES : typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
  const length = possible ? (response.length ?? bytes.length) : bytes.length;
  return { status, statusText: STATUS_CODES[status] ?? 'Unknown', headers: sent, body: bytes, length, bodyless };
}

/** Names that were looked at: answers have the same few again and again. */
const sendable = new Map<string, boolean>();
const MAX_SENDABLE = 200;

function isSendable(name: string): boolean {
  const known = sendable.get(name);
  if (known !== undefined) return known;
  const isFine = TOKEN.test(name) && !OWNED.has(name.toLowerCase());
  if (sendable.size < MAX_SENDABLE) sendable.set(name, isFine);
  return isFine;
}

/** A value that cannot end its header line. */
export function headerValue(value: string): string {
  return /[^\t\x20-\x7e]/.test(value) ? value.replace(/[^\t\x20-\x7e]/g, '?') : value;
}

/** Splits a request's target; undefined where it is not a path of printable ASCII. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } | undefined {
  if (!/^\/[\x21-\x7e]*$/.test(target)) return undefined;
  const mark = target.indexOf('?');
  return mark < 0 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** Refuses what no handler shall see; undefined = go on. */
export function refuseRequest(method: string, target: string): HttpResponse | undefined {
  if (!METHODS.has(method)) return plainText(501, 'this method is not implemented');
  if (splitTarget(target) === undefined) return plainText(400, 'the target must be a percent-encoded path');
  return undefined;
}

/** What a request is, as far as WebSockets go. */
export type Handshake =
  | { readonly kind: 'plain' }
  | { readonly kind: 'refused'; readonly response: HttpResponse }
  | { readonly kind: 'offer'; readonly key: string; readonly protocols: readonly string[] };

/** Reads the opening handshake. Source: RFC 6455, 4.2.1. */
export function readHandshake(method: string, header: (name: string) => string | undefined): Handshake {
  const upgrades = listOf(header('connection')).some((token) => token.toLowerCase() === 'upgrade');
  if (method !== 'GET' || !upgrades || header('upgrade')?.toLowerCase() !== 'websocket') return { kind: 'plain' };
  const version = header('sec-websocket-version');
  if (version !== '13') {
    const headers = { 'sec-websocket-version': '13', upgrade: 'websocket' };
    return { kind: 'refused', response: plainText(426, 'Sec-WebSocket-Version must be 13', headers) };
  }
  const key = header('sec-websocket-key');
  if (key === undefined || !/^[+/0-9A-Za-z]{22}==$/.test(key)) {
    return { kind: 'refused', response: plainText(400, 'Sec-WebSocket-Key must be 16 bytes in base64') };
  }
  const protocols = listOf(header('sec-websocket-protocol'));
  if (protocols.some((name) => !TOKEN.test(name)) || new Set(protocols).size !== protocols.length) {
    return { kind: 'refused', response: plainText(400, 'Sec-WebSocket-Protocol must be a list of distinct tokens') };
  }
  return { kind: 'offer', key, protocols };
}

function listOf(value: string | undefined): readonly string[] {
  return value === undefined || value.trim() === '' ? [] : value.split(',').map((item) => item.trim());
}
