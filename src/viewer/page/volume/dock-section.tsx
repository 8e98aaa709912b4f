/** Sections of the dock: each under a heading that folds it away, in the order of their numbers. */
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useUniqueId } from '../unique-id.ts';

/** What a section shows. */
export interface DockSectionProps {
  /** The heading. */
  readonly title: string;
  /** Short and unique: whether the section is open is kept in the browser under it, and its `data-dock` says it. */
  readonly name: string;
  /** Said after the title, such as how many there are. */
  readonly count?: number | string | undefined;
  /** Whether it is open where the browser knows nothing of it; default true. */
  readonly isOpen?: boolean;
  readonly children: ComponentChildren;
}

/**
 * A section that can be folded away. What it holds is scrolled in it, or, where a child has `flex: 1; min-height: 0; overflow: auto`, in that
 * child. It stays in the document while it is folded.
 */
export function DockSection({
  title,
  name,
  count,
  isOpen: isOpenFirst = true,
  children,
}: DockSectionProps): JSX.Element {
  const [isOpen, setOpen] = useState(() => wasOpen(name) ?? isOpenFirst);
  const id = useUniqueId();
  const toggle = (): void => {
    setOpen(!isOpen);
    keepOpen(name, !isOpen);
  };
  return (
    <section class="dock-section" data-dock={name} data-open={isOpen} aria-labelledby={`${id}-title`}>
      <h2 class="dock-heading" id={`${id}-title`}>
        <button type="button" class="dock-toggle" aria-expanded={isOpen} aria-controls={`${id}-body`} onClick={toggle}>
          <span class="dock-chevron" aria-hidden="true" />
          {title}
          {count === undefined ? null : <span class="dock-count">{count}</span>}
        </button>
      </h2>
      <div class="dock-body" id={`${id}-body`} hidden={!isOpen}>
        {children}
      </div>
    </section>
  );
}

/**
 * A place for a section, to be rendered into. Lower orders come first, whoever asks first.
 *
 * @returns an element that has no box of its own; remove it at the end.
 */
export function mountSection(dock: HTMLElement, name: string, order: number): HTMLElement {
  const slot = document.createElement('div');
  slot.className = 'dock-slot';
  slot.dataset['section'] = name;
  slot.dataset['order'] = String(order);
  const after = [...dock.children].find((child) => Number((child as HTMLElement).dataset?.['order']) > order);
  dock.insertBefore(slot, after ?? null);
  return slot;
}

function keyOf(name: string): string {
  return `bfly.dock.${name}`;
}

function wasOpen(name: string): boolean | undefined {
  try {
    const kept = localStorage.getItem(keyOf(name));
    return kept === null ? undefined : kept === 'open';
  } catch {
    return undefined;
  }
}

function keepOpen(name: string, isOpen: boolean): void {
  try {
    localStorage.setItem(keyOf(name), isOpen ? 'open' : 'folded');
  } catch {
    // A browser that keeps nothing: it is open again the next time.
  }
}
