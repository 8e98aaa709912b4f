/** The status at the right of the bar, its details, and what is asked or told below it. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { QualitySwitch } from '../quality/quality-offer.tsx';
import { PopUp } from '../volume/pop-up.tsx';
import type { VolumeView } from '../volume/volume-view.ts';
import type { LineState } from './line-state.ts';
import { NoticeList } from './notice-list.tsx';
import type { Notices } from './notices.ts';
import { type ChannelStatus, count, type Status } from './status.ts';
import { TokenForm } from './token-form.tsx';

/** What the status shows. */
export interface StatusLineProps {
  readonly view: VolumeView;
  readonly state: LineState;
  readonly notices: Notices;
}

/** A state is read aloud once it has lasted for so long, ms. */
const LASTING_MS = 1_000;

export function StatusLine({ view, state, notices }: StatusLineProps): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const status = state.status.value;
  const wanted = view.access.wanted.value;
  // Where people have to do something, it is before them at once.
  useEffect(() => setOpen(wanted !== undefined), [wanted]);
  return (
    <>
      <Announcer status={status} />
      <PopUp
        isOpen={isOpen}
        setOpen={setOpen}
        class="status-button"
        label="State of the connection"
        button={
          <span class="status-words" data-status={status.kind} data-mood={status.mood}>
            <MoodIcon mood={status.mood} />
            <span class="status-text">{status.text}</span>
          </span>
        }
      >
        <p class="status-meaning">{status.meaning}</p>
        {wanted === undefined ? null : <TokenForm wanted={wanted} give={(token) => view.access.give(token)} />}
        <Details view={view} state={state} />
        <QualitySwitch quality={view.quality} />
      </PopUp>
      <NoticeList notices={notices} />
    </>
  );
}

/** Says what lasts. What comes and goes with every edit is for the eyes. */
function Announcer({ status }: { readonly status: Status }): JSX.Element {
  const words = status.kind === 'saving' || status.kind === 'behind' ? '' : status.text;
  const [said, say] = useState('');
  useEffect(() => {
    if (words === '') return undefined;
    const timer = setTimeout(() => say(words), LASTING_MS);
    return () => clearTimeout(timer);
  }, [words]);
  return (
    <span class="status-said" aria-live="polite">
      {said}
    </span>
  );
}

const SHAPES: Readonly<Record<Status['mood'], string>> = {
  good: 'M3 8.5 6.5 12 13 4.5',
  busy: 'M8 2.5A5.5 5.5 0 1 1 2.5 8',
  warn: 'M8 3v6M8 12.5v.1',
  bad: 'M4 4l8 8M12 4l-8 8',
};

function MoodIcon({ mood }: { readonly mood: Status['mood'] }): JSX.Element {
  return (
    <svg
      class="status-icon"
      width="14"
      height="14"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="2.2"
      stroke-linecap="round"
      aria-hidden="true"
    >
      <path d={SHAPES[mood]} />
    </svg>
  );
}

function Details({ view, state }: Pick<StatusLineProps, 'view' | 'state'>): JSX.Element {
  const { session } = view;
  const { channels, pixels, found } = state.facts.value;
  const [ms, setMs] = useState<number>();
  useEffect(() => {
    session.ping().then(setMs, () => setMs(undefined));
  }, [session, session.state]);
  return (
    <dl class="status-details">
      <dt>Server</dt>
      <dd>{session.server}</dd>
      <dt>You are</dt>
      <dd>{session.user.name || session.user.id}</dd>
      {ms === undefined ? null : (
        <>
          <dt>Round trip</dt>
          <dd>{ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms</dd>
        </>
      )}
      <dt>Images</dt>
      <dd>{IMAGES[pixels] ?? 'connected'}</dd>
      {found === 0 ? null : (
        <>
          <dt>Kept edits</dt>
          <dd>{count(found, 'edit')} from before the page was loaded</dd>
        </>
      )}
      {channels.map((channel) => (
        <ChannelDetails key={channel.path} channel={channel} />
      ))}
    </dl>
  );
}

const IMAGES: Readonly<Record<string, string>> = {
  offline: 'disconnected, tried again',
  refused: 'refused by the server',
  closed: 'disconnected',
  connecting: 'connecting',
};

function ChannelDetails({ channel }: { readonly channel: ChannelStatus }): JSX.Element {
  const { path, seq, head, unsaved, unanswered, readOnly } = channel;
  const known = head > seq ? `edit ${seq} of ${head}` : head === 0 ? 'no edits' : `all ${count(head, 'edit')}`;
  const own =
    unsaved === 0 ? '' : `, ${unsaved} of yours being saved${unanswered > 0 ? ` (${unanswered} unsent)` : ''}`;
  return (
    <>
      <dt title={path}>{path.split('/').at(-1)}</dt>
      <dd>
        {known}
        {own}
        {readOnly === undefined ? '' : `. ${readOnly}`}
      </dd>
    </>
  );
}
