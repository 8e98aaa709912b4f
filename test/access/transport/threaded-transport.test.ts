import { describe } from 'vitest';
import { loadUws } from '../../../src/access/transport/uws-transport.ts';
import { transportContract } from '../../contract/transport-contract.ts';

const { missing } = loadUws();
if (missing !== undefined) console.warn(`The tests of threads with sockets did NOT run: uWebSockets.js: ${missing}.`);

describe.skipIf(missing !== undefined)('threads with sockets', () => {
  transportContract('threads');
});
