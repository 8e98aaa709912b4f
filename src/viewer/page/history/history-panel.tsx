/** The section of the dock that shows the edits, and the past. */
import type { JSX } from 'preact';
import { DockSection } from '../volume/dock-section.tsx';
import { EditList } from './edit-list.tsx';
import { authorsOf, builtOn } from './edit-rows.ts';
import { KINDS } from './edit-words.ts';
import { useHistory } from './history.ts';
import { TimeBar } from './time-bar.tsx';

/** The section. */
export function HistoryPanel(): JSX.Element {
  const history = useHistory();
  const heads = history.channels.value.reduce((sum, { machine }) => sum + machine.shownHead.value, 0);
  return (
    <DockSection title="History" name="history" count={heads === 0 ? undefined : heads.toLocaleString('en')}>
      <TimeBar />
      <Filters />
      <Blocked />
      <EditList />
    </DockSection>
  );
}

function Filters(): JSX.Element | null {
  const history = useHistory();
  history.changes.value;
  const authors = authorsOf(history.channels.value.map(({ follower }) => follower.log));
  const { author, kind } = history;
  if (history.rows.value.length === 0 && author.value === undefined && kind.value === undefined) return null;
  return (
    <div class="hist-filters">
      <Choice
        label="Edits of"
        all="Everybody"
        chosen={author.value}
        options={[...authors]}
        choose={(value) => (author.value = value)}
      />
      <Choice
        label="Kind of edits"
        all="All kinds"
        chosen={kind.value}
        options={KINDS}
        choose={(value) => (kind.value = value)}
      />
    </div>
  );
}

interface ChoiceProps {
  readonly label: string;
  /** What no choice is called. */
  readonly all: string;
  readonly chosen: string | undefined;
  readonly options: readonly (readonly [value: string, text: string])[];
  readonly choose: (value: string | undefined) => void;
}

function Choice({ label, all, chosen, options, choose }: ChoiceProps): JSX.Element {
  return (
    <select
      class="hist-select"
      aria-label={label}
      value={chosen ?? ''}
      onChange={({ currentTarget: { value } }) => choose(value === '' ? undefined : value)}
    >
      <option value="">{all}</option>
      {options.map(([value, text]) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  );
}

/** An undo that would take away what others built on. */
function Blocked(): JSX.Element | null {
  const history = useHistory();
  const blocked = history.blocked.value;
  const log = blocked === undefined ? undefined : history.of(blocked.row.path)?.follower.log;
  if (blocked === undefined || log === undefined) return null;
  const { row, by } = blocked;
  const what =
    by === undefined
      ? 'Too much has happened since to tell what was built on it.'
      : `On it was built: ${builtOn(by, log)}.`;
  return (
    <div class="hist-blocked" role="alert">
      <p>
        Edit {row.edit.seq} was not undone. {what} That would stay, as if edit {row.edit.seq} had never been.
      </p>
      <button type="button" class="hist-button" onClick={() => void history.undo(row, true)}>
        Undo it all the same
      </button>
      <button type="button" class="hist-button" onClick={() => (history.blocked.value = undefined)}>
        Leave it
      </button>
    </div>
  );
}
