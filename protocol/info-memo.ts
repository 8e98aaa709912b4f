/** INFO as it comes again and again: a frame that ends in the same bytes as one that was read before names the same path. */
import { type ClientMessage, FrameType } from './messages.ts';

type Info = Extract<ClientMessage, { kind: 'INFO' }>;

/** Paths that are remembered, and the longest, bytes. */
const PLACES = 8;
const LONGEST = 256;
/** [INFO, id, path]: an array of three, and a type below 128. */
const HEAD = [0x93, FrameType.INFO] as const;

/** Remembers the last paths that were asked about. */
export class InfoMemo {
  /** Frames from their third field on, and the path that it says. */
  readonly #known: { readonly end: Uint8Array; readonly path: string }[] = [];
  #next = 0;

  /** Reads a frame that ends as one of those that were remembered; undefined: it has to be read as any other. */
  read(frame: Uint8Array): Info | undefined {
    if (frame[0] !== HEAD[0] || frame[1] !== HEAD[1]) return undefined;
    const start = endOfId(frame);
    if (start === 0) return undefined;
    for (const { end, path } of this.#known)
      if (endsWith(frame, start, end)) return { kind: 'INFO', id: idBefore(frame, start), path };
    return undefined;
  }

  /** Takes a note of a frame that was found to be right. Borrowed. */
  remember(frame: Uint8Array, { path }: Info): void {
    const start = frame[0] === HEAD[0] && frame[1] === HEAD[1] ? endOfId(frame) : 0;
    if (start === 0 || frame.length - start > LONGEST) return;
    this.#known[this.#next++ % PLACES] = { end: new Uint8Array(frame.subarray(start)), path };
  }
}

/** Bytes after the id by its token; 0 where the token is another than u8 to u32 take. */
function endOfId(frame: Uint8Array): number {
  const token = frame[2] as number;
  if (token < 0x80) return 3;
  return token === 0xcc ? 4 : token === 0xcd ? 5 : token === 0xce ? 7 : 0;
}

/** The id whose token ends there. */
function idBefore(frame: Uint8Array, end: number): number {
  let id = frame[end === 3 ? 2 : 3] as number;
  for (let at = 4; at < end; at++) id = id * 0x100 + (frame[at] as number);
  return id;
}

function endsWith(frame: Uint8Array, start: number, end: Uint8Array): boolean {
  if (frame.length - start !== end.length) return false;
  for (let i = end.length - 1; i >= 0; i--) if (frame[start + i] !== end[i]) return false;
  return true;
}
