import { describe, expect, it } from 'vitest';
import { SendQueue, type Step, type Stream } from '../../../src/access/session/send-queue.ts';
import type { Connection } from '../../../src/access/transport/transport.ts';

const connection: Connection = {
  remoteAddress: '127.0.0.1',
  copiesOnSend: true,
  bufferedBytes: () => 0,
  send: () => {},
  sendText: () => {},
  ping: () => {},
  sendTile: () => {},
  cork: (work) => work(),
  close: () => {},
  terminate: () => {},
};

/** A stream of so many frames of one size. */
class Frames implements Stream {
  readonly id: number;
  urgency: number;
  left: number;
  failed: unknown;
  readonly #bytes: number;
  readonly #sent: number[];

  constructor(id: number, urgency: number, count: number, bytes: number, sent: number[]) {
    this.id = id;
    this.urgency = urgency;
    this.left = count;
    this.#bytes = bytes;
    this.#sent = sent;
  }

  atEnd(): boolean {
    return this.left === 0;
  }

  step(): Step {
    if (this.left === 0) return 'ended';
    this.left--;
    this.#sent.push(this.id);
    return this.#bytes;
  }

  fail(error: unknown): void {
    this.failed = error;
  }
}

describe('send queue', () => {
  it('[D18] shares bytes, not frames, among equals', () => {
    const sent: number[] = [];
    const queue = new SendQueue(connection, 2 ** 20);
    queue.add(new Frames(1, 3, 1_000, 256 * 1024, sent), 2 ** 40);
    queue.add(new Frames(2, 3, 100_000, 16 * 1024, sent), 2 ** 40);
    queue.grant(0, 2 ** 26);
    queue.pump();
    const bytes = [0, 256 * 1024, 16 * 1024].map((size, id) => size * sent.filter((one) => one === id).length);
    expect(Math.abs((bytes[1] ?? 0) - (bytes[2] ?? 0))).toBeLessThanOrEqual(512 * 1024);
  });

  it('ends a stream that throws with an ERROR of its own, and goes on with the others', () => {
    const sent: number[] = [];
    const queue = new SendQueue(connection, 2 ** 30);
    const broken = new Frames(1, 0, 5, 10, sent);
    broken.step = () => {
      throw new Error('a fault of ours');
    };
    queue.add(broken, 2 ** 30);
    queue.add(new Frames(2, 3, 5, 10, sent), 2 ** 30);
    queue.pump();
    expect(broken.failed).toBeInstanceOf(Error);
    expect(sent).toEqual([2, 2, 2, 2, 2]);
    expect(queue.size).toBe(0);
  });

  it('[D11] keeps grants that come before their stream, and forgets those of streams that never come', () => {
    const sent: number[] = [];
    const queue = new SendQueue(connection, 2 ** 30);
    queue.expect(7);
    queue.grant(7, 100);
    queue.add(new Frames(7, 3, 20, 10, sent), 1);
    queue.pump();
    expect(sent).toHaveLength(10);
    queue.expect(8);
    queue.remove(8);
    queue.grant(8, 100);
    expect(queue.size).toBe(1);
  });
});
