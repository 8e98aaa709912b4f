/**
 * The edits of a path as they travel to subscribers: pieces of the log of at most 64 KiB, encoded once for all.
 *
 * A piece is kept as a whole EDITS frame whose first 27 bytes are written anew for each subscriber: rule [S6].
 */
import { EDITS_PREFIX_BYTES } from '../../../protocol/edits-frame.ts';
import { pack, unpack } from '../../../protocol/msgpack.ts';
import type { EditLog } from './edit-log.ts';
import { authorPart, decodeRecord, privatePartOf, publicPartOf } from './edit-record.ts';
import type { CommittedBatch, LoggedRecord } from './edit-request.ts';
import type { StoredEdit } from './log-reader.ts';

/** Some edits of the log, ready to be sent. */
export interface EditPiece {
  /** It covers (from, upto]. */
  readonly from: number;
  readonly upto: number;
  /** 1: the last edit's `parted` goes on in the next piece. */
  readonly flags: number;
  /** The EDITS frame; its first 27 bytes may be written over by whoever sends it. */
  readonly frame: Uint8Array;
  /** Names of the writers in it, see `nameOf`. */
  readonly writers: ReadonlySet<string>;
  /** Further pieces of the same, only, edit. */
  readonly rest: readonly EditPiece[];
}

/** An EDITS is at most this large unless one edit alone is larger. Rule [S7]. */
const MAX_PIECE_BYTES = 64 * 1024;
/** Members of a body in one piece of an edit that is cut. */
const PARTED_BYTES = 48 * 1024;
/** Pieces that were sent last and are kept, bytes. */
const RECENT_BYTES = 4 * 1024 * 1024;
/** Decoded edits of the last batches that are kept, as bytes of their encoded form. */
const DECODED_BYTES = 1024 * 1024;
/** Edits that are read from the store at once, at most. */
const PAGE = 256;

/** Batches after the last time that pieces, or decoded edits, were asked for: they are made for those who ask. */
const WANTED_BATCHES = 64;

/** A writer's id as a key of sets. */
export function nameOf(wid: Uint8Array): string {
  return Buffer.from(wid.buffer, wid.byteOffset, wid.length).toString('latin1');
}

interface Edit {
  readonly seq: number;
  readonly publicPart: Uint8Array;
  readonly wid: Uint8Array;
}

/** Pieces of one path's log. */
export class EditFeed {
  readonly #log: EditLog;
  /** Pieces by `from`, oldest first. */
  readonly #recent = new Map<number, EditPiece>();
  #recentBytes = 0;
  /** Batches of which pieces are made before anybody asks: as long as somebody does. */
  #followed = 0;
  /** Edits that became durable last, gapless: subscribers with a filter do not decode them again. */
  #decoded: { readonly record: LoggedRecord; readonly bytes: number }[] = [];
  #decodedBytes = 0;
  /** Batches for which edits are kept so: as long as somebody asks. */
  #wanted = 0;

  constructor(log: EditLog) {
    this.#log = log;
    log.onCommit((batch) => this.#take(batch));
  }

  /** The piece that begins behind `after`; undefined at the head. Shared. */
  next(after: number): EditPiece | undefined {
    this.#followed = WANTED_BATCHES;
    const { head, reader } = this.#log;
    if (after >= head) return undefined;
    const recent = this.#recent.get(after);
    if (recent !== undefined) return recent;
    const edits = reader.page(after, PAGE, head, MAX_PIECE_BYTES).map(storedEdit);
    return firstPiece(edits, after);
  }

  /**
   * The same piece for someone who wrote some of it: those edits have `wid` and `wseq`. Owned.
   *
   * @param isOwn tells by a writer's name.
   */
  forAuthor(piece: EditPiece, isOwn: (writer: string) => boolean): EditPiece {
    const edits = this.#log.reader.page(piece.from, piece.upto - piece.from, piece.upto).map(({ seq, value }) => {
      const { wid, wseq } = privatePartOf(value);
      const publicPart = publicPartOf(value);
      return { seq, wid, publicPart: isOwn(nameOf(wid)) ? authorPart(publicPart, wid, wseq) : publicPart };
    });
    return firstPiece(edits, piece.from, Number.POSITIVE_INFINITY) ?? piece;
  }

  /** Keeps the edits of the next batches decoded. */
  want(): void {
    this.#wanted = WANTED_BATCHES;
  }

  /** Whole edits of (after, upto], for subscribers with a filter: at most a piece's worth, decoded one by one. Shared. */
  *records(after: number, upto: number): Generator<LoggedRecord, undefined> {
    this.want();
    let bytes = 0;
    for (const edit of this.#encoded(after, Math.min(upto, this.#log.head))) {
      bytes += edit.bytes;
      if (bytes > edit.bytes && bytes > MAX_PIECE_BYTES) return undefined;
      yield edit.decode();
    }
    return undefined;
  }

  *#encoded(after: number, upto: number): Generator<{ readonly bytes: number; decode(): LoggedRecord }> {
    const first = this.#decoded[0]?.record.seq;
    const at = first === undefined ? -1 : after + 1 - first;
    if (at < 0 || at >= this.#decoded.length) {
      for (const { value } of this.#log.reader.page(after, PAGE, upto, MAX_PIECE_BYTES))
        yield { bytes: value.length, decode: () => decodeRecord(value) };
      return;
    }
    for (const { bytes, record } of this.#decoded.slice(at, at + upto - after)) yield { bytes, decode: () => record };
  }

  #take({ from, records, publicParts }: CommittedBatch): void {
    this.#remember(records, publicParts);
    if (this.#followed === 0) return;
    this.#followed--;
    let edits = publicParts.map((publicPart, i): Edit => {
      const { seq, wid } = records[i] as LoggedRecord;
      return { seq, publicPart, wid };
    });
    for (let after = from; edits.length > 0; ) {
      const piece = firstPiece(edits, after);
      if (piece === undefined) break;
      this.#keep(piece);
      edits = edits.slice(piece.upto - after);
      after = piece.upto;
    }
  }

  #remember(records: readonly LoggedRecord[], publicParts: readonly Uint8Array[]): void {
    if (this.#wanted === 0) {
      this.#decoded = [];
      this.#decodedBytes = 0;
      return;
    }
    this.#wanted--;
    for (const [i, { seq, time, user, wid, wseq, ops, results, changes, note, chk }] of records.entries()) {
      // Nothing else that hangs on the record is kept with it.
      const record = {
        seq,
        time,
        user,
        wid,
        wseq,
        ops,
        results,
        changes,
        chk,
        ...(note === undefined ? {} : { note }),
      };
      const { length: bytes } = publicParts[i] as Uint8Array;
      this.#decoded.push({ record, bytes });
      this.#decodedBytes += bytes;
    }
    let gone = 0;
    while (this.#decodedBytes > DECODED_BYTES && gone < this.#decoded.length)
      this.#decodedBytes -= (this.#decoded[gone++] as { readonly bytes: number }).bytes;
    if (gone > 0) this.#decoded = this.#decoded.slice(gone);
  }

  #keep(piece: EditPiece): void {
    this.#recent.set(piece.from, piece);
    this.#recentBytes += sizeOf(piece);
    for (const [from, oldest] of this.#recent) {
      if (this.#recentBytes <= RECENT_BYTES || from === piece.from) break;
      this.#recent.delete(from);
      this.#recentBytes -= sizeOf(oldest);
    }
  }
}

