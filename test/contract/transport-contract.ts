/** The sentences of `src/access/transport/transport.ts`, run for both transports. */
import { describe } from 'vitest';
import { connectionContract } from './transport-connection-contract.ts';
import { flowContract } from './transport-flow-contract.ts';
import { httpContract } from './transport-http-contract.ts';
import { upgradeContract } from './transport-upgrade-contract.ts';

/** Declares the tests that a transport of `kind` must pass. */
export function transportContract(kind: 'ws' | 'uws'): void {
  describe(`the transport contract on ${kind}`, () => {
    upgradeContract(kind);
    connectionContract(kind);
    flowContract(kind);
    httpContract(kind);
  });
}
