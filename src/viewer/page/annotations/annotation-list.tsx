/** The list of annotations; of thousands only those in sight are in the document. */
import { type ReadonlySignal, useComputed, useSignal, useSignalEffect } from '@preact/signals';
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import type { Annotations } from './annotations.ts';
import type { ChannelRows } from './channel-rows.ts';
import { filterShapes, rowsInSight, type ShapeFilter } from './filter-shapes.ts';
import { Icon } from './icons.tsx';
import { isSameName, SHOWN_TABLES, type Shape, type ShapeName, textOf } from './shape.ts';

/** CSS pixels; fingers need room. */
const ROW_HEIGHT = matchMedia('(pointer: coarse)').matches ? 44 : 36;
/** While many rows change the list is made anew so often, ms. */
const PAUSE_MS = 250;
/** Up to so many rows it is made at once. */
const FEW_ROWS = 2_000;

interface Entry extends Shape {
  readonly path: string;
}

interface ListProps {
  readonly annotations: Annotations;
  readonly filter: ReadonlySignal<ShapeFilter>;
}

/** The list. Arrow keys go from row to row; Enter goes there, F2 edits the text, Delete deletes. */
export function AnnotationList({ annotations, filter }: ListProps): JSX.Element {
  const entries = useEntries(annotations, filter);
  const seen = useSignal({ scrolled: 0, height: 400 });
  const active = useSignal(0);
  const list = useRef<HTMLUListElement>(null);
  const found = entries.value;
  const [from, to] = rowsInSight(seen.value.scrolled, seen.value.height, ROW_HEIGHT, found.length);
  const look = (): void => {
    if (list.current !== null) seen.value = { scrolled: list.current.scrollTop, height: list.current.clientHeight };
  };
  const goToRow = (index: number): void => {
    const at = Math.max(0, Math.min(found.length - 1, index));
    active.value = at;
    const element = list.current;
    if (element === null) return;
    const { scrollTop, clientHeight } = element;
    if (at * ROW_HEIGHT < scrollTop) element.scrollTop = at * ROW_HEIGHT;
    if ((at + 1) * ROW_HEIGHT > scrollTop + clientHeight) element.scrollTop = (at + 1) * ROW_HEIGHT - clientHeight;
    look();
    // It may be there only after the next drawing.
    requestAnimationFrame(() => element.querySelector<HTMLElement>(`[data-row="${at}"]`)?.focus());
  };
  const onKey = (event: KeyboardEvent): void => {
    const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };
    const step = steps[event.key];
    const entry = found[active.value];
    if (step !== undefined) goToRow(active.value + step);
    else if (event.key === 'Home') goToRow(0);
    else if (event.key === 'End') goToRow(found.length - 1);
    else if (entry === undefined) return;
    else if (event.key === 'F2') annotations.edit(entry);
    else if (event.key === 'Delete') annotations.remove(entry);
    else return;
    event.preventDefault();
  };
  if (found.length === 0)
    return (
      <p class="annotation-none">
        {filter.value.text === '' && filter.value.kind === 'all'
          ? annotations.rows.value.some(({ at }) => at !== undefined)
            ? 'Nothing was annotated here then.'
            : 'Nothing is annotated here yet.'
          : 'Nothing is found.'}
      </p>
    );
  return (
    <ul
      class="annotation-list"
      aria-label="Annotations"
      ref={(element) => {
        list.current = element;
        if (element !== null && element.clientHeight !== seen.peek().height) queueMicrotask(look);
      }}
      onScroll={look}
      onKeyDown={onKey}
    >
      <li class="annotation-room" aria-hidden="true" style={{ height: `${found.length * ROW_HEIGHT}px` }} />
      {found.slice(from, to).map((entry, i) => (
        <Row
          key={`${entry.path} ${entry.table} ${entry.key}`}
          annotations={annotations}
          entry={entry}
          index={from + i}
          count={found.length}
          isActive={from + i === Math.min(active.value, found.length - 1)}
          onFocus={() => {
            active.value = from + i;
          }}
        />
      ))}
    </ul>
  );
}

