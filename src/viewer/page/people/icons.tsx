/** Icons of the list of people. */
import type { JSX } from 'preact';
import { Icon } from '../icon.tsx';

/** A place one goes to. */
export function GoToIcon(): JSX.Element {
  return (
    <Icon d="M8 14.5s4.5-4.2 4.5-7.7a4.5 4.5 0 0 0-9 0c0 3.5 4.5 7.7 4.5 7.7zM8 8.3a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3" />
  );
}

/** An eye that sees what another one sees. */
export function FollowIcon(): JSX.Element {
  return <Icon d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4" />;
}

/** Segments. */
export function SelectionIcon(): JSX.Element {
  return <Icon d="M2.5 5.5 8 2.5l5.5 3L8 8.5zM2.5 8.2 8 11.2l5.5-3M2.5 10.8 8 13.8l5.5-3" />;
}

/** What can be changed. */
export function EditIcon(): JSX.Element {
  return <Icon d="M3 13l.6-2.8L10.8 3a1.2 1.2 0 0 1 1.7 0l.5.5a1.2 1.2 0 0 1 0 1.7L5.8 12.4z" />;
}
