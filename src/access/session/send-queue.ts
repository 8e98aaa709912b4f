/**
 * What waits to be sent to one client, in which order, under which credit. Rules [D11]..[D18].
 *
 * Nothing is queued as bytes: a stream is asked for its next frame only when the socket, the connection's credit and the
 * stream's own credit have room for it. Replies and errors do not pass here; they are sent when they are made.
 */
import { FRAME, SOCKET_BUFFER_HIGH } from '../../../protocol/limits.ts';
import type { Connection } from '../transport/transport.ts';

/** What came of asking a stream for a frame. */
export type Step =
  /** A frame of so many bytes was sent. */
  | number
  /** The stream waits for a tile and calls `wake` when it has it. */
  | 'waiting'
  /** The stream has sent its last frame and is gone. */
  | 'ended';

/** Something that sends TILE frames: a pull or a cutout. */
export interface Stream {
  readonly id: number;
  /** 0 = most urgent, 7 = least. */
  urgency: number;
  /** Sends the next frame. Called only while there is credit, or when `atEnd`. */
  step(): Step;
  /** Ends with an ERROR: `step` threw, which is a fault of ours. */
  fail(error: unknown): void;
  /** Whether only END or ERROR is left to send, which takes no credit. */
  atEnd(): boolean;
}

interface Lane {
  readonly stream: Stream;
  /** Bytes sent, and bytes that the client accepts, since the stream began. */
  sent: number;
  limit: number;
  waiting: boolean;
  /** Deficit round-robin: bytes that this stream may still send in its turn. */
  deficit: number;
}

/** Bytes of a turn. */
const QUANTUM_BYTES = 64 * 1024;
const URGENCIES = 8;

/** Sends frames of streams in order of urgency, equals in turn, as credit allows. */
export class SendQueue {
  readonly #connection: Connection;
  readonly #lanes = new Map<number, Lane>();
  /** Grants for streams that are announced and not added yet. */
  readonly #early = new Map<number, number>();
  /** Lanes by urgency; the first of each is the one whose turn it is. */
  readonly #rings: Lane[][] = Array.from({ length: URGENCIES }, () => []);
  #sent = 0;
  #limit: number;
  #pumping = false;
  #again = false;

  constructor(connection: Connection, windowBytes: number) {
    this.#connection = connection;
    this.#limit = windowBytes;
  }

  /** Streams that are announced or under way. */
  get size(): number {
    return this.#lanes.size + this.#early.size;
  }

  /** Announces a stream that will be added: what the client grants it until then is kept. Ends with `add` or `remove`. */
  expect(id: number): void {
    this.#early.set(id, 0);
  }

  /** Adds a stream with a first credit of `windowBytes`; it is asked for frames from the next `pump` on. */
  add(stream: Stream, windowBytes: number): void {
    const limit = Math.max(windowBytes, this.#early.get(stream.id) ?? 0);
    this.#early.delete(stream.id);
    const lane: Lane = { stream, sent: 0, limit, waiting: false, deficit: 0 };
    this.#lanes.set(stream.id, lane);
    this.#ring(stream.urgency).push(lane);
    this.#endIfOver(lane);
  }

  /** Takes a stream out; unknown ids are no fault. */
  remove(id: number): void {
    this.#early.delete(id);
    const lane = this.#lanes.get(id);
    if (lane === undefined) return;
    this.#lanes.delete(id);
    this.#leaveRing(lane);
  }

  /** Changes a stream's urgency. */
  reprioritise(id: number, urgency: number): void {
    const lane = this.#lanes.get(id);
    if (lane === undefined || lane.stream.urgency === urgency) return;
    this.#leaveRing(lane);
    lane.stream.urgency = urgency;
    lane.deficit = 0;
    this.#ring(urgency).push(lane);
  }

  /** Takes a grant: bytes accepted since the beginning, of a stream or (id 0) of the connection. Lower and late ones do no harm. */
  grant(id: number, bytes: number): void {
    if (id === 0) {
      this.#limit = Math.max(this.#limit, bytes);
      return;
    }
    const lane = this.#lanes.get(id);
    const early = this.#early.get(id);
    if (lane !== undefined) lane.limit = Math.max(lane.limit, bytes);
    else if (early !== undefined) this.#early.set(id, Math.max(early, bytes));
  }

  /** Tells that a waiting stream can go on, and goes on. */
  wake(id: number): void {
    const lane = this.#lanes.get(id);
    if (lane === undefined) return;
    lane.waiting = false;
    this.#endIfOver(lane);
    this.pump();
  }

  /** Whether a stream could send now: then what it needs next may be read ahead. */
  hasRoom(): boolean {
    return this.#sent < this.#limit && this.#connection.bufferedBytes() <= SOCKET_BUFFER_HIGH;
  }

  /** Sends what can be sent. Called after everything that may have made room. */
  pump(): void {
    if (this.#pumping) {
      this.#again = true;
      return;
    }
    if (this.#lanes.size === 0) return;
    this.#pumping = true;
    try {
      this.#connection.cork(() => {
        do {
          this.#again = false;
          while (this.hasRoom()) {
            const lane = this.#pick();
            if (lane === undefined) break;
            this.#serve(lane);
          }
        } while (this.#again);
      });
    } finally {
      this.#pumping = false;
    }
  }

  #serve(lane: Lane): void {
    const step = this.#step(lane);
    if (step === 'waiting') lane.waiting = true;
    else if (step === 'ended') this.remove(lane.stream.id);
    else {
      lane.sent += step;
      lane.deficit -= step;
      this.#sent += step;
      this.#endIfOver(lane);
    }
  }

  #endIfOver(lane: Lane): void {
    if (this.#lanes.get(lane.stream.id) !== lane) return;
    if (lane.stream.atEnd() && this.#step(lane) === 'ended') this.remove(lane.stream.id);
  }

  /** A stream that breaks ends by itself: nothing above it can, as it is often stepped from a promise. */
  #step(lane: Lane): Step {
    try {
      return lane.stream.step();
    } catch (error) {
      lane.stream.fail(error);
      return 'ended';
    }
  }

  /** The lane whose turn it is among the most urgent that can send. */
  #pick(): Lane | undefined {
    for (const ring of this.#rings) {
      if (!ring.some(canSend)) continue;
      // A frame may be larger than a turn: its lane then sits out as many turns as it took in advance.
      for (let turns = 0; turns <= (FRAME.max / QUANTUM_BYTES + 1) * ring.length; turns++) {
        const lane = ring[0] as Lane;
        if (canSend(lane) && lane.deficit > 0) return lane;
        if (!canSend(lane)) lane.deficit = 0;
        ring.push(ring.shift() as Lane);
        const next = ring[0] as Lane;
        if (canSend(next)) next.deficit += QUANTUM_BYTES;
      }
    }
    return undefined;
  }

  #ring(urgency: number): Lane[] {
    return this.#rings[Math.min(URGENCIES - 1, Math.max(0, urgency))] as Lane[];
  }

  #leaveRing(lane: Lane): void {
    const ring = this.#ring(lane.stream.urgency);
    const at = ring.indexOf(lane);
    if (at >= 0) ring.splice(at, 1);
  }
}

function canSend(lane: Lane): boolean {
  return !lane.waiting && lane.sent < lane.limit;
}
