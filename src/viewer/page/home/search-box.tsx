/** The search by path. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useHome } from './home.ts';

/** @param onLeave called where one goes on to what was found. */
export function SearchBox({ onLeave }: { readonly onLeave: () => void }): JSX.Element {
  const home = useHome();
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      if (event.key !== '/' || event.altKey || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
      event.preventDefault();
      box.current?.focus();
      box.current?.select();
    };
    document.addEventListener('keydown', focus);
    return () => document.removeEventListener('keydown', focus);
  }, []);
  const press = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      home.search('');
      box.current?.blur();
    } else if (event.key === 'ArrowDown' || event.key === 'Enter') onLeave();
    else return;
    event.preventDefault();
  };
  return (
    <search class="home-search">
      <input
        ref={box}
        type="search"
        class="home-search-box"
        aria-label="Search channels by path"
        aria-keyshortcuts="/"
        placeholder="Search by path"
        autocomplete="off"
        spellcheck={false}
        value={home.query.value}
        onInput={(event) => home.search(event.currentTarget.value)}
        onKeyDown={press}
      />
      <span class="home-key" aria-hidden="true">
        /
      </span>
    </search>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}
