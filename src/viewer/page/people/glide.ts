/** A place that moves smoothly to where it was last said to be. Pure. */
import type { Place } from '../stage.ts';

/** Two words of somebody who moves are so far apart, and a little more, ms. */
const GLIDE_MS = 90;

/** A place on its way. */
export class Glide {
  #from: Place;
  #to: Place;
  #began = Number.NEGATIVE_INFINITY;

  constructor(place: Place) {
    this.#from = place;
    this.#to = place;
  }

  /** It is to be there soon. @param now ms. */
  moveTo(place: Place, now: number): void {
    if (place.every((nm, axis) => nm === this.#to[axis])) return;
    this.#from = this.at(now);
    this.#to = place;
    this.#began = now;
  }

  /** Where it is. @param now ms. */
  at(now: number): Place {
    const part = Math.min(1, (now - this.#began) / GLIDE_MS);
    if (part >= 1) return this.#to;
    const [a, b] = [this.#from, this.#to];
    const on = (axis: 0 | 1 | 2): number => a[axis] + (b[axis] - a[axis]) * part;
    return [on(0), on(1), on(2)];
  }

  /** @param now ms. */
  isMoving(now: number): boolean {
    return now - this.#began < GLIDE_MS;
  }
}