/** What meets the filter, the newest first; made anew at most every so often where there is much of it. */
function useEntries(annotations: Annotations, filter: ReadonlySignal<ShapeFilter>): ReadonlySignal<readonly Entry[]> {
  const version = useSignal(0);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useSignalEffect(() => {
    const now = annotations.version.value;
    const count = annotations.rows.value.reduce((sum, { store }) => sum + store.count, 0);
    if (count <= FEW_ROWS) version.value = now;
    else
      timer.current ??= setTimeout(() => {
        timer.current = undefined;
        version.value = annotations.version.peek();
      }, PAUSE_MS);
  });
  return useComputed(() => {
    void version.value;
    const wanted = filter.value;
    const nameOf = (shape: Shape): string => annotations.authors.of(shape).name;
    return filterShapes(allOf(annotations.rows.value), wanted, nameOf);
  });
}

function* allOf(channels: readonly ChannelRows[]): Generator<Entry> {
  for (const { store, path } of channels)
    for (const table of SHOWN_TABLES.toReversed()) for (const shape of store.all(table)) yield { ...shape, path };
}

interface RowProps {
  readonly annotations: Annotations;
  readonly entry: Entry;
  readonly index: number;
  readonly count: number;
  readonly isActive: boolean;
  readonly onFocus: () => void;
}

function Row({ annotations, entry, index, count, isActive, onFocus }: RowProps): JSX.Element {
  const author = annotations.authors.of(entry);
  const reason = annotations.targets.whyNotChange(entry.path);
  const { text, more } = wordsOf(entry, author.isOwn ? 'you' : author.name);
  const act = (run: (name: ShapeName) => void) => (event: Event) => {
    event.stopPropagation();
    if (reason === undefined) run(entry);
    else annotations.stage.say(reason, 'error');
  };
  return (
    <li
      class="annotation-row"
      data-key={String(entry.key)}
      data-kind={entry.kind}
      aria-current={isSameName(annotations.selected.value, entry)}
      aria-setsize={count}
      aria-posinset={index + 1}
      style={{ top: `${index * ROW_HEIGHT}px`, height: `${ROW_HEIGHT}px` }}
    >
      <button
        type="button"
        class="annotation-go"
        tabIndex={isActive ? 0 : -1}
        data-row={index}
        title={`${text}\n${more}`}
        onClick={() => annotations.goTo(entry)}
        onFocus={onFocus}
      >
        <Icon name={entry.kind} color={annotations.authors.colorOf(entry)} />
        <span class="annotation-words">
          <span>{text}</span>
          <small>{more}</small>
        </span>
      </button>
      <button
        type="button"
        tabIndex={isActive ? 0 : -1}
        aria-label="Edit the text"
        aria-disabled={reason !== undefined}
        title={reason ?? 'Edit the text (F2)'}
        onClick={act((name) => annotations.edit(name))}
      >
        <Icon name="edit" />
      </button>
      <button
        type="button"
        tabIndex={isActive ? 0 : -1}
        aria-label="Delete"
        aria-disabled={reason !== undefined}
        title={reason ?? 'Delete (Del)'}
        onClick={act((name) => annotations.remove(name))}
      >
        <Icon name="delete" />
      </button>
    </li>
  );
}

function wordsOf(entry: Entry, author: string): { readonly text: string; readonly more: string } {
  const { pre, post } = entry.row;
  const ends = entry.kind === 'synapse' ? `${pre} → ${post}` : '';
  const by = entry.key < 0n ? 'being saved' : author;
  const text = textOf(entry) || ends || entry.kind;
  const more = [text === entry.kind ? '' : entry.kind, text === ends ? '' : ends, by].filter(Boolean).join(' · ');
  return { text, more };
}
