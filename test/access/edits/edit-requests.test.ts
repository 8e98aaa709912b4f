import { describe, expect, it } from 'vitest';
import { BflyError } from '../../../protocol/errors.ts';
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts';
import type { Edit, ServerMessage } from '../../../protocol/messages.ts';
import { EditRequests } from '../../../src/access/edits/edit-requests.ts';
import type { SessionContext } from '../../../src/access/session/session-context.ts';
import { TokenBucket } from '../../../src/access/session/token-bucket.ts';
import type { EditOutcome, EditRequest } from '../../../src/core/edits/edit-request.ts';

const RATE = { editsPerSecond: 50, editsBurst: 200 };

/** A session whose log answers as `submit` does. */
class Stage {
  now = 0;
  readonly replies: (ServerMessage | BflyError)[] = [];
  readonly edits: EditRequests;
  #id = 0;

  constructor(submit: (request: EditRequest) => Promise<EditOutcome>) {
    const log = { knows: () => false, lastOf: () => 0, submit };
    // As much of a session as edits need.
    const context = {
      home: { limits: { ...DEFAULT_LIMITS, ...RATE }, now: () => this.now, peekLog: () => ({ log }) },
      requests: new Map(),
      connection: { cork: (work: () => void) => work() },
      identity: () => ({ user: { id: 'ada', name: 'Ada' } }),
      checkRead: () => {},
      send: (message: ServerMessage) => this.replies.push(message),
      error: (_id: number, fault: BflyError) => this.replies.push(fault),
    } as unknown as SessionContext;
    this.edits = new EditRequests(context, new Set());
  }

  /** Sends an edit. @returns its reply. */
  async send(): Promise<ServerMessage | BflyError | undefined> {
    const count = this.replies.length;
    const id = ++this.#id;
    this.edits.edit({ id, path: 'lab/fly/cube/seg', wid: new Uint8Array(16), wseq: id, ops: [] } as unknown as Edit);
    for (let turn = 0; turn < 20 && this.replies.length === count; turn++) await undefined;
    return this.replies[count];
  }
}

const applied: EditOutcome = { status: 'applied', seq: 1, results: [] };

describe('edits of a session', () => {
  it('count by what they cost, so that one of a few bytes that moves very many ids is not sent again at once', async () => {
    let cost = 0;
    const stage = new Stage(async (request) => {
      request.applied?.(cost);
      return applied;
    });
    for (let i = 0; i < 100; i++) expect(await stage.send()).toMatchObject({ kind: 'EDIT_OK' });
    cost = 200 * 1_024;
    expect(await stage.send()).toMatchObject({ kind: 'EDIT_OK' });
    // One was its own; 99 were left; 101 are owed, and one is wanted.
    const refused = await stage.send();
    expect(refused).toMatchObject({ code: 'RATE_LIMITED', retryMs: (102 * 1_000) / 50 });
    stage.now += 2_039;
    expect(await stage.send()).toMatchObject({ code: 'RATE_LIMITED' });
    stage.now += 1;
    expect(await stage.send()).toMatchObject({ kind: 'EDIT_OK' });
  });

  it('count as one each where they cost little', async () => {
    const stage = new Stage(async (request) => {
      request.applied?.(1_023);
      return applied;
    });
    for (let i = 0; i < RATE.editsBurst; i++) expect(await stage.send()).toMatchObject({ kind: 'EDIT_OK' });
    expect(await stage.send()).toMatchObject({ code: 'RATE_LIMITED', retryMs: 20 });
  });

  it('count for 50 more where they were tried and found too large', async () => {
    const stage = new Stage(async () => {
      throw new BflyError('LIMIT', 'ops[0].seq would make a body of more than 4 ids');
    });
    for (let i = 0; i < 4; i++) expect(await stage.send()).toMatchObject({ code: 'LIMIT' });
    expect(await stage.send()).toMatchObject({ code: 'RATE_LIMITED' });
  });
});

describe('a token bucket', () => {
  it('goes into debt by a charge, for 10 seconds at most', () => {
    const bucket = new TokenBucket(50, 200, 0);
    bucket.charge(0, 150);
    expect(bucket.wait(0, 50)).toBe(0);
    expect(bucket.wait(0, 51)).toBe(20);
    bucket.charge(0, 1e9);
    expect(bucket.wait(0)).toBe(10_000 + 20);
    expect(bucket.take(10_010)).toBe(10);
    expect(bucket.take(10_020)).toBe(0);
  });
});
