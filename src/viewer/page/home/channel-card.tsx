/** One channel: its picture, what it is, who is in it and what was done last. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { ChannelInfo } from '../../../client/index.ts';
import type { ChannelState, LastEdit } from './channel-state.ts';
import { formatAgo, formatMoment } from './format-edit.ts';
import { formatExtent, formatVoxelSize, formatVoxels } from './format-size.ts';
import { useHome } from './home.ts';
import { LinkToChannels } from './link-to-channels.tsx';
import { Marked } from './marked.tsx';
import type { Person } from './people.ts';
import { ThumbnailView } from './thumbnail-view.tsx';

/** Names that are shown before the rest is only counted. */
const NAMES_SHOWN = 4;

interface CardProps {
  readonly path: string;
  readonly name: string;
  /** How many lines of groups are around it. */
  readonly depth: number;
}

/** @param props.path experiment/sample/dataset/channel */
export function ChannelCard({ path, name, depth }: CardProps): JSX.Element {
  const { board } = useHome();
  const state = board.stateOf(path);
  const card = useRef<HTMLLIElement>(null);
  useOnScreen(card, path);
  const Heading = HEADINGS[Math.min(depth, HEADINGS.length - 1)] ?? 'h6';
  return (
    <li class="home-card" ref={card} data-path={path}>
      <ThumbnailView state={state} name={name} />
      <div class="home-card-text">
        <Heading class="home-card-name">
          <LinkToChannels paths={[path]} class="home-card-link" isStop>
            <Marked text={name} />
          </LinkToChannels>
        </Heading>
        <Facts state={state} />
        <People people={state.people.value} />
      </div>
    </li>
  );
}

const HEADINGS = ['h2', 'h3', 'h4', 'h5', 'h6'] as const;

/** Tells the board when a card comes on screen and leaves it. */
function useOnScreen(card: { readonly current: Element | null }, path: string): void {
  const { board } = useHome();
  useEffect(() => {
    if (card.current === null) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.at(-1)?.isIntersecting === true) board.enter(path);
      else board.leave(path);
    });
    observer.observe(card.current);
    return () => {
      observer.disconnect();
      board.leave(path);
    };
  }, [board, card, path]);
}

function Facts({ state }: { readonly state: ChannelState }): JSX.Element {
  const info = state.info.value;
  const fault = state.fault.value;
  if (fault !== undefined) return <p class="home-fault">{fault}</p>;
  if (info === undefined) return <p class="home-dim">…</p>;
  return (
    <>
      <FactList info={info} />
      <LastEditLine edit={state.lastEdit.value} />
    </>
  );
}

function FactList({ info }: { readonly info: ChannelInfo }): JSX.Element {
  const level = info.mips[0];
  return (
    <dl class="home-facts">
      <Fact name="Kind">
        <span class={`home-kind home-kind-${info.type}`}>{info.type}</span> {info.dtype}
      </Fact>
      {level !== undefined && (
        <>
          <Fact name="Size">{formatExtent(level)}</Fact>
          <Fact name="Voxels">
            {formatVoxels(level.shape)} <span class="home-dim home-whole">of {formatVoxelSize(level.voxel)}</span>
          </Fact>
        </>
      )}
    </dl>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: JSX.Element['props']['children'] }) {
  return (
    <div class="home-fact">
      <dt class="home-unseen">{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function LastEditLine({ edit }: { readonly edit: LastEdit | null | undefined }): JSX.Element {
  const { now } = useHome();
  // A line of its own height, so that nothing moves when it comes.
  if (edit === undefined) return <p class="home-edit"> </p>;
  if (edit === null) return <p class="home-edit">No edits yet</p>;
  const { author, verb, time } = edit;
  return (
    <p class="home-edit">
      <span class="home-unseen">Last edit: </span>
      <span class="home-author">{author}</span> {verb}{' '}
      <time dateTime={new Date(time).toISOString()} title={formatMoment(time)}>
        {formatAgo(time, Math.max(now.value, Date.now()))}
      </time>
    </p>
  );
}

function People({ people }: { readonly people: readonly Person[] }): JSX.Element | null {
  if (people.length === 0) return null;
  const more = people.length - NAMES_SHOWN;
  return (
    <ul class="home-people" aria-label="Here now">
      {people.slice(0, NAMES_SHOWN).map(({ id, name, color, isMe }) => (
        <li key={id} class="home-person">
          <span class="home-dot" style={{ backgroundColor: color }} aria-hidden="true" />
          {name}
          {isMe && <span class="home-dim"> (you)</span>}
        </li>
      ))}
      {more > 0 && (
        <li class="home-person home-dim" title={people.map(({ name }) => name).join(', ')}>
          and {more} more
        </li>
      )}
    </ul>
  );
}
