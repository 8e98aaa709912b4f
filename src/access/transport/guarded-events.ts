import { CLOSE_CODES } from '../../../protocol/errors.ts';
import type { Logger } from '../../utility/log.ts';
import type { Connection, ConnectionEvents } from './transport.ts';

/** Describes a fault for the log: its stack where there is one. */
export function describeFault(fault: unknown): string {
  return fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
}

/**
 * The events of one connection, behind the promises that both transports make: a handler that throws is logged and
 * closes the connection with 4303, after `mute` only `closed` is still called, and `closed` is called once.
 */
export class GuardedEvents {
  readonly #connection: Connection;
  readonly #log: Logger;
  #events: ConnectionEvents | undefined;
  #muted = false;

  constructor(connection: Connection, log: Logger) {
    this.#connection = connection;
    this.#log = log;
  }

  /** Asks the server for its handlers; where that throws the connection is closed and nothing is ever called. */
  open(open: (connection: Connection) => ConnectionEvents): void {
    this.#run('open', () => {
      this.#events = open(this.#connection);
    });
  }

  /** From now on only `closed` is called. */
  mute(): void {
    this.#muted = true;
  }

  message(bytes: Uint8Array): void {
    const events = this.#events;
    if (events !== undefined && !this.#muted) this.#run('message', () => events.message(bytes));
  }

  text(bytes: Uint8Array): void {
    const events = this.#events;
    if (events !== undefined && !this.#muted) this.#run('text', () => events.text(bytes));
  }

  drained(): void {
    const events = this.#events;
    if (events !== undefined && !this.#muted) this.#run('drained', () => events.drained());
  }

  closed(code: number, reason: string): void {
    this.#muted = true;
    const events = this.#events;
    this.#events = undefined;
    if (events !== undefined) this.#run('closed', () => events.closed(code, reason));
  }

  #run(event: string, handler: () => void): void {
    try {
      handler();
    } catch (fault) {
      this.#log.error({ event, fault: describeFault(fault) }, 'a connection handler threw');
      this.#connection.close(CLOSE_CODES.INTERNAL, 'internal error');
    }
  }
}
