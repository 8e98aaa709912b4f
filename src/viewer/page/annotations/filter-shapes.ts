/** What of many shapes the list shows. Pure. */
import { type Shape, type ShapeKind, textOf } from './shape.ts';

/** What is looked for. */
export interface ShapeFilter {
  /** Words that must all be in the text, the author's name, the kind, or an id of it. */
  readonly text: string;
  readonly kind: ShapeKind | 'all';
}

/**
 * Those that meet a filter, the newest first.
 *
 * @param shapes the oldest first. @param nameOf the author's name.
 */
export function filterShapes<T extends Pick<Shape, 'kind' | 'row' | 'key'>>(
  shapes: Iterable<T>,
  { text, kind }: ShapeFilter,
  nameOf: (shape: T) => string,
): T[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found: T[] = [];
  for (const shape of shapes) {
    if (kind !== 'all' && shape.kind !== kind) continue;
    if (words.length > 0) {
      const { pre, post } = shape.row;
      const all =
        `${textOf(shape)} ${nameOf(shape)} ${shape.kind} ${shape.key} ${pre ?? ''} ${post ?? ''}`.toLowerCase();
      if (!words.every((word) => all.includes(word))) continue;
    }
    found.push(shape);
  }
  // Stable, and nearly in order: fast for very many.
  return found.reverse().sort((a, b) => timeOf(b) - timeOf(a));
}

/** When it was made, where that is known; what is not answered is the newest. */
function timeOf({ key, row }: Pick<Shape, 'key' | 'row'>): number {
  return key < 0n ? Number.MAX_SAFE_INTEGER : Number(row['time'] ?? 0);
}

/** Rows of a list that are drawn: those in sight, and a few around them. */
export function rowsInSight(
  scrolled: number,
  height: number,
  rowHeight: number,
  count: number,
): [from: number, to: number] {
  const from = Math.max(0, Math.floor(scrolled / rowHeight) - 4);
  return [Math.min(from, count), Math.min(count, Math.ceil((scrolled + height) / rowHeight) + 4)];
}
