/** The whole page: bar, tree, or what is said instead of it. */
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import { pressArrow, stopsIn } from './arrow-keys.ts';
import { EmptyPage } from './empty-page.tsx';
import { counted, formatCount } from './format-size.ts';
import { type Home, useHome } from './home.ts';
import { LevelView } from './level-view.tsx';
import { SearchBox } from './search-box.tsx';
import { channelsOf } from './tree.ts';

/** Bar and contents. */
export function HomePage(): JSX.Element {
  const { catalogue } = useHome();
  catalogue.version.value; // the lists have no signal of their own
  const root = catalogue.listings.get('');
  const tree = useRef<HTMLElement>(null);
  const focusFirst = (): void => {
    if (tree.current !== null) stopsIn(tree.current)[0]?.focus();
  };
  return (
    <div class="home">
      <header class="home-bar">
        <div class="home-bar-inside">
          <h1 class="home-brand">
            <Wings />
            Butterfly
          </h1>
          {root?.kind === 'loaded' && root.entries.length > 0 && <SearchBox onLeave={focusFirst} />}
        </div>
        <ConnectionLine />
      </header>
      <main
        class="home-main"
        ref={tree}
        onKeyDown={(event) => {
          if (tree.current !== null) pressArrow(event, tree.current);
        }}
      >
        <Summary />
        <Contents />
      </main>
    </div>
  );
}

function Contents(): JSX.Element | null {
  const { catalogue, level, found } = useHome();
  catalogue.version.value; // the lists have no signal of their own
  const root = catalogue.listings.get('');
  if (root === undefined || root.kind === 'loading') return <p class="home-note">Loading …</p>;
  if (root.kind === 'failed') return <Failed fault={root.fault} />;
  if (root.entries.length === 0) return <EmptyPage />;
  if (found.value?.total === 0) return null;
  return <LevelView level={level.value} depth={0} />;
}

function Failed({ fault }: { readonly fault: string }): JSX.Element {
  const { catalogue } = useHome();
  return (
    <section class="home-page-note" role="alert">
      <h2>The list of volumes did not come</h2>
      <p>{fault}</p>
      <button type="button" class="home-button" onClick={() => void catalogue.refresh()}>
        Try again
      </button>
    </section>
  );
}

/** How much there is, or was found; told to screen readers as it changes. */
function Summary(): JSX.Element {
  const home = useHome();
  return (
    <p class="home-summary" role="status">
      {summaryOf(home)}
    </p>
  );
}

function summaryOf({ found, catalogue, query }: Home): string {
  catalogue.version.value; // the lists have no signal of their own
  const result = found.value;
  if (result === undefined) return '';
  const isDone = catalogue.isComplete.value;
  if (!isDone) return `${counted(result.total, 'channel')} so far, still looking …`;
  if (result.total === 0) return `No channel has “${query.value.trim()}” in its path.`;
  const all = `${counted(result.total, 'channel')} of ${formatCount(channelsOf(catalogue.listings).length)}`;
  return result.total > result.channels.length ? `${all}; the first ${result.channels.length} are shown` : all;
}

function ConnectionLine(): JSX.Element | null {
  const { connection } = useHome();
  if (connection.value === 'live') return null;
  const text =
    connection.value === 'closed'
      ? 'The server has ended this connection. Reload the page to begin again.'
      : 'The connection is lost; trying again. What you see may be out of date.';
  return (
    <p class="home-connection" role="status">
      {text}
    </p>
  );
}

function Wings(): JSX.Element {
  return (
    <svg class="home-wings" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M16 8c3-7 14-8 14 0 0 6-5 8-8 9 4 1 6 4 4 8-3 5-9 1-10-6-1 7-7 11-10 6-2-4 0-7 4-8-3-1-8-3-8-9 0-8 11-7 14 0z" />
    </svg>
  );
}
