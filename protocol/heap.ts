/** Numbers, of which the largest is taken first. */

/** A binary heap. */
export class Heap {
  /** None is above its parent, at half its place. */
  readonly #numbers: number[] = [];

  push(number: number): void {
    const numbers = this.#numbers;
    let at = numbers.push(number) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = numbers[up] as number;
      if (parent >= number) break;
      numbers[at] = parent;
      at = up;
    }
    numbers[at] = number;
  }

  /** Takes the largest; undefined: there is none. */
  pop(): number | undefined {
    const numbers = this.#numbers;
    const largest = numbers[0];
    const last = numbers.pop();
    if (last === undefined || numbers.length === 0) return largest;
    let at = 0;
    for (let down = 1; down < numbers.length; down = 2 * at + 1) {
      if (down + 1 < numbers.length && (numbers[down + 1] as number) > (numbers[down] as number)) down++;
      const child = numbers[down] as number;
      if (child <= last) break;
      numbers[at] = child;
      at = down;
    }
    numbers[at] = last;
    return largest;
  }
}
