/** Work that outlives a lost connection: it is started anew on the next one. */
import type { BflyError, ClientMessage, ServerMessage } from '../../protocol/index.ts';
import type { Clock } from './clock.ts';
import { frameError, type Handler, type Line, unexpected } from './line.ts';

/** A piece of work that the connection keeps until it is over. */
export interface Operation {
  /** Whether it counts as a pull in the server's limits. */
  readonly isPull: boolean;
  /** Whether it counts as an edit in the server's limits. Edits start in the order of their submission. */
  readonly isEdit?: boolean;
  /** Among those that wait: 0 first, 7 last. */
  readonly urgency: number;
  /** Sends its request. Called again on each new line until the operation is over. */
  start(line: Line): void;
  /** It will never be answered. Called at most once, and nothing after it. */
  fail(error: unknown): void;
}

/** Who keeps operations. */
export interface OperationHost {
  readonly clock: Clock;
  /** Whether work is carried over a lost connection. */
  readonly carries: boolean;
  /** Starts the operation as soon as the connection and the server's limits allow. Fails it where the session is over. */
  submit(operation: Operation): void;
  /** The operation is over, or asks for nothing any more. */
  finish(operation: Operation): void;
}

/** Listens for an abort. @returns a function that ends it; the listener is not kept after that. */
export function onAbort(signal: AbortSignal | undefined, abort: (reason: unknown) => void): () => void {
  if (signal === undefined) return () => {};
  const listener = (): void => abort(signal.reason);
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** A question with one reply. */
export interface Question<T> {
  readonly message: (id: number) => ClientMessage;
  /** The value in the reply; `undefined` where it is no reply to this question. */
  readonly answer: (message: ServerMessage) => { readonly value: T } | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks until there is an answer, over as many connections as it takes; for questions that change nothing.
 *
 * @throws BflyError of the server's ERROR, UNAVAILABLE where the connection is lost for good; the signal's reason.
 */
export function ask<T>(host: OperationHost, question: Question<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    if (question.signal?.aborted) return reject(question.signal.reason);
    const operation = new AskOperation(question, host.carries, (settle) => {
      forgetAbort();
      host.finish(operation);
      settle(resolve, reject);
    });
    const forgetAbort = onAbort(question.signal, (reason) => operation.abort(reason));
    host.submit(operation);
  });
}

/** Whether a request crossed a GOAWAY on its way: it is over on this line, and started again on the next. */
export function refusedByLeaving(
  message: Extract<ServerMessage, { kind: 'ERROR' }>,
  line: Line | undefined,
  carries: boolean,
): boolean {
  return carries && line?.leaving === true && message.error === 'UNAVAILABLE';
}

type Settle<T> = (resolve: (value: T) => void, reject: (error: unknown) => void) => void;

class AskOperation<T> implements Operation, Handler {
  readonly isPull = false;
  readonly urgency = 0;
  readonly #question: Question<T>;
  readonly #carries: boolean;
  #finish: ((settle: Settle<T>) => void) | undefined;
  #line: Line | undefined;
  #id = 0;

  constructor(question: Question<T>, carries: boolean, finish: (settle: Settle<T>) => void) {
    this.#question = question;
    this.#carries = carries;
    this.#finish = finish;
  }

  start(line: Line): void {
    this.#line = line;
    this.#id = line.claim(this);
    line.send(this.#question.message(this.#id));
  }

  receive(message: ServerMessage): boolean {
    if (message.kind === 'IGNORED') return false;
    if (this.#finish === undefined) return true;
    if (message.kind === 'ERROR') {
      if (refusedByLeaving(message, this.#line, this.#carries)) {
        this.#line = undefined;
        return true;
      }
      this.fail(frameError(message));
      return true;
    }
    const answer = this.#question.answer(message);
    if (answer === undefined) throw unexpected(message, this.#question.message(0).kind);
    this.#over((resolve) => resolve(answer.value));
    return true;
  }

  lost(_error: BflyError): void {
    this.#line = undefined;
  }

  abort(reason: unknown): void {
    this.#line?.send({ kind: 'CANCEL', id: this.#id });
    this.fail(reason);
  }

  fail(error: unknown): void {
    this.#over((_resolve, reject) => reject(error));
  }

  #over(settle: Settle<T>): void {
    const finish = this.#finish;
    this.#finish = undefined;
    finish?.(settle);
  }
}
