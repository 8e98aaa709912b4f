import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClientMessage } from '../../../protocol/index.ts';
import type { LiveChannel } from '../../../src/client/index.ts';
import { BodySync, type Frames } from '../../../src/viewer/page/neuroglancer/body-sync.ts';
import { type EditStage, editStage, PATH } from '../../support/edit-stage.ts';
import { settled } from '../../support/fake-server.ts';
import { groupsOf, NaiveSets } from '../../support/naive-sets.ts';
import { testRuns, testSeed } from '../../support/seed.ts';

/** Few, so that everything meets everything. */
const IDS = 14;

interface SyncStage extends EditStage {
  readonly channel: LiveChannel;
  readonly sets: NaiveSets;
  readonly sync: BodySync;
  /** EDITs that the server has and has not worked on, oldest first. */
  readonly held: (() => void)[];
  /** Ends the pauses in the linking of all bodies. */
  readonly pauses: (() => void)[];
  /** Draws a frame, if one was asked for. */
  readonly frame: () => void;
}

/** Sets that follow a channel whose edits the server keeps until they are let go. */
async function stage(): Promise<SyncStage> {
  const all = await editStage();
  const held: (() => void)[] = [];
  const channel = all.session.open(PATH);
  const sets = new NaiveSets();
  let work: (() => void) | undefined;
  let isAsked = false;
  const frames: Frames = (own) => {
    work = own;
    const set = (to: boolean) => (): void => {
      isAsked = to;
    };
    return { ask: set(true), cancel: set(false) };
  };
  const pauses: (() => void)[] = [];
  const pause = (): Promise<void> => new Promise((resolve) => pauses.push(resolve));
  const sync = new BodySync(channel, sets, frames, { idsAtOnce: 4, pause });
  all.server.script = (message: ClientMessage, connection) => {
    if (message.kind !== 'EDIT') return false;
    held.push(() => all.log.take(message, connection));
    return true;
  };
  await settled();
  const frame = (): void => {
    if (!isAsked) return;
    isAsked = false;
    work?.();
  };
  return { ...all, channel, sets, sync, held, frame, pauses };
}

async function framesUntilQuiet({ frame, pauses }: SyncStage): Promise<void> {
  for (let i = 0; i < 8; i++) {
    await settled();
    frame();
    for (const end of pauses.splice(0)) end();
  }
  await settled();
}

function expectRight({ sets, channel }: SyncStage): void {
  const ids = Array.from({ length: IDS }, (_, id) => BigInt(id));
  expect(sets.groups()).toEqual(groupsOf(ids, (id) => channel.view.membersOf(id)));
}

