/** Words for people that every client needs: numbers of things, and texts of others. Pure. */
import type { EditEvent } from './edit-event.ts';

/** `1 edit`, `2 edits`; thousands are set apart. */
export function counted(count: number, thing: string, things = `${thing}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? thing : things}`;
}

/** A text of somebody else on one line, without what could garble a terminal or turn the text around it. */
export function cleanText(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, ' ').trim();
}

/** Who made an edit, for people. */
export function userName({ id, name }: EditEvent['user']): string {
  return cleanText(name || id || 'somebody');
}
