/** A name in which what was searched for is marked. */
import type { JSX } from 'preact';
import { useHome } from './home.ts';
import { markWords } from './search.ts';

/** @param props.text a name. */
export function Marked({ text }: { readonly text: string }): JSX.Element {
  const words = useHome().words.value;
  if (words.length === 0) return <>{text}</>;
  return (
    <>
      {markWords(text, words).map(({ text: piece, isHit }, n) =>
        isHit ? (
          <mark key={n} class="home-hit">
            {piece}
          </mark>
        ) : (
          piece
        ),
      )}
    </>
  );
}
