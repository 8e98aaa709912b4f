/** The way out of plain HTTP. */
import type { Transport } from './transport.ts';

const LOOK_MS = 20;

/**
 * Waits for the answers of requests that came before the server began to leave, until they have been taken whole.
 *
 * @param graceMs how long that may take.
 */
export async function finishRequests(transport: Pick<Transport, 'unfinished'>, graceMs: number): Promise<void> {
  const deadline = Date.now() + graceMs;
  while (transport.unfinished > 0 && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, Math.min(LOOK_MS, graceMs)));
}
