/** The edits as a list of which only what is in sight is in the document. */
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { userName } from '../../../client/words.ts';
import { formatAgo } from '../home/format-edit.ts';
import type { EditRow } from './edit-rows.ts';
import { editWords } from './edit-words.ts';
import { formatExact } from './format-time.ts';
import { useHistory } from './history.ts';

/** Height of a row, CSS pixels: as in the style. */
const ROW = 42;
/** Rows beyond the edges that are there too. */
const BESIDE = 4;
/** So near to the end older edits are asked for, rows. */
const NEAR_END = 20;
/** Pages that are read without being asked, where a filter leaves little of them. */
const PAGES_UNASKED = 8;
/** How often relative times are said anew, ms. */
const CLOCK_MS = 20_000;

/** The list. */
export function EditList(): JSX.Element {
  const history = useHistory();
  const { rows } = history;
  const scroller = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(400);
  const now = useClock();
  const keepPlace = useKeptPlace(scroller);
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => (height.value = element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, [height]);
  useOlderPages(top.value, height.value);
  keepPlace(rows.value);
  const first = Math.max(0, Math.floor(top.value / ROW) - BESIDE);
  const last = Math.min(rows.value.length, Math.ceil((top.value + height.value) / ROW) + BESIDE);
  const onKeyDown = (event: KeyboardEvent): void => moveFocus(event, scroller.current, rows.value.length);
  return (
    <div class="hist-scroll" ref={scroller} onScroll={({ currentTarget }) => (top.value = currentTarget.scrollTop)}>
      {rows.value.length === 0 ? (
        <Nothing />
      ) : (
        <ol
          class="hist-list"
          aria-label="Edits, newest first"
          style={{ height: `${rows.value.length * ROW}px` }}
          onKeyDown={onKeyDown}
        >
          {rows.value.slice(first, last).map((row, i) => (
            <Row key={`${row.path}@${row.edit.seq}`} row={row} index={first + i} count={rows.value.length} now={now} />
          ))}
        </ol>
      )}
    </div>
  );
}

function Nothing(): JSX.Element {
  const history = useHistory();
  const isFiltered = history.author.value !== undefined || history.kind.value !== undefined;
  if (history.channels.value.length === 0) return <p class="hist-note">Nothing that is shown can be edited.</p>;
  if (!isFiltered && history.hasOlder) return <p class="hist-note">Reading the edits …</p>;
  return <p class="hist-note">{isFiltered ? 'No such edit among those that were read.' : 'Nothing was edited yet.'}</p>;
}

interface RowProps {
  readonly row: EditRow;
  readonly index: number;
  readonly count: number;
  readonly now: number;
}

function Row({ row, index, count, now }: RowProps): JSX.Element {
  const history = useHistory();
  history.changes.value;
  const { path, edit } = row;
  const { seq, time, user, mine, note } = edit;
  const followed = history.of(path);
  const isInForce = history.isInForce(row);
  const words = editWords(edit, followed?.follower.log.isUndo);
  const isShown = followed?.machine.at.value === seq;
  const who = userName(user);
  const channels = history.edited.value.length;
  return (
    <li
      class="hist-row"
      data-seq={seq}
      data-in-force={isInForce}
      aria-posinset={index + 1}
      aria-setsize={count}
      aria-current={isShown ? 'true' : undefined}
      style={{ top: `${index * ROW}px` }}
    >
      <button
        type="button"
        class="hist-go"
        onClick={() => void history.goTo(row)}
        title={`${words}${note === undefined ? '' : ` — ${note}`}\nGo to the place`}
      >
        <span class="hist-dot" style={{ background: history.colorOf(edit) }} aria-hidden="true" />
        <span class="hist-what">{isInForce ? words : <del>{words}</del>}</span>
        <span class="hist-who">
          <b>{mine ? `${who} (you)` : who}</b>
          {' · '}
          <time dateTime={new Date(time).toISOString()} title={formatExact(time)}>
            {formatAgo(time, now)}
          </time>
          {` · ${seq}`}
          {channels > 1 ? ` · ${path.split('/').at(-1)}` : ''}
          {isInForce ? '' : ' · undone'}
        </span>
      </button>
      <span class="hist-acts">
        <button
          type="button"
          class="hist-act"
          title="See the volume as it was after this edit"
          aria-label={`See the volume after edit ${seq}`}
          onClick={() => history.showThen(row)}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M8 4.5V8l2.5 1.5M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8Z" />
          </svg>
        </button>
        {isInForce && <UndoButton row={row} />}
      </span>
    </li>
  );
}

