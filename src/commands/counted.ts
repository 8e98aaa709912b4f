/** Numbers of things, in words. */

/** `1 edit`, `2 edits`; thousands are set apart. */
export function counted(count: number, thing: string, things = `${thing}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? thing : things}`;
}
