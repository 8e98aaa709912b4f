/** Edits over a server that loses lines and refuses at will, before and after it has applied them. Rules [E14], [E15]. */
import { describe, expect, it } from 'vitest';
import type { ErrorName } from '../../protocol/index.ts';
import { blamesEdit, editVerdict } from '../../src/client/edit-verdict.ts';
import type { SavedWriter, WriterStore } from '../../src/client/writer-store.ts';
import { editStage, inTime, PATH } from '../support/edit-stage.ts';
import { seededRandom, settled } from '../support/fake-server.ts';
import { testSeed } from '../support/seed.ts';

const put = (key: number) => [{ op: 'put', table: 'annotation', rows: [{ key, text: `edit ${key}` }] }] as const;
const numbers = (arrivals: readonly string[]): number[] => arrivals.map((arrival) => Number(arrival.split(':')[1]));

/** Key of the row that an edit put. */
function keyOf(ops: readonly unknown[]): number {
  const [op] = ops as readonly { readonly rows: readonly { readonly key: bigint | number }[] }[];
  return Number(op?.rows[0]?.key);
}

describe('a resend', () => {
  it.each(['RATE_LIMITED', 'UNAVAILABLE'] as const)(
    '[E15] that is answered by %s is sent again as it is: the first copy may have been applied on the lost line',
    async (refusal) => {
      const { session, server, clock, log } = await editStage();
      log.fates.push('mute', refusal, refusal);
      const edit = session.edit(PATH, put(1));
      await settled();
      server.last.drop();
      expect(await inTime(clock, edit)).toMatchObject({ seq: 1, dup: true });
      expect(numbers(log.arrivals)).toEqual([1, 1, 1, 1]);
      expect(log.edits).toHaveLength(1);
    },
  );

  it.each([
    ['TIMEOUT', 'RATE_LIMITED'],
    ['TIMEOUT', 'UNAVAILABLE'],
    ['INTERNAL', 'RATE_LIMITED'],
    ['INTERNAL', 'UNAVAILABLE'],
  ] as const)('[E15] after %s that is answered by %s is sent again as it is', async (first, refusal) => {
    const { session, clock, log } = await editStage();
    log.isLate = () => true;
    log.fates.push(first, refusal);
    expect(await inTime(clock, session.edit(PATH, put(1)))).toMatchObject({ seq: 1, dup: true });
    expect(numbers(log.arrivals)).toEqual([1, 1, 1]);
    expect(log.edits).toHaveLength(1);
  });

  it('[E15] takes a new number after REJECTED, and from then on after UNAVAILABLE too', async () => {
    const { session, clock, log } = await editStage();
    log.fates.push('TIMEOUT', 'REJECTED', 'UNAVAILABLE');
    expect(await inTime(clock, session.edit(PATH, put(1)))).toMatchObject({ seq: 1, dup: false });
    expect(numbers(log.arrivals)).toEqual([1, 1, 2, 3]);
  });

  it('[E15] of a reloaded page is one too', async () => {
    const saved = new Map<string, SavedWriter>();
    const writers: WriterStore = {
      load: (path) => saved.get(path),
      save: (path, writer) => void saved.set(path, structuredClone(writer)),
    };
    const { session, clock, log, open } = await editStage({ writers });
    log.fates.push('mute');
    const lost = session.edit(PATH, put(1)).catch(() => {});
    await settled();
    const kept = structuredClone(saved.get(PATH));
    await session.close();
    await lost;
    if (kept !== undefined) saved.set(PATH, kept);
    log.fates.push('RATE_LIMITED', 'UNAVAILABLE');
    const reloaded = await open({ writers });
    await reloaded.recover(PATH);
    await inTime(clock, reloaded.edit(PATH, put(2)));
    expect(log.edits.map(({ ops }) => keyOf(ops))).toEqual([1, 2]);
  });

  it('is not given up because of refusals that are not its fault', async () => {
    const { session, clock, log } = await editStage();
    log.fates.push(...Array.from({ length: 12 }, () => 'UNAVAILABLE' as const), 'TIMEOUT', 'INTERNAL');
    expect(await inTime(clock, session.edit(PATH, put(1)))).toMatchObject({ seq: 1 });
  });
});

describe('any number of losses and refusals', () => {
  const REFUSALS = ['RATE_LIMITED', 'UNAVAILABLE', 'TIMEOUT', 'INTERNAL'] as const;
  const seeds = [testSeed('exactly once'), ...Array.from({ length: 20 }, (_, i) => i + 1)];

  it.each(seeds)(
    '[E15] leave each edit applied exactly once, under the seq that it was told (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const { session, server, clock, log } = await editStage();
      log.isLate = () => random() < 0.5;
      const held: (() => void)[] = [];
      server.script = (message, connection) => {
        if (message.kind !== 'EDIT') return false;
        // A line may be lost before or after its edits are worked on, and so they may be worked on after the next line is there.
        if (random() < 0.3) held.push(() => log.take(message, connection));
        else log.take(message, connection);
        return true;
      };
      const edits: Promise<number>[] = [];
      for (let i = 0; i < 60; i++) {
        edits.push(session.edit(PATH, put(i)).then(({ seq }) => seq));
        const fate = random();
        if (fate < 0.35) log.fates.push(REFUSALS[Math.floor(random() * REFUSALS.length)] ?? 'TIMEOUT');
        else if (fate < 0.5) log.fates.push('mute');
        else if (fate < 0.8) log.fates.push('apply');
        if (random() < 0.3) await settled();
        if (random() < 0.5) held.shift()?.();
        if (random() < 0.15) {
          server.last.drop();
          if (random() < 0.5) held.splice(0); // lost with the line
        }
        if (random() < 0.4) await clock.advance(random() * 1_500);
      }
      let isDone = false;
      const all = Promise.all(edits);
      const done = (): void => {
        isDone = true;
      };
      all.then(done, done);
      for (let i = 0; i < 5_000 && !isDone; i++) {
        for (const take of held.splice(0)) take();
        // An answer that was not given is only made good by another line.
        if (i % 50 === 0) server.last.drop();
        await clock.advance(200);
      }
      expect(isDone).toBe(true);
      const seqs = await all;
      expect(log.edits.map(({ ops }) => keyOf(ops)).sort((a, b) => a - b)).toEqual(edits.map((_, i) => i));
      for (const [i, seq] of seqs.entries()) expect(keyOf(log.edits[seq - 1]?.ops ?? [])).toBe(i);
    },
  );
});

it('[E15] only what certainly was not applied gets another number', () => {
  const all: ErrorName[] = ['REJECTED', 'UNAVAILABLE', 'RATE_LIMITED', 'TIMEOUT', 'INTERNAL', 'CONFLICT', 'FORBIDDEN'];
  expect(all.map((code) => editVerdict(code, false))).toEqual([
    'renumber',
    'renumber',
    'renumber',
    'resend',
    'resend',
    'end',
    'end',
  ]);
  expect(all.map((code) => editVerdict(code, true))).toEqual([
    'renumber',
    'resend',
    'resend',
    'resend',
    'resend',
    'end',
    'end',
  ]);
  expect(all.filter(blamesEdit)).toEqual(['TIMEOUT', 'INTERNAL']);
});
