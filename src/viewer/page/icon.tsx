/** An icon of one line, in the colour of the text. */
import type { JSX } from 'preact';

/** @param d path on a square of 16. */
export function Icon({ d }: { readonly d: string }): JSX.Element {
  return (
    <svg
      width="16"
      height="16"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      aria-hidden="true"
    >
      <path d={d} stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
