/** Steps of an end, none of which may keep the others from being taken. */
import type { Logger } from './log.ts';

/**
 * Takes steps one after the other. One that fails is logged, and the next is taken.
 *
 * @throws what the first of those that failed threw, when all have been taken.
 */
export async function inTurn(log: Logger, steps: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps)
    try {
      await step();
    } catch (error) {
      log.error({ err: error }, 'a step of closing failed; the others follow');
      failures.push(error);
    }
  if (failures.length > 0) throw failures[0];
}
