import { loadUws } from '../../../src/access/transport/uws-transport.ts';
import { sessionAuthContract } from '../../contract/session-auth-contract.ts';

sessionAuthContract('ws');
const { missing } = loadUws();
if (missing === undefined) sessionAuthContract('uws');
else console.warn(`NOT RUN: the suite of tokens and rights over uWebSockets.js: ${missing}`);
