/** The slider over time, and the band over the view while the past is shown. */
import type { JSX } from 'preact';
import { counted } from '../../../client/words.ts';
import { formatExact, formatWhen } from './format-time.ts';
import { type FollowedChannel, useHistory } from './history.ts';
import { MOST_EDITS } from './time-machine.ts';

/** The slider. */
export function TimeBar(): JSX.Element | null {
  const history = useHistory();
  const timed = history.timed.value;
  if (timed === undefined) return null;
  const { machine, channel } = timed;
  const head = machine.shownHead.value;
  const at = machine.at.value;
  const isPlaying = machine.isPlaying.value;
  return (
    <div class="hist-time">
      {history.edited.value.length > 1 && <ChannelChoice chosen={channel.path} />}
      <div class="hist-line">
        <button
          type="button"
          class="hist-act hist-play"
          aria-label={isPlaying ? 'Pause' : 'Play the edits one after the other'}
          title={isPlaying ? 'Pause' : 'Play the edits one after the other'}
          onClick={() => (isPlaying ? machine.pause() : machine.play())}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true" class="hist-filled">
            <path d={isPlaying ? 'M4 3h3v10H4zM9 3h3v10H9z' : 'M4.5 2.5v11l9-5.5z'} />
          </svg>
        </button>
        <input
          class="hist-slider"
          type="range"
          min={0}
          max={head}
          step={1}
          value={at ?? head}
          aria-label="Moment that is shown"
          aria-valuetext={momentText(timed)}
          onPointerEnter={() => void machine.prepare()}
          onFocus={() => void machine.prepare()}
          onInput={({ currentTarget }) => {
            machine.pause();
            machine.seek(Number(currentTarget.value));
          }}
        />
      </div>
      <p class="hist-moment">{momentText(timed)}</p>
      <Progress timed={timed} />
    </div>
  );
}

function ChannelChoice({ chosen }: { readonly chosen: string }): JSX.Element {
  const history = useHistory();
  return (
    <select
      class="hist-select"
      aria-label="Channel whose past is shown"
      value={chosen}
      onChange={({ currentTarget }) => history.time(currentTarget.value)}
    >
      {history.edited.value.map(({ channel: { path }, machine }) => (
        <option key={path} value={path}>
          {`${path.split('/').at(-1)} (${counted(machine.shownHead.value, 'edit')})`}
        </option>
      ))}
    </select>
  );
}

function Progress({ timed: { machine } }: { readonly timed: FollowedChannel }): JSX.Element | null {
  if (machine.at.value === undefined) return null;
  if (!machine.hasBodies)
    return (
      <p class="hist-moment">{`Only voxels go back: bodies and annotations do up to ${counted(MOST_EDITS, 'edit')}.`}</p>
    );
  const read = machine.reading.value;
  if (read === undefined) return null;
  return (
    <p class="hist-moment">{`Reading the edits: ${read.toLocaleString('en')} of ${machine.shownHead.value.toLocaleString('en')}`}</p>
  );
}

/** What is said under the thumb. */
function momentText({ machine }: FollowedChannel): string {
  const at = machine.at.value;
  if (at === undefined) return 'Now';
  if (at === 0) return 'Before the first edit';
  const moment = machine.moment.value;
  if (moment === undefined) return `Edit ${at.toLocaleString('en')}`;
  return `${formatWhen(moment.time, Date.now())} · ${moment.user} ${moment.words}`;
}

/** What of annotations and synapses is not as it was then. */
function rowsText({ machine }: FollowedChannel): string {
  if (machine.rowsAt.value === undefined) return ' · annotations as they are now';
  const lost = machine.lostRows.value;
  return lost === 0 ? '' : ` · without ${counted(lost, 'synapse')} whose place then is not known`;
}

/** Says over the view that it is not now. */
export function PastBand(): JSX.Element | null {
  const history = useHistory();
  const timed = history.timed.value;
  const at = timed?.machine.at.value;
  if (timed === undefined || at === undefined) return null;
  const { machine } = timed;
  const moment = machine.moment.value;
  const head = machine.shownHead.value.toLocaleString('en');
  return (
    <div class="hist-band" role="status">
      <span>
        <strong>Showing the past</strong>:{' '}
        {at === 0 ? `before the first of ${head} edits` : `edit ${at.toLocaleString('en')} of ${head}`}
        {moment !== undefined && (
          <>
            {', '}
            <time dateTime={new Date(moment.time).toISOString()} title={formatExact(moment.time)}>
              {formatWhen(moment.time, Date.now())}
            </time>
            {` by ${moment.user}`}
          </>
        )}
        <small class="hist-aside">{rowsText(timed)}</small>
      </span>
      <button
        type="button"
        class="hist-act"
        aria-label="One edit back"
        title="One edit back"
        disabled={at === 0}
        onClick={() => machine.step(-1)}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M10 3 5 8l5 5" />
        </svg>
      </button>
      <button
        type="button"
        class="hist-act"
        aria-label="One edit on"
        title="One edit on"
        onClick={() => machine.step(1)}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="m6 3 5 5-5 5" />
        </svg>
      </button>
      <button type="button" class="hist-button" onClick={() => machine.now()}>
        Back to now
      </button>
    </div>
  );
}
