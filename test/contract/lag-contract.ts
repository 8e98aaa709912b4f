/** What subscribers are told that lag, change their filter or meet a failing store, over a socket, whatever transport carries it. */
import { afterEach, describe, expect, it } from 'vitest';
import type { WireMap } from '../../protocol/messages.ts';
import { EditLog } from '../../src/core/edits/edit-log.ts';
import { LogReader } from '../../src/core/edits/log-reader.ts';
import type { Author } from '../../src/core/rights.ts';
import type { Change } from '../../src/database/database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { ALL_FEATURES, EditClient, linkPairs } from '../support/edit-client.ts';
import { type Of, Probe } from '../support/probe.ts';
import { startTestServer, type TestServer, type TestServerOptions } from '../support/test-server.ts';

const SEG = 'lab/fly/cube/seg';
const SIDE = 8;
const volumes = [
  {
    path: SEG,
    data: new Uint8Array(new Uint32Array(SIDE ** 3).fill(1).buffer),
    shape: [SIDE, SIDE, SIDE] as const,
    dtype: 'uint32' as const,
    type: 'segmentation' as const,
  },
];
const AUTHOR: Author = { user: { id: 'x', name: 'x' }, rights: { allows: () => true } };
const PLENTY = 2 ** 26;

const merge = (...ids: number[]): WireMap => ({ op: 'merge', ids });
const point = (at: number, text = ''): WireMap => ({
  op: 'put',
  table: 'annotation',
  rows: [{ kind: 'point', points: [at, at, at], text }],
});

function idsFrom(first: number, count: number): Uint8Array {
  return new Uint8Array(BigUint64Array.from({ length: count }, (_, i) => BigInt(first + i)).buffer);
}

/** A store whose commits wait, or fail. */
class HeldDatabase extends MemoryDatabase {
  #gate: Promise<void> | undefined;
  #open = (): void => {};
  #fails = false;
  #entered = (): void => {};

  /** Commits wait from now on. @returns resolves when one does. */
  hold(): Promise<void> {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
    return new Promise((resolve) => {
      this.#entered = resolve;
    });
  }

  /** @param fails whether those that waited are refused. */
  release(fails = false): void {
    this.#fails = fails;
    this.#open();
    this.#gate = undefined;
  }

