import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { openTransport } from '../../../src/access/transport/open-transport.ts';
import type { TransportOptions } from '../../../src/access/transport/transport.ts';
import { isNativeUws } from '../../../src/access/transport/uws-module.ts';
import { loadUws } from '../../../src/access/transport/uws-transport.ts';
import { MemoryLog } from '../../support/transport-harness.ts';

const { missing } = loadUws();
if (missing !== undefined) console.warn(`Some tests of openTransport did NOT run: uWebSockets.js: ${missing}.`);

function optionsWith(log: MemoryLog): TransportOptions {
  const none = { status: 404, headers: {} };
  return {
    handlers: { upgrade: () => ({ accept: false, response: none }), http: () => none },
    log,
    maxMessageBytes: 1000,
  };
}

const missingUws = () => ({ missing: 'it is not installed' });

describe('openTransport', () => {
  it('takes ws where it is chosen, and says so', async () => {
    const log = new MemoryLog();
    expect((await openTransport('ws', optionsWith(log))).kind).toBe('ws');
    expect(log.lines).toEqual([
      { level: 'info', fields: { transport: 'ws', why: 'it was chosen' }, message: 'transport ws' },
    ]);
  });

  it('takes ws for auto where uWebSockets.js cannot be had, and says why', async () => {
    const log = new MemoryLog();
    expect((await openTransport('auto', optionsWith(log), missingUws)).kind).toBe('ws');
    expect(log.lines[0]?.fields).toEqual({ transport: 'ws', why: 'uWebSockets.js: it is not installed' });
  });

  it('says what to do where uws is chosen and cannot be had', async () => {
    await expect(openTransport('uws', optionsWith(new MemoryLog()), missingUws)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message:
        'the transport uws cannot be had: it is not installed; run on Node 20 with the package uWebSockets.js, or choose the transport ws or auto',
    });
  });

  it.skipIf(missing !== undefined)('takes uws for auto and uws where its native code runs', async () => {
    for (const choice of ['auto', 'uws'] as const) {
      const log = new MemoryLog();
      const transport = await openTransport(choice, optionsWith(log));
      expect(transport.kind).toBe('uws');
      expect(log.lines.map(({ message }) => message)).toEqual(['transport uws']);
      await transport.close();
    }
  });

  it.skipIf(missing !== undefined)('does not take the imitation of uWebSockets.js in JavaScript', () => {
    const require = createRequire(import.meta.url);
    const imitation: unknown = require('uWebSockets.js/dist/index.js');
    expect(imitation).toHaveProperty('App');
    expect(isNativeUws(imitation)).toBe(false);
    expect(isNativeUws(undefined)).toBe(false);
    expect(isNativeUws({ App: () => {} })).toBe(false);
  });
});
