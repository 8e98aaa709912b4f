/** Whether images are to come as JPEG: kept in this browser, for this server. */
import { pageFolder } from '../server-place.ts';

function key(): string {
  return `bfly.images ${new URL(pageFolder()).pathname}`;
}

/** What was chosen; undefined: nobody has chosen yet. */
export function chosenImages(): 'jpeg' | 'exact' | undefined {
  try {
    const kept = localStorage.getItem(key());
    return kept === 'jpeg' || kept === 'exact' ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a choice. */
export function chooseImages(choice: 'jpeg' | 'exact'): void {
  try {
    localStorage.setItem(key(), choice);
  } catch {
    // A browser that keeps nothing: as they are, the next time.
  }
}