  override async commit(change: Change): Promise<void> {
    const gate = this.#gate;
    if (gate !== undefined) {
      this.#entered();
      await gate;
      if (this.#fails) throw new Error('the disk is full');
    }
    return super.commit(change);
  }
}

/** Defines the suite for one transport. */
export function lagContract(kind: 'ws' | 'uws'): void {
  describe(`subscribers that lag over ${kind}`, () => {
    let server: TestServer | undefined;
    const clients: EditClient[] = [];

    const start = async (options: Partial<TestServerOptions> = {}): Promise<TestServer> => {
      server = await startTestServer({ kind, volumes, ...options });
      return server;
    };
    const client = async (): Promise<EditClient> => {
      const opened = await EditClient.open(server?.url ?? '');
      clients.push(opened);
      return opened;
    };
    const focus = async (reader: EditClient, sub: number, filter: WireMap): Promise<void> => {
      const id = reader.nextId();
      reader.probe.send({ kind: 'FOCUS', id, sub, filter });
      expect(await reader.probe.answer(id)).toMatchObject({ kind: 'FOCUS_OK' });
    };
    const pagesOf = (reader: EditClient): Of<'SNAP'>[] => reader.probe.peek('SNAP');
    /** Many edits of which only the first changes anything: those with the filter `kinds: ['delete']` see no other. */
    const fill = async (count: number): Promise<EditLog> => {
      const { log } = await (server as TestServer).hub.openLog(SEG);
      const wid = new Uint8Array(16).fill(3);
      const made = Array.from({ length: count }, (_, i) =>
        log.submit({ wid, wseq: i + 1, base: null, ops: [merge(1, 2)] }, AUTHOR),
      );
      await Promise.all(made);
      return log;
    };

    afterEach(async () => {
      for (const one of clients.splice(0)) one.close();
      await server?.stop();
      server = undefined;
    });

    it('[S13] get all links where FOCUS comes while they are on their way', async () => {
      await start();
      const [editor, reader] = [await client(), await client()];
      await editor.edit(SEG, [{ op: 'merge', ids: idsFrom(1, 20_000) }]);
      const { id } = await reader.subscribe(SEG, { win: 65_536 });
      await reader.probe.settle();
      expect(pagesOf(reader).length).toBeGreaterThan(0);
      await focus(reader, id, { box: [0, 0, 0, 4, 4, 4] });
      reader.grant(id, PLENTY);
      await reader.probe.next('LIVE', id);
      const pages = pagesOf(reader);
      const first = pages.findLastIndex(({ section, row }) => section === 'links' && row === 0);
      const links = pages.slice(first).filter(({ section }) => section === 'links');
      expect(linkPairs(links.map(({ rows }) => rows))).toHaveLength(19_999);
      expect(pages.at(-1)).toMatchObject({ section: 'end', seq: 1 });
    });

    it('[S13] are told of every edit up to what FOCUS shows', async () => {
      await start();
      const [editor, reader] = [await client(), await client()];
      const { id } = await reader.subscribe(SEG, { win: 65_536 });
      await reader.snapshot(id);
      for (let i = 0; i < 2; i++) await editor.edit(SEG, [point(1, 'x'.repeat(60_000))]);
      await editor.edit(SEG, [merge(1, 2)]);
      await reader.probe.settle();
      await focus(reader, id, { box: [4, 4, 4, 5, 5, 5] });
      reader.grant(id, PLENTY);
      expect((await reader.toldUpTo(id, 3)).at(-1)?.['changes']).toHaveProperty('joined');
      const { seq, sections } = await reader.snapshot(id);
      expect(seq).toBe(3);
      expect([...sections.keys()]).toEqual([
        'regions',
        'rows:neuron',
        'rows:synapse',
        'rows:annotation',
        'meta',
        'end',
      ]);
    });

    it('[S7] [S13] are told the rest of an edit in pieces where FOCUS comes in the middle of it', async () => {
      await start();
      const [editor, reader] = [await client(), await client()];
      await editor.edit(SEG, [{ op: 'merge', ids: idsFrom(1, 30_000) }]);
      const { epoch } = await editor.subscribe(SEG);
      const { id } = await reader.subscribe(SEG, { epoch, after: 1, win: 65_536 });
      await editor.edit(SEG, [{ op: 'cleave', ids: idsFrom(15_000, 15_001) }]);
      await reader.probe.settle();
      expect(reader.probe.peek('EDITS').at(-1)).toMatchObject({ flags: 1 });
      await focus(reader, id, {});
      reader.grant(id, PLENTY);
      const edits = await reader.toldUpTo(id, 2, 1);
      const moved = edits.flatMap((edit) => (edit['changes'] as { parted: [unknown, Uint8Array][] }).parted);
      expect(moved.reduce((sum, [, members]) => sum + members.length / 8, 0)).toBe(15_001);
      expect(await reader.snapshot(id)).toMatchObject({ seq: 2 });
    });

    it('[S13] are shown the rows of the last FOCUS, also where the one before is half sent', async () => {
      await start();
      const [editor, reader] = [await client(), await client()];
      for (let i = 0; i < 4; i++) await editor.edit(SEG, [point(i, 'x'.repeat(40_000))]);
      const { id, epoch } = await editor.subscribe(SEG);
      expect(id).toBeGreaterThan(0);
      const sub = await reader.subscribe(SEG, { epoch, after: 4, win: 65_536 });
      await focus(reader, sub.id, {});
      await reader.probe.settle();
      expect(pagesOf(reader).some(({ section }) => section === 'rows:annotation')).toBe(true);
      expect(pagesOf(reader).some(({ section }) => section === 'end')).toBe(false);
      await editor.edit(SEG, [merge(1, 2)]);
      await focus(reader, sub.id, { box: [2, 2, 2, 3, 3, 3] });
      reader.grant(sub.id, PLENTY);
      await reader.probe.next('LIVE', sub.id);
      await reader.toldUpTo(sub.id, 5, 4);
      await reader.probe.settle();
      const pages = pagesOf(reader);
      const shown = pages.slice(pages.findLastIndex(({ section }) => section === 'regions'));
      expect(shown.flatMap(({ section, rows }) => (section === 'rows:annotation' ? rows : []))).toMatchObject([
        { points: [2, 2, 2] },
      ]);
    });

    it('[S9] [S12] are told that they are at the head where nothing passed their filter, and others wait for nobody', async () => {
      await start();
      const log = await fill(3_000);
      const reader = await client();
      const filter = { kinds: ['delete'] };
      const { id } = await reader.subscribe(SEG, { epoch: log.epoch, after: 0, filter });
      expect(await reader.probe.next('LIVE', id)).toMatchObject({ seq: 3_000 });
      const told = reader.probe.peek('EDITS');
      // The first of them did change something.
      expect(told.flatMap(({ edits }) => edits.map(({ seq }) => seq))).toEqual([1]);
      expect(told.at(-1)).toMatchObject({ upto: 3_000 });
    });

    it('[S12] are shown neurons by their keys', async () => {
      await start();
      const [editor, reader] = [await client(), await client()];
      await editor.edit(SEG, [{ op: 'put', table: 'neuron', rows: [5, 6].map((key) => ({ key, point: [1, 1, 1] })) }]);
      const { id } = await reader.subscribe(SEG, { filter: { ids: [6] } });
      const { sections } = await reader.snapshot(id);
      expect((sections.get('rows:neuron') ?? []).flat()).toMatchObject([{ key: 6 }]);
    });

    it('[S11] get metadata with a snapshot, as it was at its seq, and go on within it', async () => {
      await start();
      const [editor, reader] = [await client(), await client()];
      for (const key of ['a', 'b', 'c']) await editor.edit(SEG, [{ op: 'meta', key, value: { is: key } }]);
      await editor.edit(SEG, [{ op: 'meta', key: 'b', value: null }]);
      const { id, epoch } = await reader.subscribe(SEG);
      const { seq, sections } = await reader.snapshot(id);
      expect(sections.get('meta')).toEqual([{ a: { is: 'a' }, c: { is: 'c' } }]);
      const again = await reader.subscribe(SEG, { epoch, snap: [seq, 'meta', 1] });
      const page = await reader.probe.next('SNAP', again.id);
      expect(page).toMatchObject({ section: 'meta', row: 1, more: false });
      expect(page.rows).toEqual({ c: { is: 'c' } });
    });

    it('[S10] get a snapshot that waited for a commit, and another one where the commit failed', async () => {
      const database = new HeldDatabase();
      await start({ database });
      const [editor, reader] = [await client(), await client()];
      await editor.edit(SEG, [merge(1, 2)]);
      for (const fails of [false, true]) {
        const held = database.hold();
        const sent = editor.send(SEG, [merge(3, fails ? 5 : 4)]);
        await held;
        const { id } = await reader.subscribe(SEG);
        database.release(fails);
        await editor.probe.answer(sent);
        expect(await reader.snapshot(id)).toMatchObject({ seq: 2 });
      }
    });

    it('[S4] hold no listener of a log where their connection went while the path was opened', async () => {
      const database = new HeldDatabase();
      const { url, hub } = await start({ database });
      let listeners = 0;
      const original = EditLog.prototype.onCommit;
      EditLog.prototype.onCommit = function (...args): () => void {
        listeners++;
        const forget = original.apply(this, args);
        return () => {
          listeners--;
          forget();
        };
      };
      try {
        const held = database.hold();
        const probe = await Probe.open(url);
        const resume = [{ sub: 7, path: SEG, epoch: null, after: null }];
        probe.send({ kind: 'HELLO', id: 1, v: [1], client: 'probe', feat: ALL_FEATURES, resume });
        await held;
        probe.close();
        await expect.poll(() => hub.size).toBe(0);
        database.release();
        await hub.openLog(SEG);
        await (await client()).probe.settle();
        const before = listeners;
        const reader = await client();
        const { id } = await reader.subscribe(SEG);
        await reader.snapshot(id);
        expect(listeners).toBe(before + 1);
        expect(before).toBe(2); // the feed and the view
      } finally {
        EditLog.prototype.onCommit = original;
      }
    });

    it('[S14] are answered with INTERNAL where the log cannot be read, and the server goes on', async () => {
      await start();
      const editor = await client();
      await editor.edit(SEG, [merge(1, 2)]);
      const original = LogReader.prototype.page;
      LogReader.prototype.page = () => {
        throw new Error('damaged');
      };
      try {
        editor.probe.send({ kind: 'HISTORY', id: 77, path: SEG, after: 0, limit: 10 });
        expect(await editor.probe.answer(77)).toMatchObject({ kind: 'ERROR', error: 'INTERNAL' });
      } finally {
        LogReader.prototype.page = original;
      }
      expect(await editor.edit(SEG, [merge(1, 3)])).toMatchObject({ seq: 2 });
    });

    it('[E31] are not told the wid of a writer that they asked for before it was another user’s', async () => {
      await start();
      const [editor, reader] = [await client(), await client()];
      const { id } = await reader.subscribe(SEG, { wids: [editor.wid] });
      await reader.snapshot(id);
      await editor.edit(SEG, [merge(1, 2)]);
      const [edit] = await reader.toldUpTo(id, 1);
      expect(edit).not.toHaveProperty('wid');
      expect(edit?.['w']).toHaveLength(4);
    });
  });
}
