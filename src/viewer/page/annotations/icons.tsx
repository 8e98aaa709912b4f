/** Pictures of kinds and of what can be done. */
import type { JSX } from 'preact';
import type { ShapeKind } from './shape.ts';

/** Paths on 16 × 16. */
const PATHS: Readonly<Record<ShapeKind | 'edit' | 'delete', string>> = {
  point: 'M8 5.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0-5z',
  line: 'M3 13L13 3',
  polyline: 'M2 12L6 5L10 10L14 3',
  box: 'M3 3.5h10v9H3z',
  ellipsoid: 'M2 8a6 4 0 1 0 12 0a6 4 0 1 0-12 0z',
  synapse: 'M2 8h10M8.5 4L12.5 8L8.5 12M15 4v8',
  edit: 'M3 13l.6-2.8L11 2.8l2.2 2.2L5.8 12.4z',
  delete: 'M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5',
};

/** @param color default: that of the text. */
export function Icon({ name, color }: { readonly name: keyof typeof PATHS; readonly color?: string }): JSX.Element {
  return (
    <svg class="annotation-icon" viewBox="0 0 16 16" aria-hidden="true" style={color === undefined ? {} : { color }}>
      <path d={PATHS[name]} />
    </svg>
  );
}
