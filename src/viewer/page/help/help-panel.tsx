/** The help: our keys, the mouse, and ways from here. */
import type { JSX } from 'preact';
import type { KeyBinding } from '../stage.ts';
import { keyParts } from './key-text.ts';

const MOUSE: readonly (readonly [what: string, does: string])[] = [
  ['Drag', 'move the slice, or turn the 3-D view'],
  ['Wheel', 'go through the slices'],
  ['Ctrl + wheel', 'zoom'],
  ['Right click', 'put this place in the middle'],
  ['Double click', 'select a segment'],
  ['One finger', 'go through the slices, or turn the 3-D view'],
  ['Two fingers', 'move, turn and zoom'],
];

/** @param keys all that were bound. */
export function HelpPanel({ keys }: { readonly keys: readonly KeyBinding[] }): JSX.Element {
  return (
    <div class="help">
      <h2>Keys</h2>
      <dl>
        {keys.map(({ key, help }) => (
          <div key={key}>
            <dt>
              {keyParts(key).map((part) => (
                <kbd key={part}>{part}</kbd>
              ))}
            </dt>
            <dd>{help}</dd>
          </div>
        ))}
      </dl>
      <h2>Mouse and touch</h2>
      <dl>
        {MOUSE.map(([what, does]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p>
        <kbd>H</kbd> shows the keys of Neuroglancer.
      </p>
      <p>
        <a href="./">All volumes of this server</a>
      </p>
    </div>
  );
}
