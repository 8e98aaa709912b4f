/** How edits and subscriptions behave over a socket, whatever transport carries it. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { WireMap } from '../../protocol/messages.ts';
import { ALL_FEATURES, EditClient, linkPairs } from '../support/edit-client.ts';
import { Probe } from '../support/probe.ts';
import { startTestServer, type TestServer, type TestServerOptions } from '../support/test-server.ts';

const SEG = 'lab/fly/cube/seg';
const OTHER = 'lab/fly/cube/other';
const SIDE = 16;

function labels(): Uint8Array {
  const voxels = new Uint32Array(SIDE ** 3);
  for (let n = 0; n < voxels.length; n++) voxels[n] = 1 + (n % 8);
  return new Uint8Array(voxels.buffer);
}
const volumes = [SEG, OTHER].map((path) => ({
  path,
  data: labels(),
  shape: [SIDE, SIDE, SIDE] as const,
  dtype: 'uint32' as const,
  type: 'segmentation' as const,
}));

const merge = (...ids: number[]): WireMap => ({ op: 'merge', ids });

/** Defines the suite for one transport. */
export function editContract(kind: 'ws' | 'uws'): void {
  describe(`edits over ${kind}`, () => {
    let server: TestServer | undefined;
    const clients: EditClient[] = [];
    const probes: Probe[] = [];

    const start = async (options: Partial<TestServerOptions> = {}): Promise<string> => {
      server = await startTestServer({ kind, volumes, ...options });
      return server.url;
    };
    const client = async (url: string, fields: Parameters<typeof EditClient.open>[1] = {}): Promise<EditClient> => {
      const opened = await EditClient.open(url, fields);
      clients.push(opened);
      return opened;
    };
    const epochOf = async (editor: EditClient): Promise<Uint8Array> =>
      (await editor.subscribe(SEG, { after: null })).epoch;

    afterEach(async () => {
      for (const { probe } of clients.splice(0)) probe.close();
      for (const probe of probes.splice(0)) probe.close();
      await server?.stop();
      server = undefined;
    });

    it('[E4] answers an edit with its seq and results, and noop where nothing changes', async () => {
      const editor = await client(await start());
      expect(await editor.edit(SEG, [merge(3, 2)])).toMatchObject({
        status: 'applied',
        seq: 1,
        results: [{ root: 2 }],
      });
      expect(await editor.edit(SEG, [merge(2, 3)])).toMatchObject({ status: 'noop', seq: 2 });
    });

    it('[E31] tells subscribers of the path, the author by wid and the others by w, and nobody else', async () => {
      const url = await start();
      const [author, reader, stranger] = [await client(url), await client(url), await client(url)];
      const subs = await Promise.all([author.subscribe(SEG), reader.subscribe(SEG), stranger.subscribe(OTHER)]);
      for (const [i, one] of [author, reader, stranger].entries()) await one.snapshot((subs[i] as { id: number }).id);
      await author.edit(SEG, [merge(1, 2)], { note: 'why' });
      const [own] = await author.toldUpTo(subs[0]?.id as number, 1);
      const [other] = await reader.toldUpTo(subs[1]?.id as number, 1);
      expect(own).toMatchObject({ seq: 1, wseq: 1, note: 'why', ops: [merge(1, 2)] });
      expect(Buffer.compare(own?.['wid'] as Uint8Array, author.wid)).toBe(0);
      expect(own).not.toHaveProperty('w');
      expect(other).not.toHaveProperty('wid');
      expect(other?.['w']).toHaveLength(4);
      expect(other?.['chk']).toEqual(own?.['chk']);
      await stranger.probe.settle();
      expect(stranger.probe.peek('EDITS')).toEqual([]);
    });

    it('[E14] gives a resent edit its first answer, and refuses other ops under its number', async () => {
      const editor = await client(await start());
      await editor.edit(SEG, [merge(1, 2)], { wseq: 5 });
      expect(await editor.edit(SEG, [merge(1, 2)], { wseq: 5 })).toMatchObject({
        seq: 1,
        dup: true,
        status: 'applied',
      });
      expect(await editor.refused(SEG, [merge(1, 3)], { wseq: 5 })).toMatchObject({ error: 'WSEQ_REUSED' });
      expect(await editor.refused(SEG, [merge(1, 3)], { wseq: 4 })).toMatchObject({ error: 'REJECTED' });
      expect(await editor.edit(SEG, [merge(1, 3)], { wseq: 6 })).toMatchObject({ seq: 2 });
    });

    it('[E13] looks for duplicates before conflicts: a resent edit with a base that has become stale gets its answer', async () => {
      const url = await start();
      const [a, b] = [await client(url), await client(url)];
      const epoch = await epochOf(a);
      await a.edit(SEG, [merge(1, 2)], { base: 0, epoch, wseq: 1 });
      await b.edit(SEG, [{ op: 'cleave', ids: [1] }]);
      expect(await a.edit(SEG, [merge(1, 2)], { base: 0, epoch, wseq: 1 })).toMatchObject({ seq: 1, dup: true });
    });

    it('[E13] refuses the writer of another user', async () => {
      const url = await start();
      const a = await client(url);
      await a.edit(SEG, [merge(1, 2)]);
      const thief = await client(url, { wid: a.wid });
      expect(await thief.refused(SEG, [merge(3, 4)])).toMatchObject({ error: 'FORBIDDEN' });
    });

    it('[E17] lets one of two edits of the same body win, and tells the other who did', async () => {
      const url = await start();
      const [a, b] = [await client(url), await client(url)];
      const epoch = await epochOf(a);
      await a.edit(SEG, [merge(1, 2)], { base: 0, epoch });
      const refusal = await b.refused(SEG, [{ op: 'cleave', ids: [2] }], { base: 0, epoch });
      expect(refusal).toMatchObject({ error: 'CONFLICT', details: { head: 1, more: false } });
      expect(refusal.details?.['edits']).toMatchObject([{ seq: 1, ops: [merge(1, 2)] }]);
      expect(await b.edit(SEG, [merge(5, 6)], { base: 0, epoch })).toMatchObject({ seq: 2 });
      expect(await b.refused(SEG, [merge(7, 8)], { base: 0, epoch, policy: 'strict' })).toMatchObject({
        error: 'CONFLICT',
      });
      expect(await b.edit(SEG, [merge(7, 8)], { base: 2, epoch, policy: 'strict' })).toMatchObject({ seq: 3 });
    });

    it('[E13] refuses another epoch, and wants one with base or undo', async () => {
      const editor = await client(await start());
      const epoch = new Uint8Array(randomBytes(8));
      expect(await editor.refused(SEG, [merge(1, 2)], { epoch })).toMatchObject({
        error: 'EPOCH_MISMATCH',
        details: { head: 0 },
      });
      expect(await editor.refused(SEG, [merge(1, 2)], { base: 0 })).toMatchObject({ error: 'BAD_REQUEST' });
      expect(await editor.refused(SEG, [{ op: 'undo', seq: 1 }])).toMatchObject({ error: /NOT_FOUND|BAD_REQUEST/ });
    });

    it('[E11] applies nothing of an edit with one bad op, and names it', async () => {
      const editor = await client(await start());
      const bad = { op: 'put', table: 'cells', rows: [{}] };
      expect(await editor.refused(SEG, [merge(1, 2), bad])).toMatchObject({
        error: 'BAD_REQUEST',
        details: { op: 1, field: 'table' },
      });
      const sub = await editor.subscribe(SEG);
      expect(sub.head).toBe(0);
    });

    it('[E21] undoes and redoes', async () => {
      const url = await start();
      const editor = await client(url);
      const sub = await editor.subscribe(SEG);
      await editor.snapshot(sub.id);
      const { epoch } = sub;
      await editor.edit(SEG, [merge(4, 2, 6)]);
      await editor.edit(SEG, [{ op: 'undo', seq: 1 }], { epoch });
      await editor.edit(SEG, [{ op: 'undo', seq: 2 }], { epoch });
      const told = await editor.toldUpTo(sub.id, 3);
      expect(told[1]?.['changes']).toMatchObject({ undone: [1] });
      expect(told[2]?.['changes']).toMatchObject({ undone: [2], redone: [1] });
      const late = await client(url);
      const { id } = await late.subscribe(SEG);
      const { seq, sections } = await late.snapshot(id);
      expect(seq).toBe(3);
      expect(linkPairs(sections.get('links') ?? []).sort()).toEqual([
        [4n, 2n],
        [6n, 2n],
      ]);
    });

    it('[S2] follows on from a position, or says that it cannot', async () => {
      const url = await start();
      const editor = await client(url);
      for (const id of [2, 3, 4]) await editor.edit(SEG, [merge(1, id)]);
      const first = await editor.subscribe(SEG, { wids: [editor.wid, new Uint8Array(16)] });
      expect(first).toMatchObject({ mode: 'snapshot', head: 3, first: 1 });
      expect((first.writers as unknown[][]).map(([, last]) => last)).toEqual([3, 0]);
      const { epoch } = first;
      const tail = await editor.subscribe(SEG, { epoch, after: 1 });
      expect(tail).toMatchObject({ mode: 'tail' });
      const edits = await editor.toldUpTo(tail.id, 3, 1);
      expect(edits.map(({ seq }) => seq)).toEqual([2, 3]);
      expect(await editor.probe.next('LIVE', tail.id)).toMatchObject({ seq: 3 });
      const ahead = await editor.subscribe(SEG, { epoch, after: 9 });
      expect(ahead.mode).toBe('reset');
      expect(await editor.probe.next('RESET', ahead.id)).toMatchObject({ code: 303, head: 3 });
      const other = await editor.subscribe(SEG, { epoch: new Uint8Array(8), after: 1 });
      expect(await editor.probe.next('RESET', other.id)).toMatchObject({ code: 302 });
      const chk = edits[0]?.['chk'] as Uint8Array;
      expect(await editor.subscribe(SEG, { epoch, after: 2, chk })).toMatchObject({ mode: 'tail' });
      expect(await editor.subscribe(SEG, { epoch, after: 1, chk })).toMatchObject({ mode: 'reset' });
    });

    it('[S5] sends nothing without credit, and everything once there is credit', async () => {
      const url = await start({ limits: { editsPerSecond: 1e6, editsBurst: 1e6, framesBurst: 1e6 } });
      const [editor, slow] = [await client(url), await client(url)];
      const note = 'x'.repeat(1_000);
      const sub = await slow.subscribe(SEG, { epoch: await epochOf(editor), after: 0, win: 65_536 });
      for (let n = 0; n < 400; n++) await editor.edit(SEG, [merge(1, 2 + (n % 7))], { note });
      await slow.probe.settle();
      const before = slow.probe.peek('EDITS');
      const upto = before[before.length - 1]?.upto ?? 0;
      expect(upto).toBeGreaterThan(0);
      expect(upto).toBeLessThan(400);
      slow.grant(sub.id, 2 ** 30);
      const edits = await slow.toldUpTo(sub.id, 400);
      expect(edits.map(({ seq }) => seq)).toEqual(Array.from({ length: 400 }, (_, i) => i + 1));
    });

    it('[S8] misses nothing and repeats nothing, whenever a subscriber joins', async () => {
      const url = await start({ limits: { editsPerSecond: 1e6, editsBurst: 1e6, framesBurst: 1e6 } });
      const editor = await client(url);
      let running = true;
      const writing = (async () => {
        for (let n = 0; running || n < 50; n++) await editor.edit(SEG, [merge(1 + (n % 8), 1 + ((n * 3) % 8))]);
      })();
      for (let n = 0; n < 12; n++) {
        const reader = await client(url);
        const sub = await reader.subscribe(SEG, { win: 2 ** 22 });
        const { seq } = await reader.snapshot(sub.id);
        await reader.toldUpTo(sub.id, seq + 5, seq);
        reader.close();
      }
      running = false;
      await writing;
    });

    it('[S12] leaves out what a filter does not meet, and still advances', async () => {
      const url = await start();
      const [editor, reader] = [await client(url), await client(url)];
      const sub = await reader.subscribe(SEG, { after: 0, epoch: await epochOf(editor), filter: { kinds: ['merge'] } });
      await editor.edit(SEG, [{ op: 'put', table: 'annotation', rows: [{ kind: 'point', points: [1, 2, 3] }] }]);
      await editor.edit(SEG, [merge(1, 2)]);
      const edits = await reader.toldUpTo(sub.id, 2);
      // The row may have met another filter before: it is told as gone.
      expect(edits).toMatchObject([
        { seq: 1, ops: [], changes: { gone: { annotation: [expect.anything()] } } },
        { seq: 2 },
      ]);
      expect(edits[0]?.['changes']).not.toHaveProperty('rows');
      expect(edits[1]?.['changes']).toHaveProperty('joined');
    });

    it('[S13] shows the rows anew after FOCUS', async () => {
      const url = await start();
      const editor = await client(url);
      const rows = [
        { kind: 'point', points: [1, 1, 1], text: 'near' },
        { kind: 'point', points: [12, 12, 12], text: 'far' },
      ];
      await editor.edit(SEG, [{ op: 'put', table: 'annotation', rows }]);
      const sub = await editor.subscribe(SEG);
      const whole = await editor.snapshot(sub.id);
      expect((whole.sections.get('rows:annotation') ?? []).flat()).toHaveLength(2);
      const id = editor.nextId();
      editor.probe.send({ kind: 'FOCUS', id, sub: sub.id, filter: { box: [0, 0, 0, 4, 4, 4] } });
      expect(await editor.probe.answer(id)).toMatchObject({ kind: 'FOCUS_OK' });
      const focused = await editor.snapshot(sub.id);
      expect((focused.sections.get('rows:annotation') ?? []).flat()).toMatchObject([{ text: 'near' }]);
      expect(focused.sections.has('links')).toBe(false);
      const unknown = editor.nextId();
      editor.probe.send({ kind: 'FOCUS', id: unknown, sub: 77, filter: {} });
      expect(await editor.probe.answer(unknown)).toMatchObject({ error: 'NOT_FOUND' });
    });

    it('[E7] signs an annotation that has no author, and leaves one that has', async () => {
      const editor = await client(await start());
      const sub = await editor.subscribe(SEG);
      await editor.snapshot(sub.id);
      const rows = [
        { kind: 'point', points: [1, 2, 3] },
        { kind: 'point', points: [4, 5, 6], author: 'ada', time: 7 },
      ];
      await editor.edit(SEG, [{ op: 'put', table: 'annotation', rows }]);
      const [edit] = await editor.toldUpTo(sub.id, 1);
      const { user, time, changes } = edit as { user: { id: string }; time: number; changes: { rows: object } };
      expect(changes.rows).toMatchObject({
        annotation: [
          { author: user.id, time: expect.any(Number) },
          { author: 'ada', time: 7 },
        ],
      });
      expect(time).toBeGreaterThan(1e12);
    });

    it('[S4] ends a subscription, and is content with an unknown one', async () => {
      const editor = await client(await start());
      const sub = await editor.subscribe(SEG);
      await editor.snapshot(sub.id);
      for (const wanted of [sub.id, 4_711]) {
        const id = editor.nextId();
        editor.probe.send({ kind: 'UNSUBSCRIBE', id, sub: wanted });
        expect(await editor.probe.answer(id)).toMatchObject({ kind: 'UNSUBSCRIBE_OK' });
      }
      await editor.edit(SEG, [merge(1, 2)]);
      await editor.probe.settle();
      expect(editor.probe.peek('EDITS')).toEqual([]);
    });

    it('[S14] reads the history in pages, by user and kind', async () => {
      const url = await start();
      const [a, b] = [await client(url, { name: 'Ada' }), await client(url, { name: 'Ben' })];
      await a.edit(SEG, [merge(1, 2)]);
      await b.edit(SEG, [{ op: 'cleave', ids: [2] }]);
      await a.edit(SEG, [merge(3, 4)]);
      const ask = async (fields: object): Promise<WireMap[]> => {
        const id = a.nextId();
        a.probe.send({ kind: 'HISTORY', id, path: SEG, after: 0, limit: 256, ...fields });
        const reply = await a.probe.answer(id);
        if (reply.kind !== 'HISTORY_OK') throw new Error(reply.kind);
        expect(reply).toMatchObject({ first: 1, head: 3 });
        return [...reply.edits];
      };
      expect((await ask({})).map(({ seq }) => seq)).toEqual([1, 2, 3]);
      expect((await ask({ after: 1, limit: 1 })).map(({ seq }) => seq)).toEqual([2]);
      expect((await ask({ kinds: ['cleave'] })).map(({ seq }) => seq)).toEqual([2]);
      const [first] = await ask({ limit: 1 });
      const user = (first as { user: { id: string } } | undefined)?.user.id;
      expect((await ask({ user })).map(({ seq }) => seq)).toEqual([1, 3]);
    });

    it('[H11] takes subscriptions up again in HELLO', async () => {
      const url = await start();
      const editor = await client(url);
      const { epoch } = await editor.subscribe(SEG);
      await editor.edit(SEG, [merge(1, 2)]);
      await editor.edit(SEG, [merge(1, 3)]);
      const probe = await Probe.open(url);
      probes.push(probe);
      const resume = [
        { sub: 7, path: SEG, epoch, after: 1 },
        { sub: 8, path: 'lab/fly/cube/none', epoch, after: 1 },
      ];
      probe.send({ kind: 'HELLO', id: 1, v: [1], client: 'probe', feat: ALL_FEATURES, resume });
      const welcome = await probe.next('WELCOME');
      expect(welcome.resume).toMatchObject([{ mode: 'tail', head: 2 }, { error: [203, expect.any(String)] }]);
      expect(await probe.next('EDITS', 7)).toMatchObject({ from: 1, upto: 2 });
      await editor.edit(SEG, [merge(1, 4)]);
      expect(await probe.next('EDITS', 7)).toMatchObject({ from: 2, upto: 3 });
    });

    it('[P1] shows who is there to the others', async () => {
      const url = await start();
      const [a, b] = [await client(url, { name: 'Ada' }), await client(url, { name: 'Ben' })];
      const [subA, subB] = [await a.subscribe(SEG, { presence: true }), await b.subscribe(SEG, { presence: true })];
      await a.snapshot(subA.id);
      await b.snapshot(subB.id);
      a.probe.send({ kind: 'PRESENCE', id: subA.id, n: 1, state: { cursor: [1, 2, 3] } });
      const { peers } = await b.probe.next('PEERS', subB.id);
      expect(peers).toHaveLength(1);
      expect(peers[0]?.[2]).toMatchObject({ cursor: [1, 2, 3], user: { name: 'Ada' } });
      a.close();
      expect((await b.probe.next('PEERS', subB.id)).peers[0]?.[2]).toBeNull();
    });

    it('[E3] keeps the order of arrival of a writer, whatever its edits have to read', async () => {
      const editor = await client(await start());
      const box = [0, 0, 0, 8, 8, 8];
      const ids = [
        editor.send(SEG, [{ op: 'write', box, value: 0 }]),
        editor.send(SEG, [merge(1, 2)]),
        editor.send(SEG, [{ op: 'write', box, value: 3 }]),
        editor.send(SEG, [merge(1, 3)]),
      ];
      const seqs: unknown[] = [];
      for (const id of ids) seqs.push(((await editor.probe.answer(id)) as { seq?: number }).seq);
      expect(seqs).toEqual([1, 2, 3, 4]);
    });
  });
}
