import { describe, it } from 'vitest';
import { loadUws } from '../../src/access/uws-transport.ts';
import { sessionContract } from '../contract/session-contract.ts';

const { missing } = loadUws();
if (missing === undefined) sessionContract('uws');
else {
  console.warn(`NOT RUN: the session suite over uWebSockets.js: ${missing}`);
  describe.skip('session over uws', () => it('needs uWebSockets.js', () => {}));
}
