/** How the clients in C are started, and their messages, which are encoded here: C fills in numbers and knows no MessagePack. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { encodeClient } from '../../protocol/encode.ts';
import type { ClientMessage } from '../../protocol/messages.ts';
import { compile } from './c-program.ts';

/** What the client saw after its warm-up. */
export interface Load {
  /** Of TILE messages, of results, of messages pushed, of bodies. */
  readonly bytes: number;
  /** How many of those. */
  readonly frames: number;
  readonly seconds: number;
  /** Seconds of processor that the client used in this time. */
  readonly used: number;
}

/**
 * Values that stand for what the C client fills in, by the letter that stands for them in hex. Each is encoded in as many bytes
 * as the largest that may take its place.
 */
export const GAPS = {
  /** Id of the request. */
  I: 0xfeed_0001,
  /** Limits of the connection and of the stream. */
  L: 0x1f_eed0_0000_0002,
  S: 0x1f_eed0_0000_0003,
  /** A writer and the number of its edit. */
  W: new Uint8Array(16).fill(0xfe),
  Q: 0xfeed_0004,
  /** Two ids that differ. */
  X: 0xfeed_0005,
  Y: 0xfeed_0006,
} as const;

/** A client's message in hex, with letters where GAPS stand in it. */
export function templateOf(message: ClientMessage): string {
  let hex = Buffer.from(encodeClient(message)).toString('hex');
  for (const [letter, gap] of Object.entries(GAPS)) {
    const bytes = typeof gap === 'number' ? gap.toString(16).padStart(gap > 0xffff_ffff ? 16 : 8, '0') : hexOf(gap);
    hex = hex.replace(bytes, letter.repeat(bytes.length));
  }
  return hex;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Share of a core that a client used. */
export const shareOf = ({ used, seconds }: Load): number => used / seconds;

/**
 * Runs a C client; what `words` are is said in its source.
 *
 * @returns `undefined` where there is no C compiler.
 * @throws where a connection, a message or an answer was not as it should be.
 */
export async function runClient(
  name: 'load-client' | 'fan-out-client',
  words: readonly (string | number)[],
): Promise<Load | undefined> {
  const program = await compile(name);
  if (program === undefined) return undefined;
  const { stdout } = await promisify(execFile)(program, words.map(String));
  return JSON.parse(stdout) as Load;
}

/** Runs `load-client`. */
export function runLoadClient(
  mode: 'pull' | 'edits' | 'ask' | 'echo' | 'push' | 'http',
  port: number,
  connections: number,
  seconds: number,
  words: readonly (string | number)[],
): Promise<Load | undefined> {
  return runClient('load-client', [mode, port, connections, seconds, ...words]);
}
