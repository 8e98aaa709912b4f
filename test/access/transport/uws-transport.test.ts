import { describe } from 'vitest';
import { loadUws } from '../../../src/access/transport/uws-transport.ts';
import { transportContract } from '../../contract/transport-contract.ts';

const { missing } = loadUws();
if (missing !== undefined) console.warn(`The tests of the uws transport did NOT run: uWebSockets.js: ${missing}.`);

describe.skipIf(missing !== undefined)('uWebSockets.js', () => {
  transportContract('uws');
});
