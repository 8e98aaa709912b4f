/** A subscription's place on one line: its id, its credit, and what is said about it there. Gone with the line. */
import {
  BflyError,
  type ResumeRequest,
  type ServerMessage,
  type SubscribeOptions,
  type WireMap,
} from '../../protocol/index.ts';
import { CreditAccount } from './credit.ts';
import { wireIds } from './edit-input.ts';
import type { Line } from './line.ts';
import type { EditFilter, SubscriptionOptions } from './subscription.ts';
import { clampWindow } from './window.ts';

/** What a place is taken with. */
export interface PlaceSettings {
  readonly id: number;
  /** What the server takes as granted from the start, bytes. */
  readonly firstLimit: number;
  /** Fixed credit window, bytes; undefined = the line's. */
  readonly window: number | undefined;
  /** Bytes that an earlier line brought and nobody has taken. */
  readonly parked: number;
}

/** A place on a line. */
export class SubscriptionPlace {
  readonly #line: Line;
  readonly #id: number;
  readonly #account: CreditAccount;
  #isOpen = false;

  constructor(line: Line, { id, firstLimit, window, parked }: PlaceSettings) {
    this.#line = line;
    this.#id = id;
    this.#account = new CreditAccount(() => window ?? line.window, firstLimit);
    this.#account.park(parked);
    line.credit.open(id, this.#account);
  }

  /** Whether the server has answered. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  open(): void {
    this.#isOpen = true;
  }

  /** Bytes of EDITS or SNAP came. @throws MalformedFrame over what was granted. */
  arrive(bytes: number): void {
    this.#account.arrive(bytes);
  }

  /** Bytes that came wait for their consumer. */
  park(bytes: number): void {
    this.#account.park(bytes);
  }

  /** Bytes that waited were taken. */
  take(bytes: number): void {
    this.#account.take(bytes);
    this.check();
  }

  /** Grants what is due. */
  check(): void {
    this.#line.credit.check(this.#account);
  }

  /** @param answered told whether the server knows the subscription and the filter; what comes after that is under it. */
  focus(filter: EditFilter, answered: (isDone: boolean) => void): void {
    const receive = (message: ServerMessage): boolean => {
      if (message.kind === 'IGNORED') return false;
      answered(message.kind !== 'ERROR');
      return true;
    };
    this.#line.send({ kind: 'FOCUS', id: this.#line.claim({ receive }), sub: this.#id, filter: wireFilter(filter) });
  }

  /** @returns false where it cannot be sent. */
  showPresence(n: number, state: WireMap | null): boolean {
    if (!this.#isOpen || !this.#line.welcome.feat.includes('presence')) return false;
    this.#line.send({ kind: 'PRESENCE', id: this.#id, n, state });
    return true;
  }

  /** Nothing more comes. */
  leave(): void {
    this.#line.credit.close(this.#id);
  }

  /** Ends it with the server, which may have sent more before it hears of it. */
  unsubscribe(): void {
    this.leave();
    const line = this.#line;
    line.adopt(this.#id, { receive: () => false });
    const done = (message: ServerMessage): boolean => {
      if (message.kind === 'IGNORED') return false;
      line.release(this.#id);
      return true;
    };
    line.send({ kind: 'UNSUBSCRIBE', id: line.claim({ receive: done }), sub: this.#id });
  }
}

/** A fixed window, within what the protocol allows. */
export function fixedWindow({ window }: SubscriptionOptions): number | undefined {
  return window === undefined ? undefined : clampWindow(window);
}

/** The options of SUBSCRIBE besides the window and the position. */
export function wireOptions(
  filter: EditFilter | undefined,
  presence: boolean,
  wids: readonly Uint8Array[],
): Pick<ResumeRequest, keyof SubscribeOptions> {
  return {
    ...(filter === undefined ? {} : { filter: wireFilter(filter) }),
    ...(presence ? { presence: true } : {}),
    ...(wids.length === 0 ? {} : { wids }),
  };
}

function wireFilter({ ids, ...rest }: EditFilter): WireMap {
  return ids === undefined ? { ...rest } : { ...rest, ids: wireIds(ids, 'filter.ids') };
}

/** SUBSCRIBE's reply as far as it is used. */
export interface SubscribeReply {
  readonly epoch: Uint8Array;
  readonly head: number;
  readonly mode: string;
}

/** Reads the reply in WELCOME. @throws BflyError BAD_REQUEST where the map is none. */
export function readReply({ epoch, head, mode }: WireMap): SubscribeReply {
  if (epoch instanceof Uint8Array && typeof head === 'number' && typeof mode === 'string') return { epoch, head, mode };
  throw new BflyError('BAD_REQUEST', 'resume: each must be a map with epoch, head and mode');
}
