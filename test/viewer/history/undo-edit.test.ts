import { describe, expect, it } from 'vitest';
import type { EditEvent, LiveChannel } from '../../../src/client/index.ts';
import { undoEdit, undoRefusal } from '../../../src/viewer/page/history/undo-edit.ts';
import { editStage, PATH } from '../../support/edit-stage.ts';
import { settled } from '../../support/fake-server.ts';

const EDIT: EditEvent = {
  ...{ seq: 1, time: 5, user: { id: 'u', name: 'Ada' }, mine: false, results: [], changes: {} },
  ops: [{ op: 'merge', ids: [1, 2] }],
};

async function stage(): Promise<{
  readonly channel: LiveChannel;
  readonly log: Awaited<ReturnType<typeof editStage>>['log'];
}> {
  const { session, log } = await editStage();
  const channel = session.open(PATH);
  await channel.subscription.ready;
  await settled();
  return { channel, log };
}

const inForce = (...out: number[]) => ({ since: (seq: number) => seq, isInForce: (seq: number) => !out.includes(seq) });

describe('undo from the history', () => {
  it('takes an edit of anybody out of force', async () => {
    const { channel, log } = await stage();
    log.foreign({ op: 'merge', ids: [1n, 2n] });
    await settled();
    expect(await undoEdit(channel, inForce(), 1)).toEqual({ kind: 'done', seq: 2 });
    expect(log.edits[1]?.ops).toEqual([{ op: 'undo', seq: 1 }]);
  });

  it('[E17] tells what was built on it, and goes on only if that is wanted', async () => {
    const { channel, log } = await stage();
    log.foreign({ op: 'merge', ids: [1n, 2n] });
    log.foreign({ op: 'merge', ids: [2n, 3n] });
    await settled();
    const outcome = await undoEdit(channel, inForce(), 1);
    expect(outcome).toMatchObject({ kind: 'blocked', by: [{ seq: 2 }] });
    expect(log.head).toBe(2);
    expect(await undoEdit(channel, inForce(), 1, true)).toEqual({ kind: 'done', seq: 3 });
  });

  it('goes on where what was built on it is out of force itself', async () => {
    const { channel, log } = await stage();
    log.foreign({ op: 'merge', ids: [1n, 2n] });
    log.foreign({ op: 'merge', ids: [2n, 3n] });
    log.foreign({ op: 'undo', seq: 2 });
    await settled();
    expect(await undoEdit(channel, inForce(2, 3), 1)).toEqual({ kind: 'done', seq: 4 });
  });

  it('tells of other refusals', async () => {
    const { channel, log } = await stage();
    log.foreign({ op: 'merge', ids: [1n, 2n] });
    await settled();
    log.fates.push('FORBIDDEN');
    await expect(undoEdit(channel, inForce(), 1)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('who may undo', () => {
  const all = ['read', 'annotate', 'edit', 'edit-others', 'admin'] as const;

  it('[E30] is who has the rights that its ops need, and for others’ edits the right to those', () => {
    expect(undoRefusal({ editable: true, rights: all }, EDIT)).toBeUndefined();
    expect(undoRefusal({ editable: true, rights: all.slice(0, 3) }, EDIT)).toContain('others');
    expect(undoRefusal({ editable: true, rights: all.slice(0, 3) }, { ...EDIT, mine: true })).toBeUndefined();
    expect(undoRefusal({ editable: true, rights: all.slice(0, 2) }, { ...EDIT, mine: true })).toContain('may not');
    const put = { ...EDIT, mine: true, ops: [{ op: 'put' }] };
    expect(undoRefusal({ editable: true, rights: all.slice(0, 2) }, put)).toBeUndefined();
  });

  it('is told by whether the channel can be edited where rights are not', () => {
    expect(undoRefusal({ editable: true }, EDIT)).toBeUndefined();
    expect(undoRefusal({ editable: false }, EDIT)).toContain('cannot');
  });
});
