import { describe, expect, it } from 'vitest';
import type { Bulk } from '../../../protocol/messages.ts';
import { BULK_TYPE, TileFlag } from '../../../protocol/tile-frame.ts';
import { BulkInbox } from '../../../src/access/edits/bulk-inbox.ts';

const MiB = 1024 * 1024;

function bulk(id: number, wseq: number, payload: Uint8Array, flags: number, rawLength = payload.length): Bulk {
  const header: Bulk['header'] = {
    ...{ type: BULK_TYPE, id, flags, item: 0, seq: wseq, mip: 0, x: 0, y: 0, z: 0, encoding: 0 },
    ...{ rawLength, crc32: 0, sizeX: 1, sizeY: 1, length: payload.length },
  };
  return { kind: 'BULK', id, header, payload };
}
const { CONT, LAST } = TileFlag;
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('[E12] voxels for an edit', () => {
  it('are joined from their frames, whether they come before the edit or after it', async () => {
    const inbox = new BulkInbox(() => 0);
    inbox.take(bulk(5, 1, bytes(1, 2), 0));
    inbox.take(bulk(5, 1, bytes(3), CONT | LAST));
    expect((await inbox.claim(1, 5)).payload).toEqual(bytes(1, 2, 3));
    const late = inbox.claim(2, 5);
    inbox.take(bulk(5, 2, bytes(9), LAST));
    expect((await late).payload).toEqual(bytes(9));
  });

  it('belong to one wseq, and are replaced where they are sent again', async () => {
    const inbox = new BulkInbox(() => 0);
    inbox.take(bulk(5, 1, bytes(1), LAST));
    inbox.take(bulk(5, 1, bytes(2), LAST));
    inbox.take(bulk(5, 2, bytes(3), LAST));
    expect((await inbox.claim(1, 5)).payload).toEqual(bytes(2));
    expect((await inbox.claim(2, 5)).payload).toEqual(bytes(3));
  });

  it('are refused out of order, and their edit hears why', async () => {
    const inbox = new BulkInbox(() => 0);
    const claim = inbox.claim(1, 5);
    expect(inbox.take(bulk(5, 1, bytes(1), CONT))).toMatchObject({ code: 'BAD_REQUEST' });
    await expect(claim).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    expect(inbox.take(bulk(6, 1, bytes(1), 0))).toBeUndefined();
    expect(inbox.take(bulk(6, 1, bytes(1), 0))).toMatchObject({ code: 'BAD_REQUEST' });
    expect(inbox.take(bulk(7, 1, bytes(1), LAST, 17 * MiB))).toMatchObject({ code: 'TOO_LARGE' });
  });

  it('may be 8 MiB that wait, and 64 MiB of edits that are there', async () => {
    const inbox = new BulkInbox(() => 0);
    const part = new Uint8Array(4 * MiB);
    expect(inbox.take(bulk(1, 1, part, LAST))).toBeUndefined();
    expect(inbox.take(bulk(2, 1, part, LAST))).toBeUndefined();
    expect(inbox.take(bulk(3, 1, bytes(1), LAST))).toMatchObject({ code: 'LIMIT' });
    await expect(inbox.claim(1, 3)).rejects.toMatchObject({ code: 'LIMIT' });
    const claim = inbox.claim(1, 4);
    for (let n = 0; n < 3; n++) expect(inbox.take(bulk(4, 1, part, n === 0 ? 0 : CONT))).toBeUndefined();
    expect(inbox.take(bulk(4, 1, part, CONT | LAST))).toBeUndefined();
    expect((await claim).payload).toHaveLength(16 * MiB);
  });

  it('are dropped after ten seconds, and so is who waits for them', async () => {
    let now = 0;
    const inbox = new BulkInbox(() => now);
    inbox.take(bulk(1, 1, bytes(1), LAST));
    const claim = inbox.claim(1, 2);
    now = 10_000;
    inbox.sweep(now);
    await expect(claim).rejects.toMatchObject({ code: 'TIMEOUT' });
    const late = inbox.claim(1, 1);
    inbox.close();
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});
