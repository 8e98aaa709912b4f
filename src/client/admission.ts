/** The server's limits, kept from this side: what would be refused waits here for its turn. */
import type { Limits } from '../../protocol/index.ts';
import type { Clock } from './clock.ts';
import type { Operation } from './operation.ts';
import { Rate } from './rate.ts';

/** Ids that are kept free for PING, PRIO, AUTH, FOCUS and UNSUBSCRIBE, which do not wait. */
const SPARE_REQUESTS = 8;
/** Lane 0: questions; 1: edits; 2..9: pulls of urgency 0..7. */
const LANES = 10;
const EDITS = 1;
const PULLS = 2;

/** Starts operations in order of urgency, as many at once as the server allows. Those of one lane start in their order. */
export class Admission {
  readonly #clock: Clock;
  readonly #start: (operation: Operation) => void;
  readonly #lanes: readonly Set<Operation>[] = Array.from({ length: LANES }, () => new Set<Operation>());
  readonly #running = new Set<Operation>();
  readonly #frames = new Rate();
  readonly #edits = new Rate();
  #pulls = 0;
  #limits: Limits | undefined;
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
    const now = this.#clock.now();
    this.#frames.open(limits.framesPerSecond, limits.framesBurst, now);
    this.#edits.open(limits.editsPerSecond, limits.editsBurst, now);
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
    let index = 0;
    if (operation.isPull) index = Math.min(LANES - 1, PULLS + operation.urgency);
    else if (operation.isEdit === true) index = EDITS;
    return this.#lanes[index] as Set<Operation>; // there is one for each index
  }

  #pump(): void {
    while (this.#limits !== undefined && this.#running.size < Math.max(1, this.#limits.requests - SPARE_REQUESTS)) {
      const next = this.#next(this.#limits);
      if (next === undefined) return;
      const waitMs = this.#frames.waitMs(this.#clock.now());
      if (waitMs > 0) {
        this.#wakeLater(waitMs);
        return;
      }
      this.#frames.take();
      if (next.isEdit === true) this.#edits.take();
      for (const lane of this.#lanes) lane.delete(next);
      this.#running.add(next);
      if (next.isPull) this.#pulls++;
      this.#start(next);
    }
  }

  /** The first that may start; edits over their rate let the others pass. */
  #next(limits: Limits): Operation | undefined {
    for (const [index, lane] of this.#lanes.entries()) {
      if (lane.size === 0 || (index >= PULLS && this.#pulls >= limits.pulls)) continue;
      const waitMs = index === EDITS ? this.#edits.waitMs(this.#clock.now()) : 0;
      if (waitMs > 0) this.#wakeLater(waitMs);
      else for (const operation of lane) return operation;
    }
    return undefined;
  }

  #wakeLater(ms: number): void {
    this.#forgetTimer ??= this.#clock.after(ms, () => {
      this.#forgetTimer = undefined;
      this.#pump();
    });
  }
}
