/**
 * The files of a volume on another machine, over HTTP.
 *
 * Only the host of the address that was configured is ever asked. What fails for the moment is tried again with growing pauses; then the
 * server counts as away for a moment, so that a dead one does not hold up the workers that other volumes need.
 */
import { setTimeout as timer } from 'node:timers/promises';
import { BflyError } from '../../protocol/errors.ts';
import { remoteName } from '../utility/remote-url.ts';
import type { ByteStore, FilePart, StampedFile } from './byte-store.ts';
import { type RemoteAnswer, type RemoteRequest, requestRemote } from './remote-request.ts';

/** How patient a store is. */
export interface RemoteOptions {
  /** How long a server may be silent, ms. */
  readonly timeoutMs?: number;
  /** Pauses before the second, third, … try, ms. */
  readonly pausesMs?: readonly number[];
  /** How long a server that failed counts as away, ms. */
  readonly awayMs?: number;
  /** Waits; it ends early where the signal says so. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const TIMEOUT_MS = 10_000;
const PAUSES_MS = [150, 600];
const AWAY_MS = 1_000;
/** More connections to one server are slower, not faster, and are taken for an attack. */
const REQUESTS_AT_ONCE = 8;
const RETRY_MS = 2_000;

const sleepUntil = (ms: number, signal: AbortSignal): Promise<void> => timer(ms, undefined, { signal }).catch(() => {});

/** A folder of a web server or public bucket. */
export class RemoteStore implements ByteStore {
  readonly name: string;
  readonly isRemote = true;
  readonly #base: string;
  readonly #query: string;
  readonly #options: Required<RemoteOptions>;
  readonly #abort = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;
  #refused = false;
  #away: { readonly until: number; readonly why: string } | undefined;

  /** @param url as `plainRemoteUrl` gives it. */
  constructor(url: string, options: RemoteOptions = {}) {
    const { origin, pathname, search } = new URL(url);
    this.#base = `${origin}${pathname.replace(/\/+$/, '')}`;
    this.#query = search;
    this.name = `"${remoteName(url)}"`;
    this.#options = { timeoutMs: TIMEOUT_MS, pausesMs: PAUSES_MS, awayMs: AWAY_MS, sleep: sleepUntil, ...options };
  }

  get refused(): boolean {
    return this.#refused;
  }

  async get(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    return (await this.getStamped(name, maxBytes))?.bytes;
  }

  async getStamped(name: string, maxBytes: number): Promise<StampedFile | undefined> {
    const answer = await this.#ask(name, { method: 'GET', maxBytes });
    return answer.kind === 'found' ? { bytes: answer.bytes, stamp: answer.stamp } : undefined;
  }

  async getRange(name: string, range: FilePart): Promise<Uint8Array | undefined> {
    const length = 'suffixLength' in range ? range.suffixLength : range.length;
    // There is no way to ask for nothing.
    if (length === 0) return new Uint8Array(0);
    const answer = await this.#ask(name, { method: 'GET', range, maxBytes: length });
    return answer.kind === 'found' ? answer.bytes : undefined;
  }

  async has(name: string): Promise<boolean> {
    return (await this.#ask(name, { method: 'HEAD', maxBytes: 0 })).kind === 'found';
  }

  async stampOf(): Promise<undefined> {}

  async folders(): Promise<undefined> {}

  close(): void {
    this.#abort.abort();
  }

  async #ask(
    name: string,
    request: Pick<RemoteRequest, 'method' | 'range' | 'maxBytes'>,
  ): Promise<Exclude<RemoteAnswer, { kind: 'away' }>> {
    // Names of files are no addresses: one that looks like one stays below the host that was named.
    const url = `${this.#base}/${name.split('/').map(encodeURIComponent).join('/')}${this.#query}`;
    const { timeoutMs, pausesMs, sleep } = this.#options;
    await this.#enter();
    try {
      for (let turn = 0; ; turn++) {
        this.#failIfAway();
        const answer = await requestRemote({ ...request, url, timeoutMs, signal: this.#abort.signal });
        if (answer.kind === 'refused') this.#refused = true;
        if (answer.kind !== 'away') return answer;
        const pause = pausesMs[turn];
        // Who waits for a silent server has waited long enough.
        if (pause === undefined || answer.isSilent || this.#abort.signal.aborted) this.#giveUp(answer.why);
        else await sleep(answer.retryMs ?? pause * (0.5 + Math.random()), this.#abort.signal);
      }
    } finally {
      this.#leave();
    }
  }

  #failIfAway(): void {
    if (this.#away !== undefined && performance.now() < this.#away.until) throw this.#fault(this.#away.why);
  }

  #giveUp(why: string): never {
    this.#away = { until: performance.now() + this.#options.awayMs, why };
    throw this.#fault(why);
  }

  #fault(why: string): BflyError {
    return new BflyError('UNAVAILABLE', `the server of ${this.name} is away: ${why}`, { retryMs: RETRY_MS });
  }

  async #enter(): Promise<void> {
    if (this.#underWay >= REQUESTS_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#underWay++;
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#underWay--;
    else next();
  }
}