function UndoButton({ row }: { readonly row: EditRow }): JSX.Element {
  const history = useHistory();
  const isPast = history.timed.value?.machine.at.value !== undefined;
  const refusal = isPast ? 'Go back to now to undo' : history.refusal(row);
  const isBusy = history.undoing.value.has(`${row.path}@${row.edit.seq}`);
  return (
    <button
      type="button"
      class="hist-act"
      title={refusal ?? 'Undo this edit'}
      aria-label={`Undo edit ${row.edit.seq}${refusal === undefined ? '' : `. ${refusal}`}`}
      aria-disabled={refusal !== undefined || isBusy}
      onClick={() => {
        if (refusal === undefined && !isBusy) void history.undo(row);
      }}
    >
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d="M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6M5.8 3.5 2.8 6.5l3 3" />
      </svg>
    </button>
  );
}

/** Asks for older edits when the end comes near. */
function useOlderPages(top: number, height: number): void {
  const history = useHistory();
  const unasked = useRef({ rows: -1, pages: 0 });
  const count = history.rows.value.length;
  const change = history.changes.value;
  // Each page that has come asks for the next, as long as it is near.
  useEffect(() => {
    if (top + height < (count - NEAR_END) * ROW || !history.hasOlder) return;
    const { current } = unasked;
    // Pages of which a filter shows nothing are read only so many times; who scrolls, or changes the filter, wants more.
    if (current.rows === count && ++current.pages > PAGES_UNASKED) return;
    if (current.rows !== count) unasked.current = { rows: count, pages: 0 };
    void history.loadOlder();
  }, [top, height, count, change, history]);
}

/** What is read stays where it is when newer edits come above it. */
function useKeptPlace(scroller: { readonly current: HTMLDivElement | null }): (rows: readonly EditRow[]) => void {
  const seen = useRef<EditRow | undefined>(undefined);
  const rows = useRef<readonly EditRow[]>([]);
  useLayoutEffect(() => {
    const element = scroller.current;
    const before = seen.current;
    seen.current = rows.current[0];
    if (element === null || before === undefined || element.scrollTop < ROW) return;
    const added = rows.current.findIndex(({ path, edit }) => path === before.path && edit.seq === before.edit.seq);
    if (added > 0) element.scrollTop += added * ROW;
  });
  return (now) => {
    rows.current = now;
  };
}

function useClock(): number {
  const now = useSignal(Date.now());
  useEffect(() => {
    const timer = setInterval(() => (now.value = Date.now()), CLOCK_MS);
    return () => clearInterval(timer);
  }, [now]);
  return Math.max(now.value, Date.now());
}

/** Up and down go from row to row. */
function moveFocus(event: KeyboardEvent, scroller: HTMLDivElement | null, count: number): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const row = (event.target as Element).closest('.hist-row'); // events of a list come from elements
  if (step === undefined || row === null || scroller === null) return;
  event.preventDefault();
  event.stopPropagation();
  const to = Number(row.getAttribute('aria-posinset')) + step;
  if (to < 1 || to > count) return;
  const top = (to - 1) * ROW;
  scroller.scrollTop = Math.min(Math.max(scroller.scrollTop, top + ROW - scroller.clientHeight), top);
  scroller.querySelector<HTMLElement>(`[aria-posinset="${to}"] .hist-go`)?.focus();
}
