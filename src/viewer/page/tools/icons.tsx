/** Icons of the tools, drawn in the colour of the text. */
import type { JSX } from 'preact';
import type { ToolName } from './tool-state.ts';

/** Paths on a square of 16. */
const PATHS: Readonly<Record<ToolName | 'undo' | 'redo' | 'pick', string>> = {
  pointer: 'M4 2l8.5 6.6-4 .5L11 13.8l-1.8.8-2.4-4.8L4 12.5z',
  merge: 'M3 2.5v2.2c0 2.6 5 3 5 6.3v2.5M13 2.5v2.2c0 2.6-5 3-5 6.3M5.6 11.4L8 13.8l2.4-2.4',
  cleave:
    'M8 14v-3.2c0-2.6 4.5-3 4.5-6.6V2.8M8 10.8C8 8.2 3.5 7.8 3.5 4.2V2.8M1.6 4.6l1.9-1.9 1.9 1.9M10.6 4.6l1.9-1.9 1.9 1.9',
  seeds:
    'M8 1.5v13M4.3 5.4a.1.1 0 100 .1M3.4 9.4a.1.1 0 100 .1M5 12.6a.1.1 0 100 .1M12.6 4.4a.1.1 0 100 .1M11.4 8.4a.1.1 0 100 .1M12.9 11.6a.1.1 0 100 .1',
  cut: 'M2.2 13.8C5 13.6 5.6 12 6.6 10.6l2 1.8c-1.4 1.6-3.6 2.2-6.4 1.4zM7.2 9.8l5.6-7.2 1.2 1-5 7.8M2 3h3.4M2 5.8h5',
  paint: 'M2.2 13.8c2.8-.2 3.4-1.8 4.4-3.2l2 1.8c-1.4 1.6-3.6 2.2-6.4 1.4zM7.2 9.8l5.6-7.2 1.2 1-5 7.8',
  erase: 'M6 13.5h8M2.6 9.6l6.2-6.8 4.6 4.2-5.9 6.5H5.2zM5.4 6.6L10 10.8',
  undo: 'M3 6.5h6.2a3.6 3.6 0 010 7.2H6M5.8 3.5L2.8 6.5l3 3',
  redo: 'M13 6.5H6.8a3.6 3.6 0 000 7.2H10M10.2 3.5l3 3-3 3',
  pick: 'M2.5 13.5l.6-2.4 5.8-5.8 1.8 1.8-5.8 5.8zM8.2 4.2l3.6 3.6M10 6l2.2-2.6c.9-.9 2 .2 1.2 1.2L11 7',
};

/** An icon. */
export function Icon({ name }: { readonly name: keyof typeof PATHS }): JSX.Element {
  return (
    <svg class="tools-icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
