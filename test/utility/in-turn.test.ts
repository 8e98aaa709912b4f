import { describe, expect, it } from 'vitest';
import { inTurn } from '../../src/utility/in-turn.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';

describe('steps of an end', () => {
  it('are taken one after the other, those behind a failure too, and the first failure is told', async () => {
    const taken: number[] = [];
    const told: unknown[] = [];
    const log = { ...SILENT_LOG, error: ({ err }: Readonly<Record<string, unknown>>) => told.push(err) };
    const [early, late] = [new Error('early'), new Error('late')];
    const steps = [
      async () => {
        await new Promise((resolve) => setImmediate(resolve));
        taken.push(1);
      },
      // Before it is a promise at all.
      () => {
        taken.push(2);
        throw early;
      },
      async () => {
        taken.push(3);
        throw late;
      },
      async () => {
        taken.push(4);
      },
    ];
    await expect(inTurn(log, steps)).rejects.toBe(early);
    expect(taken).toEqual([1, 2, 3, 4]);
    expect(told).toEqual([early, late]);
    await inTurn(log, []);
  });
});
