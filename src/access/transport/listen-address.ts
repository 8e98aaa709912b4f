/** Where a transport may listen, and why it could not. */
import { lookup } from 'node:dns/promises';
import { BlockList, createServer, isIP } from 'node:net';
import { BflyError } from '../../../protocol/errors.ts';

/**
 * Resolves a host name as Node does, so that both transports bind the same address.
 *
 * @throws BflyError UNAVAILABLE where the port is none or the host has no address.
 */
export async function resolveHost(host: string, port: number): Promise<string> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new BflyError('UNAVAILABLE', `port ${port} is not a port, choose one of 0..65535 with --port`);
  }
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw listenError('ENOTFOUND', host, port, cause);
  }
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether an address, which is no name, is reached from this machine only. */
export function isLoopback(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && LOOPBACK.check(address, version === 6 ? 'ipv6' : 'ipv4');
}

/** The sentence for an error code of `listen`. */
export function listenError(code: string, host: string, port: number, cause?: unknown): BflyError {
  return new BflyError('UNAVAILABLE', sentence(code, host, port), { cause });
}

function sentence(code: string, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} is in use, choose another with --port`;
    case 'EACCES':
    case 'EPERM':
      return `port ${port} may not be taken by this user, choose one above 1023 with --port`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL':
      return `host ${host} is no address of this machine, choose another with --host`;
    default:
      return `cannot listen on port ${port} of host ${host} (${code}), choose others with --host and --port`;
  }
}

/** Error code of a failed system call, 'UNKNOWN' if it has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN';
}

/** A port that is free now. */
export function freePort(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen({ host: address, port: 0, exclusive: true }, () => {
      const bound = probe.address();
      probe.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : 0));
    });
  });
}

/**
 * Makes sure that a port can be had before much work is done for it. Port 0 always can.
 *
 * @throws BflyError UNAVAILABLE saying why not.
 */
export async function checkListening(host: string, port: number): Promise<void> {
  const address = await resolveHost(host, port);
  await new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (cause) => reject(listenError(errorCode(cause), host, port, cause)));
    probe.listen({ host: address, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}

/** Why `address` and `port` cannot be had, found by trying: uWebSockets.js says only that they cannot. */
export function whyNotListening(address: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error) => resolve(errorCode(error)));
    // It went well this time: somebody held the port a moment ago.
    probe.listen({ host: address, port, exclusive: true }, () => probe.close(() => resolve('EADDRINUSE')));
  });
}
