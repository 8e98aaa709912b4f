/** Groups and channels that stand beside each other, and what is in the groups. */
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useId } from 'preact/hooks';
import type { ListEntry } from '../../../client/index.ts';
import { STOP } from './arrow-keys.ts';
import { ChannelCard } from './channel-card.tsx';
import { counted, formatCount } from './format-size.ts';
import { useHome } from './home.ts';
import { LinkToChannels } from './link-to-channels.tsx';
import { Marked } from './marked.tsx';
import { openedTogether } from './together.ts';
import type { Group, Level, Listing } from './tree.ts';

/** What is drawn at once of things that stand beside each other. */
const PAGE = 60;
/** Channels of a dataset that are looked at for those to open together. */
const LOOKED_AT = 8;

/** @param depth how many lines of groups are around it. */
export function LevelView({ level, depth, id }: { level: Level; depth: number; id?: string }): JSX.Element {
  const { groups, channels } = level;
  return (
    <div class="home-level" id={id}>
      {channels.length > 0 && (
        <Paged
          all={channels}
          class="home-cards"
          noun="channel"
          draw={({ path, name }) => <ChannelCard key={path} path={path} name={name} depth={depth} />}
        />
      )}
      {groups.length > 0 && (
        <Paged
          all={groups}
          class="home-groups"
          noun={groups[0]?.chain[0].kind ?? 'group'}
          draw={(group) => <GroupView key={group.path} group={group} depth={depth} />}
        />
      )}
    </div>
  );
}

interface PagedProps<T> {
  readonly all: readonly T[];
  readonly class: string;
  readonly noun: string;
  readonly draw: (item: T) => JSX.Element;
}

/** A list of which some is drawn, and more where one asks. */
function Paged<T>({ all, class: name, noun, draw }: PagedProps<T>): JSX.Element {
  const limit = useSignal(PAGE);
  const left = all.length - limit.value;
  return (
    <>
      <ul class={name}>{all.slice(0, limit.value).map(draw)}</ul>
      {left > 0 && (
        <button type="button" class="home-button home-more" onClick={() => (limit.value += PAGE)}>
          Show {formatCount(Math.min(left, PAGE))} more of {counted(all.length, noun)}
        </button>
      )}
    </>
  );
}

function GroupView({ group, depth }: { readonly group: Group; readonly depth: number }): JSX.Element {
  const home = useHome();
  const { path, chain, isOpen, listing, inside } = group;
  const id = useId();
  const Heading = HEADINGS[Math.min(depth, HEADINGS.length - 1)] ?? 'h6';
  const last = chain.at(-1) ?? chain[0];
  const isSearch = home.words.value.length > 0;
  return (
    <li class="home-group">
      <div class="home-group-head">
        <Heading class="home-group-title">
          <button
            type="button"
            class="home-group-button"
            {...{ [STOP]: '' }}
            aria-expanded={isOpen}
            aria-controls={id}
            title={last.path}
            // What a search found stays in sight.
            disabled={isSearch}
            onClick={() => void home.catalogue.toggle(path)}
          >
            <svg class="home-turn" viewBox="0 0 16 16" aria-hidden="true">
              <path d="m6 3.5 4.5 4.5L6 12.5" />
            </svg>
            {chain.map((entry) => (
              <Crumb key={entry.path} entry={entry} isLast={entry === last} />
            ))}
            <span class="home-group-count">{sizeOf(listing)}</span>
          </button>
        </Heading>
        {isOpen && inside.channels.length > 1 && <Together channels={inside.channels} />}
      </div>
      {isOpen && <Inside listing={listing} level={inside} depth={depth + 1} id={id} path={last.path} />}
    </li>
  );
}

const HEADINGS = ['h2', 'h3', 'h4', 'h5'] as const;

function Crumb({ entry, isLast }: { readonly entry: ListEntry; readonly isLast: boolean }): JSX.Element {
  return (
    <span class={isLast ? 'home-crumb home-crumb-last' : 'home-crumb'}>
      <span class="home-unseen">{entry.kind} </span>
      <Marked text={entry.name} />{' '}
      {!isLast && (
        <span class="home-crumb-next" aria-hidden="true">
          ›
        </span>
      )}
    </span>
  );
}

/** How much a group holds, once that is known. */
function sizeOf(listing: Listing | undefined): string {
  if (listing?.kind !== 'loaded' || listing.entries.length === 0) return '';
  return counted(listing.entries.length, listing.entries[0]?.kind ?? 'entry');
}

interface InsideProps {
  readonly listing: Listing | undefined;
  readonly level: Level;
  readonly depth: number;
  readonly id: string;
  readonly path: string;
}

function Inside({ listing, level, depth, id, path }: InsideProps): JSX.Element {
  const { catalogue } = useHome();
  if (listing?.kind === 'loaded') {
    if (listing.entries.length > 0) return <LevelView level={level} depth={depth} id={id} />;
    return (
      <p class="home-note" id={id}>
        Nothing here that you may see.
      </p>
    );
  }
  if (listing?.kind !== 'failed')
    return (
      <p class="home-note" id={id}>
        Loading …
      </p>
    );
  return (
    <p class="home-note" id={id} role="alert">
      {listing.fault}{' '}
      <button type="button" class="home-button" onClick={() => void catalogue.retry(path)}>
        Try again
      </button>
    </p>
  );
}

/** The link to a dataset: its image with its segmentation. */
function Together({ channels }: { readonly channels: readonly ListEntry[] }): JSX.Element | null {
  const { board } = useHome();
  const looked = channels.slice(0, LOOKED_AT);
  const key = looked.map(({ path }) => path).join('\n');
  // The key stands for the channels, which are another array each time.
  useEffect(() => {
    for (const { path } of looked) void board.need(path);
  }, [board, key]);
  const infos = looked.map(({ path }) => board.stateOf(path).info.value).filter((info) => info !== undefined);
  const together = openedTogether(infos);
  if (together.length === 0) return null;
  const names = together.map(({ path }) => looked.find((entry) => entry.path === path)?.name ?? path);
  const text = `Open ${names.join(' + ')}`;
  return (
    <LinkToChannels paths={together.map(({ path }) => path)} class="home-together" title={text}>
      {text}
    </LinkToChannels>
  );
}
