/**
 * Fan-out: one path, one stream of edits of about 200 bytes, many subscribers, by `support/fan-out-client.c`. Closed loop: at most `WINDOW`
 * edits are not yet with everybody, the same for us and for every rival, so that nobody's buffers grow. Ours are durable before they are told.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Doc } from 'yjs';
import type { ClientMessage } from '../../protocol/messages.ts';
import { compile } from '../support/c-program.ts';
import { GAPS, runClient, shareOf, templateOf } from '../support/load-client.ts';
import { editOf, HELLO, UNANSWERED } from './edits.ts';
import type { Rate } from './pull.ts';

/** Edits that are under way. */
const WINDOW = 256;
/** Bytes of a rival's message; ours have at least as many with all that they tell. */
export const MESSAGE_BYTES = 200;
/** Makes an edit of ours as long as theirs. */
const NOTE = 'checked twice';
const CREDIT_BYTES = 4 * 2 ** 20;
const BINARY = 0x82;
const TEXT = 0x81;

/** Whom we are beside. */
export type FanOutRival = 'uws' | 'ws' | 'socketio' | 'hocuspocus';

/** Deliveries of one stream of edits, and the bytes of one. */
export interface FanOutRate extends Rate {
  readonly bytesEach: number;
}

/** Whether there is a C compiler for the client. */
export const hasFanOutClient = async (): Promise<boolean> => (await compile('fan-out-client')) !== undefined;

/** Ours. @throws where a subscriber does not get every edit once. */
export function measureOurFanOut(
  port: number,
  channel: string,
  subscribers: number,
  seconds: number,
): Promise<FanOutRate> {
  const subscribe: ClientMessage = {
    ...{ kind: 'SUBSCRIBE', id: 2, path: channel, epoch: null, after: null, win: CREDIT_BYTES },
  };
  const credit: ClientMessage = { kind: 'CREDIT', id: 0, grants: [[2, GAPS.S]] };
  const messages = [HELLO, subscribe, credit, editOf(channel, NOTE)].map(templateOf);
  return run(['bfly', port, subscribers, seconds, WINDOW, ...messages, UNANSWERED, CREDIT_BYTES]);
}

/** What a rival's clients say and hear. */
interface Dialect {
  readonly path: string;
  /** Said by each after it has connected. */
  readonly greeting: Buffer;
  /** A delivery has these bytes there, and is as long as that; 0 = any length. */
  readonly at: number;
  readonly pattern: string;
  readonly length: number;
  /** What sends an edit, each in one or several frames; a single one is sent again and again. */
  readonly edits: () => readonly Buffer[];
}

const MESSAGE = Buffer.alloc(MESSAGE_BYTES, 1);
const PLAIN: Dialect = {
  ...{ path: '/', greeting: Buffer.alloc(0), at: 0, pattern: '01', length: MESSAGE_BYTES },
  edits: () => [frameOf(BINARY, MESSAGE)],
};
/** Hocuspocus's frames: the document's name, the kind (0 sync, 2 auth), then y-protocols' message. */
const DOCUMENT = [4, ...Buffer.from('path')];
const [SYNC, UPDATE, AUTH] = [0, 2, 2];

const DIALECTS: Readonly<Record<FanOutRival, Dialect>> = {
  uws: PLAIN,
  ws: PLAIN,
  socketio: {
    ...PLAIN,
    path: '/socket.io/?EIO=4&transport=websocket',
    // Joins the namespace /.
    greeting: frameOf(TEXT, Buffer.from('40')),
    edits: () => [
      Buffer.concat([
        frameOf(TEXT, Buffer.from('451-["edit",{"_placeholder":true,"num":0}]')),
        frameOf(BINARY, MESSAGE),
      ]),
    ],
  },
  hocuspocus: {
    ...{ path: '/path', greeting: frameOf(BINARY, Buffer.from([...DOCUMENT, AUTH, 0, 0])) },
    ...{ at: 0, pattern: Buffer.from([...DOCUMENT, SYNC, UPDATE]).toString('hex'), length: 0 },
    edits: yjsUpdates,
  },
};

/** More than any of its servers fans out in a round. */
const YJS_UPDATES = 40_000;

function yjsUpdates(): Buffer[] {
  const doc = new Doc();
  const edits = doc.getMap<string>('edits');
  const frames: Buffer[] = [];
  doc.on('update', (update: Uint8Array) => {
    const length = update.length < 128 ? [update.length] : [(update.length & 127) | 128, update.length >> 7];
    frames.push(frameOf(BINARY, Buffer.from([...DOCUMENT, SYNC, UPDATE, ...length, ...update])));
  });
  const text = 'x'.repeat(166);
  for (let n = 0; n < YJS_UPDATES; n++) edits.set(`${n % 1_000}`, text);
  doc.destroy();
  return frames;
}

/** A frame as clients send it, with a mask of zeros. */
function frameOf(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const header = length > 125 ? [opcode, 0x80 | 126, length >> 8, length & 255] : [opcode, 0x80 | length];
  return Buffer.concat([Buffer.from([...header, 0, 0, 0, 0]), payload]);
}

/** A rival's. @throws where a subscriber does not get every edit once. */
export async function measureTheirFanOut(
  rival: FanOutRival,
  port: number,
  subscribers: number,
  seconds: number,
): Promise<FanOutRate> {
  const dialect = DIALECTS[rival];
  const folder = mkdtempSync(path.join(tmpdir(), 'bfly-bench-fan-out-'));
  const list = path.join(folder, 'frames');
  try {
    writeFileSync(list, Buffer.concat(dialect.edits().flatMap((frame) => [lengthOf(frame), frame])));
    const { at, pattern, length } = dialect;
    const words = [dialect.path, dialect.greeting.toString('hex'), at, pattern, length, list];
    return await run(['plain', port, subscribers, seconds, WINDOW, ...words]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function lengthOf(frame: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(frame.length);
  return length;
}

async function run(words: readonly (string | number)[]): Promise<FanOutRate> {
  const load = await runClient('fan-out-client', words);
  if (load === undefined) throw new Error('fan-out is measured by a client in C');
  const { bytes, frames, seconds } = load;
  return { perSecond: frames / seconds, clientShare: shareOf(load), bytesEach: bytes / frames };
}
