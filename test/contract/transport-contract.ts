/** The sentences of `src/access/transport/transport.ts`, run for every transport. */
import { describe } from 'vitest';
import type { TransportKind } from '../support/transport-harness.ts';
import { connectionContract } from './transport-connection-contract.ts';
import { flowContract } from './transport-flow-contract.ts';
import { httpContract } from './transport-http-contract.ts';
import { upgradeContract } from './transport-upgrade-contract.ts';

/** Declares the tests that a transport of `kind` must pass. */
export function transportContract(kind: TransportKind): void {
  describe(`the transport contract on ${kind}`, () => {
    upgradeContract(kind);
    connectionContract(kind);
    flowContract(kind);
    httpContract(kind);
  });
}
