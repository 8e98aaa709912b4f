import { BflyError } from '../../../protocol/errors.ts';
import type { Transport, TransportOptions } from './transport.ts';
import { createUwsTransport, type LoadedUws, loadUws } from './uws-transport.ts';
import { createWsTransport } from './ws-transport.ts';

/** What a user may ask for. */
export type TransportChoice = 'auto' | 'uws' | 'ws';

/**
 * Makes the transport that was chosen; `auto` is uWebSockets.js where its native code runs, else ws. The log says
 * which one and why. It listens to nothing yet.
 *
 * @param load how uWebSockets.js is loaded; tests have it missing.
 * @throws BflyError UNAVAILABLE where uws was asked for and cannot be had.
 */
export async function openTransport(
  choice: TransportChoice,
  options: TransportOptions,
  load: () => LoadedUws = loadUws,
): Promise<Transport> {
  const { log } = options;
  if (choice === 'ws') {
    log.info({ transport: 'ws', why: 'it was chosen' }, 'transport ws');
    return createWsTransport(options);
  }
  const { module, missing } = load();
  if (module !== undefined) {
    log.info(
      { transport: 'uws', why: choice === 'uws' ? 'it was chosen' : 'its native code runs here' },
      'transport uws',
    );
    return createUwsTransport(module, options);
  }
  if (choice === 'uws') {
    const remedy = 'run on Node 20 with the package uWebSockets.js, or choose the transport ws or auto';
    throw new BflyError('UNAVAILABLE', `the transport uws cannot be had: ${missing}; ${remedy}`);
  }
  log.info({ transport: 'ws', why: `uWebSockets.js: ${missing}` }, 'transport ws');
  return createWsTransport(options);
}