const id = fc.nat(IDS - 1);
const op = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant('merge' as const), ids: fc.array(id, { maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('cleave' as const), ids: fc.array(id, { maxLength: 4 }) }) },
);
const ops = fc.array(op, { minLength: 1, maxLength: 3 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('own' as const), ops }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('foreign' as const), ops }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('foreignUndo' as const), seq: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('undo' as const, 'redo' as const) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('answer' as const), isRefused: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('look' as const, 'frame' as const, 'pause' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('drop' as const, 'restore' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

async function take(all: SyncStage, one: Step): Promise<void> {
  const { channel, log, held, server, clock, frame, pauses } = all;
  const ignore = (): void => {};
  const wired = (list: typeof ops extends fc.Arbitrary<infer O> ? O : never): Record<string, unknown>[] =>
    list.map(({ op: name, ids }) => ({ op: name, ids }));
  if (one.do === 'own') channel.edit(one.ops).catch(ignore);
  else if (one.do === 'foreign') log.foreign(...wired(one.ops));
  else if (one.do === 'foreignUndo' && log.head > 0) log.foreign({ op: 'undo', seq: 1 + (one.seq % log.head) });
  else if (one.do === 'undo') channel.undo().catch(ignore);
  else if (one.do === 'redo') channel.redo().catch(ignore);
  else if (one.do === 'answer' && held.length > 0) {
    if (one.isRefused) log.fates.push('FORBIDDEN');
    held.shift()?.();
  } else if (one.do === 'frame') frame();
  else if (one.do === 'pause') {
    pauses.shift()?.();
    await settled();
  } else if (one.do === 'drop' || one.do === 'restore') {
    held.splice(0);
    server.last.drop();
    if (one.do === 'restore') log.restore(log.head + 9, Math.floor(log.head / 2));
    await clock.advance(3_000);
  }
}

describe('sets that follow a channel', () => {
  it('are its bodies after every frame, whatever is merged, cleaved, undone, refused or lost', async () => {
    const seed = testSeed('sets that follow a channel');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
        const all = await stage();
        for (const one of steps) {
          await take(all, one);
          if (one.do !== 'look' || all.channel.subscription.loading) continue;
          await framesUntilQuiet(all);
          if (!all.channel.subscription.loading) expectRight(all);
        }
        while (all.held.length > 0) {
          all.held.shift()?.();
          await settled();
        }
        for (let i = 0; i < 20 && all.channel.subscription.loading; i++) await all.clock.advance(3_000);
        await framesUntilQuiet(all);
        expectRight(all);
        all.sync.end();
        await all.session.close();
      }),
      { seed, numRuns: testRuns(60) },
    );
  });

  it('show own edits that were under way before they began to follow', async () => {
    const all = await stage();
    await all.channel.subscription.ready;
    void all.channel.edit([{ op: 'merge', ids: [3, 5] }]);
    const late = new NaiveSets();
    const frames: (() => void)[] = [];
    new BodySync(all.channel, late, (work) => ({ ask: () => frames.push(work), cancel: () => {} }));
    for (let i = 0; i < 3; i++) {
      frames.splice(0).at(-1)?.();
      await settled();
    }
    expect(late.groups()).toEqual(['3 5']);
  });

  it('are right when what own edits leave of two bodies is joined by somebody else', async () => {
    const all = await stage();
    await framesUntilQuiet(all);
    all.log.foreign({ op: 'merge', ids: [2, 4] }, { op: 'merge', ids: [3, 8] });
    void all.channel.edit([{ op: 'cleave', ids: [2] }]);
    void all.channel.edit([{ op: 'cleave', ids: [3] }]);
    await framesUntilQuiet(all);
    expect(all.sets.groups()).toEqual([]);
    all.log.foreign({ op: 'merge', ids: [4, 8] });
    await framesUntilQuiet(all);
    expect(all.sets.groups()).toEqual(['4 8']);
  });

  it('are right when one of several own edits that build on each other is refused', async () => {
    const all = await stage();
    all.log.foreign({ op: 'merge', ids: [10, 12] }, { op: 'merge', ids: [11, 13] });
    await framesUntilQuiet(all);
    const pairs = [
      [2, 3],
      [2, 10],
      [3, 11],
    ];
    const own = pairs.map((ids) => all.channel.edit([{ op: 'merge', ids }]));
    own.push(all.channel.edit([{ op: 'cleave', ids: [2, 3, 10, 11] }]));
    await framesUntilQuiet(all);
    expect(all.sets.groups()).toEqual(['12 13', '2 3 10 11']);
    all.log.fates.push('FORBIDDEN');
    all.held.shift()?.();
    await expect(own[0]).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await framesUntilQuiet(all);
    expect(all.sets.groups()).toEqual(['2 3 10 11']);
  });

  it('are right when edits come while all bodies are still being linked', async () => {
    const all = await stage();
    all.log.foreign(...[1, 3, 5, 7].map((first) => ({ op: 'merge', ids: [first, first + 1] })));
    await framesUntilQuiet(all);
    all.server.last.drop();
    all.log.restore(9, 1);
    await all.clock.advance(3_000);
    all.frame();
    await settled();
    expect(all.pauses).toHaveLength(1);
    all.log.foreign({ op: 'cleave', ids: [7] });
    await settled();
    all.frame();
    await framesUntilQuiet(all);
    expect(all.sets.groups()).toEqual(['1 2', '3 4', '5 6']);
  });

  it('begin anew when the log does while all bodies are still being linked', async () => {
    const all = await stage();
    all.log.foreign(...[1, 3, 5, 7].map((first) => ({ op: 'merge', ids: [first, first + 1] })));
    for (const epoch of [8, 9]) {
      all.server.last.drop();
      all.log.restore(epoch, epoch === 8 ? 1 : 0);
      await all.clock.advance(3_000);
      all.frame();
      await settled();
      if (epoch === 8) expect(all.pauses).toHaveLength(1);
    }
    await framesUntilQuiet(all);
    expect(all.sets.groups()).toEqual([]);
  });

  it('look at the members of a large body once a frame, not once for each', async () => {
    const all = await stage();
    await framesUntilQuiet(all);
    const ids = Array.from({ length: 500 }, (_, i) => i + 1);
    all.log.foreign({ op: 'merge', ids });
    await framesUntilQuiet(all);
    all.sets.work = 0;
    all.log.foreign({ op: 'cleave', ids: ids.slice(250) });
    await framesUntilQuiet(all);
    expect(all.sets.groups()).toHaveLength(2);
    expect(all.sets.work).toBeLessThan(10 * ids.length);
  });

  it('do nothing where nothing changed', async () => {
    const all = await stage();
    await framesUntilQuiet(all);
    const { rounds } = all.sets;
    all.log.foreign({ op: 'put', table: 'annotation', rows: [{ key: 1, text: 'here' }] });
    await framesUntilQuiet(all);
    expect(all.sets.rounds).toBe(rounds);
  });
});
