/** What a welcomed session is made of. Parts that most sessions never need are made when they are asked for: idle sockets are many. */
import { EditRequests } from '../edits/edit-requests.ts';
import { PullRequests } from '../pulls/pull-requests.ts';
import { Subscriptions } from '../subscriptions/subscriptions.ts';
import { Questions } from './questions.ts';
import type { SessionContext } from './session-context.ts';

/** The work of one session. */
export class SessionWork {
  readonly subscriptions: Subscriptions;
  readonly questions: Questions;
  readonly #context: SessionContext;
  /** Names of the session's own writers, see `EditRequests`. */
  readonly #writers = new Set<string>();
  #pulls: PullRequests | undefined;
  #edits: EditRequests | undefined;

  constructor(context: SessionContext) {
    this.#context = context;
    this.subscriptions = new Subscriptions(context, this.#writers);
    this.questions = new Questions(context, this.#writers);
  }

  get queue(): SessionContext['queue'] {
    return this.#context.queue;
  }

  get pulls(): PullRequests {
    this.#pulls ??= new PullRequests(this.#context);
    return this.#pulls;
  }

  get edits(): EditRequests {
    this.#edits ??= new EditRequests(this.#context, this.#writers);
    return this.#edits;
  }

  /** Ends what has waited for too long. */
  sweep(now: number): void {
    this.#pulls?.sweep(now);
    this.#edits?.sweep(now);
    this.subscriptions.sweep();
  }

  /** The connection is gone. */
  close(): void {
    this.#edits?.close();
  }
}
