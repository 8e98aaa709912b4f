/** Runs a suite over uWebSockets.js where its native code loads, and says loudly that it did not run elsewhere. */
import { describe, it } from 'vitest';
import { loadUws } from '../../src/access/transport/uws-transport.ts';

/** @param suite what defines it; @param name for people. */
export function overUws(name: string, suite: (kind: 'uws') => void): void {
  const { missing } = loadUws();
  if (missing === undefined) return suite('uws');
  console.warn(`NOT RUN: ${name} over uWebSockets.js: ${missing}`);
  describe.skip(`${name} over uws`, () => it('needs uWebSockets.js', () => {}));
}
