import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BflyError } from '../../../protocol/errors.ts';
import { Emitter } from '../../../src/client/events.ts';
import type { EditResult, OrphanedEdit, SessionEvents } from '../../../src/client/index.ts';
import { Notices } from '../../../src/viewer/page/status/notices.ts';

const RESULT: EditResult = { status: 'applied', seq: 1, dup: false, results: [] };

describe('notices', () => {
  let events: Emitter<SessionEvents>;
  let notices: Notices;
  let answered: number;

  beforeEach(() => {
    vi.useFakeTimers();
    events = new Emitter();
    answered = 0;
    notices = new Notices({ on: (name, listener) => events.on(name, listener) }, { answered: () => answered++ });
  });
  afterEach(() => {
    notices.end();
    vi.useRealTimers();
  });

  const texts = (): string[] => notices.list.value.map(({ text }) => text);
  const orphan = (code: 'FORBIDDEN' | 'EPOCH_MISMATCH', again: OrphanedEdit['again']): void =>
    events.emit('orphaned', { path: 'e/labels', error: new BflyError(code, 'no'), again });

  it('tell together of the edits that arrived', () => {
    for (let seq = 1; seq <= 3; seq++) events.emit('recovered', { path: 'e/labels', result: { ...RESULT, seq } });
    vi.runAllTimers();
    expect(texts()).toEqual(['3 edits from before the page was loaded arrived at the server.']);
    expect(answered).toBe(3);
  });

  it('tell of each that was refused, and why', () => {
    events.emit('recovered', { path: 'e/labels', error: new BflyError('OUT_OF_BOUNDS', 'the box is outside') });
    vi.runAllTimers();
    expect(texts()).toEqual(['An edit of labels was refused: the box is outside.']);
  });

  it('[E16] offer to send again what was not sent, in its order', async () => {
    const sent: string[] = [];
    orphan('EPOCH_MISMATCH', async () => {
      sent.push('first');
      return RESULT;
    });
    orphan('EPOCH_MISMATCH', async () => {
      sent.push('second');
      throw new BflyError('CONFLICT', 'others were first');
    });
    vi.runAllTimers();
    expect(texts()).toEqual(['2 edits were made before the log of the volume was begun anew, and not sent.']);
    notices.list.value[0]?.again?.();
    await vi.runAllTimersAsync();
    expect(sent).toEqual(['first', 'second']);
    expect(texts()).toEqual(['An edit of labels was refused: others were first.', '1 edit arrived at the server.']);
  });

  it('tell of the edits of another user, and go when they are put away', () => {
    orphan('FORBIDDEN', async () => RESULT);
    vi.runAllTimers();
    expect(texts()[0]).toContain('under another name');
    expect(answered).toBe(1);
    notices.dismiss(notices.list.value[0]?.id ?? 0);
    expect(notices.list.value).toEqual([]);
  });
});
