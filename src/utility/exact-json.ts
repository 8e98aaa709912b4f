/** JSON with every integer exact, for ids up to 2⁶⁴-1. */
import { JsonReader } from './json-reader.ts';

/**
 * Parses a JSON text.
 *
 * @param bytes borrowed.
 * @returns as `JSON.parse` does, but integers of more than 15 digits are bigints.
 * @throws BflyError BAD_REQUEST naming the byte where it is no JSON.
 */
export function parseExactJson(bytes: Uint8Array): unknown {
  const top: unknown[] = [];
  /** The open objects and arrays, the innermost last. */
  const stack: (unknown[] | Map<string, unknown>)[] = [top];
  let name = '';
  const take = (value: unknown): void => {
    const into = stack.at(-1);
    if (into instanceof Map) into.set(name, value);
    else into?.push(value);
  };
  const names: string[] = [];
  const reader = new JsonReader({
    open(kind) {
      names.push(name);
      stack.push(kind === 'array' ? [] : new Map());
    },
    close() {
      const whole = stack.pop();
      name = names.pop() ?? '';
      // Own properties, whatever their names.
      take(whole instanceof Map ? Object.fromEntries(whole) : whole);
    },
    key(next) {
      name = next;
    },
    integer: take,
    fraction: take,
    other: take,
  });
  reader.push(bytes);
  reader.end();
  return top[0];
}