const sizeOf = (piece: EditPiece): number =>
  piece.rest.reduce((sum, { frame }) => sum + frame.length, piece.frame.length);

function storedEdit({ seq, value }: StoredEdit): Edit {
  return { seq, publicPart: publicPartOf(value), wid: privatePartOf(value).wid };
}

/** One edit, as its map is told to somebody: in pieces where it is large. Owned. */
export function pieceOf(seq: number, edit: object, wid: Uint8Array): EditPiece {
  return firstPiece([{ seq, publicPart: pack(edit).slice(), wid }], seq - 1) as EditPiece; // there is an edit
}

/** As many edits as fit a piece. */
function firstPiece(edits: readonly Edit[], from: number, maxBytes = MAX_PIECE_BYTES): EditPiece | undefined {
  const [first] = edits;
  if (first === undefined) return undefined;
  if (first.publicPart.length > MAX_PIECE_BYTES && edits.length >= 1) {
    const cut = cutEdit(first, from);
    if (cut !== undefined) return cut;
  }
  let bytes = 0;
  let count = 0;
  for (const { publicPart } of edits) {
    if (count > 0 && bytes + publicPart.length > maxBytes) break;
    bytes += publicPart.length;
    count++;
  }
  const some = edits.slice(0, count);
  return makePiece(
    some.map(({ publicPart }) => publicPart),
    from,
    (some[count - 1] as Edit).seq,
    new Set(some.map(({ wid }) => nameOf(wid))),
  );
}

function makePiece(
  parts: readonly Uint8Array[],
  from: number,
  upto: number,
  writers: ReadonlySet<string>,
  flags = 0,
  rest: readonly EditPiece[] = [],
): EditPiece {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const head = arrayHead(parts.length);
  const frame = new Uint8Array(EDITS_PREFIX_BYTES + head.length + bytes);
  frame.set(head, EDITS_PREFIX_BYTES);
  let at = EDITS_PREFIX_BYTES + head.length;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return { from, upto, flags, frame, writers, rest };
}

/** MessagePack's head of an array. */
function arrayHead(length: number): Uint8Array {
  return length < 16 ? Uint8Array.of(0x90 | length) : Uint8Array.of(0xdc, length >> 8, length & 0xff);
}

/** An edit that moved very many ids, in pieces: the first holds all of it but most of `parted`. Undefined where that would not help. */
function cutEdit({ seq, publicPart, wid }: Edit, from: number): EditPiece | undefined {
  const edit = unpack(publicPart) as { readonly changes: { readonly parted?: readonly [unknown, Uint8Array][] } };
  const parted = edit.changes.parted ?? [];
  const bytes = parted.reduce((sum, [, members]) => sum + members.length, 0);
  if (bytes < PARTED_BYTES) return undefined;
  const groups = cutParted(parted);
  const writers = new Set([nameOf(wid)]);
  const [first = [], ...others] = groups;
  const rest = others.map((group, i) => {
    const part = pack({ seq, changes: { parted: group } }).slice();
    return makePiece([part], from, seq, writers, i === others.length - 1 ? 0 : 1);
  });
  const whole = pack({ ...edit, changes: { ...edit.changes, parted: first } }).slice();
  return makePiece([whole], from, seq, writers, rest.length > 0 ? 1 : 0, rest);
}

/** Rows of `parted` in groups of so many bytes; a body that is cut stands in several with the same root. */
function cutParted(parted: readonly [unknown, Uint8Array][]): [unknown, Uint8Array][][] {
  const groups: [unknown, Uint8Array][][] = [[]];
  let room = PARTED_BYTES;
  for (const [root, members] of parted)
    for (let at = 0; at < members.length; ) {
      if (room < 8) {
        groups.push([]);
        room = PARTED_BYTES;
      }
      const end = Math.min(members.length, at + room - (room % 8));
      groups[groups.length - 1]?.push([root, members.subarray(at, end)]);
      room -= end - at;
      at = end;
    }
  return groups;
}
