import { describe, expect, it } from 'vitest';
import { editStage, PATH } from '../support/edit-stage.ts';

const merge = (a: number) => ({ op: 'merge', ids: [a, a + 1] });

describe('a history', () => {
  it('[S14] gives the edits of a path, page after page', async () => {
    const { session, server, log } = await editStage();
    server.historyPage = 3;
    for (let i = 0; i < 8; i++) log.foreign(merge(i));
    const seqs: number[] = [];
    for await (const edit of session.history(PATH, { after: 1 })) seqs.push(edit.seq);
    expect(seqs).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(server.last.all('HISTORY').map(({ after }) => after)).toEqual([1, 4, 7]);
  });

  it('[S14] gives no more than wanted, and asks for no more than is taken', async () => {
    const { session, server, log } = await editStage();
    server.historyPage = 3;
    for (let i = 0; i < 8; i++) log.foreign(merge(i));
    const seqs: number[] = [];
    for await (const edit of session.history(PATH, { limit: 4, user: 'u9', kinds: ['merge'] })) seqs.push(edit.seq);
    expect(seqs).toEqual([1, 2, 3, 4]);
    expect(server.last.all('HISTORY')).toMatchObject([
      { user: 'u9', kinds: ['merge'] },
      { user: 'u9', kinds: ['merge'] },
    ]);
    for await (const edit of session.history(PATH)) if (edit.seq === 2) break;
    expect(server.last.all('HISTORY')).toHaveLength(3);
  });

  it('[S14] goes on behind a page in which nothing was chosen', async () => {
    const { session, server, log } = await editStage();
    for (let i = 0; i < 300; i++) log.foreign(merge(i));
    server.script = (message, connection) => {
      if (message.kind !== 'HISTORY') return false;
      const { epoch, head, edits } = log;
      const some = message.after === 0 ? [] : edits.slice(280, 282).map(({ record }) => record);
      const more = message.after === 0;
      connection.send({ kind: 'HISTORY_OK', id: message.id, epoch, first: 1, head, edits: some, more });
      return true;
    };
    const pages: number[] = [];
    for await (const { edits, head } of session.history(PATH).pages()) pages.push(edits.length, head);
    expect(pages).toEqual([0, 300, 2, 300]);
    expect(server.last.all('HISTORY').map(({ after }) => after)).toEqual([0, 256]);
  });

  it('does not mix two lives of a log', async () => {
    const { session, server, log } = await editStage();
    server.historyPage = 1;
    for (let i = 0; i < 3; i++) log.foreign(merge(i));
    const pages = session.history(PATH).pages()[Symbol.asyncIterator]();
    await pages.next();
    log.restore(9, 3);
    await expect(pages.next()).rejects.toMatchObject({ code: 'EPOCH_MISMATCH' });
  });
});
