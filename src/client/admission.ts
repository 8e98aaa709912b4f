/** The server's limits, kept from this side: what would be refused waits here for its turn. */
import type { Limits } from '../../protocol/index.ts';
import type { Clock } from './clock.ts';
import type { Operation } from './operation.ts';

/** Ids that are kept free for PING, PRIO and AUTH, which do not wait. */
const SPARE_REQUESTS = 8;
/** Share of the server's frame rate that is used: its clock and ours are not the same, nor is all of it ours. */
const RATE_SHARE = 0.9;
const LANES = 9;

/** Starts operations in order of urgency, as many at once as the server allows. */
export class Admission {
  readonly #clock: Clock;
  readonly #start: (operation: Operation) => void;
  /** Lane 0: questions; 1..8: pulls of urgency 0..7. */
  readonly #lanes: readonly Set<Operation>[] = Array.from({ length: LANES }, () => new Set<Operation>());
  readonly #running = new Set<Operation>();
  #pulls = 0;
  #limits: Limits | undefined;
  #tokens = 0;
  #filledAt = 0;
  #forgetTimer: (() => void) | undefined;

  constructor(clock: Clock, start: (operation: Operation) => void) {
    this.#clock = clock;
    this.#start = start;
  }

  /** Operations that run or wait. */
  get size(): number {
    return this.#running.size + this.#lanes.reduce((sum, lane) => sum + lane.size, 0);
  }

  /** A line is there. */
  open(limits: Limits): void {
    this.#limits = limits;
    this.#tokens = limits.framesBurst * RATE_SHARE;
    this.#filledAt = this.#clock.now();
    this.#pump();
  }

  /** The line is gone: what ran waits again, before what waited already. */
  shut(): void {
    this.#limits = undefined;
    this.#forgetTimer?.();
    this.#forgetTimer = undefined;
    const before = [...this.#running];
    this.#running.clear();
    this.#pulls = 0;
    const waiting = this.#lanes.map((lane) => [...lane]);
    for (const lane of this.#lanes) lane.clear();
    for (const operation of [...before, ...waiting.flat()]) this.#lane(operation).add(operation);
  }

  /** Starts nothing until the next `open`. What runs goes on. */
  hold(): void {
    this.#limits = undefined;
  }

  add(operation: Operation): void {
    this.#lane(operation).add(operation);
    this.#pump();
  }

  remove(operation: Operation): void {
    for (const lane of this.#lanes) lane.delete(operation);
    if (!this.#running.delete(operation)) return;
    if (operation.isPull) this.#pulls--;
    this.#pump();
  }

  #lane(operation: Operation): Set<Operation> {
    const index = operation.isPull ? Math.min(LANES - 1, 1 + operation.urgency) : 0;
    return this.#lanes[index] as Set<Operation>; // there is one for each index
  }

  #pump(): void {
    const limits = this.#limits;
    if (limits === undefined) return;
    this.#refill(limits);
    while (this.#running.size < Math.max(1, limits.requests - SPARE_REQUESTS)) {
      const next = this.#next(limits);
      if (next === undefined) return;
      if (this.#tokens < 1) {
        this.#wakeLater(limits);
        return;
      }
      this.#tokens--;
      for (const lane of this.#lanes) lane.delete(next);
      this.#running.add(next);
      if (next.isPull) this.#pulls++;
      this.#start(next);
    }
  }

  #next(limits: Limits): Operation | undefined {
    const lanes = this.#pulls < limits.pulls ? this.#lanes : this.#lanes.slice(0, 1);
    for (const lane of lanes) for (const operation of lane) return operation;
    return undefined;
  }

  #refill(limits: Limits): void {
    const now = this.#clock.now();
    const fresh = ((now - this.#filledAt) / 1_000) * limits.framesPerSecond * RATE_SHARE;
    this.#tokens = Math.min(limits.framesBurst * RATE_SHARE, this.#tokens + fresh);
    this.#filledAt = now;
  }

  #wakeLater(limits: Limits): void {
    const ms = Math.ceil(((1 - this.#tokens) / (limits.framesPerSecond * RATE_SHARE)) * 1_000);
    this.#forgetTimer ??= this.#clock.after(Math.max(1, ms), () => {
      this.#forgetTimer = undefined;
      this.#pump();
    });
  }
}
