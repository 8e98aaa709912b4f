/** The list of who is here. */
import type { JSX } from 'preact';
import { DockSection } from '../volume/dock-section.tsx';
import { FollowIcon, GoToIcon, SelectionIcon } from './icons.tsx';
import { MyRow } from './my-row.tsx';
import type { People } from './people.ts';
import type { Person } from './person.ts';

/** What people see the tools as. */
const TOOLS: Readonly<Record<string, string>> = {
  merge: 'merging',
  cleave: 'cleaving',
  split: 'splitting',
  paint: 'painting',
  erase: 'erasing',
  annotate: 'annotating',
  point: 'adding a point',
  line: 'adding a line',
  box: 'adding a box',
  synapse: 'adding a synapse',
};

export function PeopleSection({ people }: { readonly people: People }): JSX.Element {
  const others = people.others.value;
  return (
    <DockSection title="People" name="people" count={others.length + 1}>
      <ul class="people-list">
        <MyRow people={people} />
        {others.map((person) => (
          <PersonRow key={person.key} people={people} person={person} />
        ))}
      </ul>
    </DockSection>
  );
}

function PersonRow({ people, person }: { readonly people: People; readonly person: Person }): JSX.Element {
  const { key, name, color, cursor, look, selected } = person;
  const count = [...selected.values()].reduce((sum, selection) => sum + selection.count, 0);
  const isFollowed = people.follow.whom.value?.key === key;
  const isShown = people.selection.keys.value.has(key);
  return (
    <li class="people-row" data-person={name}>
      <span class="people-dot" style={{ background: color }} aria-hidden="true" />
      <span class="people-who">
        <span class="people-name" title={name}>
          {name}
        </span>
        <span class="people-doing">{doing(person)}</span>
      </span>
      <Action
        label={isShown ? `Take back the selection of ${name}` : `Select what ${name} has selected (${count})`}
        isOn={isShown}
        isOff={count === 0 && !isShown}
        run={() => people.toggleSelection(key)}
      >
        <SelectionIcon />
      </Action>
      <Action label={`Go to ${name}`} isOff={cursor === undefined && look === undefined} run={() => people.goTo(key)}>
        <GoToIcon />
      </Action>
      <Action
        label={isFollowed ? `Stop following ${name}` : `Follow ${name}`}
        isOn={isFollowed}
        isOff={look === undefined}
        run={() => people.toggleFollow(key)}
      >
        <FollowIcon />
      </Action>
    </li>
  );
}

function doing({ tool, isMe, cursor, look }: Person): string {
  const what = tool === '' ? (cursor === undefined && look === undefined ? 'here' : 'looking') : (TOOLS[tool] ?? tool);
  return isMe ? `${what}, your other window` : what;
}

interface ActionProps {
  readonly label: string;
  /** Given: it is pressed, or not. */
  readonly isOn?: boolean;
  readonly isOff: boolean;
  readonly run: () => void;
  readonly children: JSX.Element;
}

function Action({ label, isOn, isOff, run, children }: ActionProps): JSX.Element {
  return (
    <button
      type="button"
      class="people-action"
      aria-label={label}
      title={label}
      aria-pressed={isOn}
      disabled={isOff}
      onClick={run}
    >
      {children}
    </button>
  );
}
