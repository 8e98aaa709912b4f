/** Oneself in the list, with a form for another name and colour. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { COLORS, type Identity } from '../identity.ts';
import { EditIcon } from './icons.tsx';
import type { People } from './people.ts';

/** Bytes of a name that the server takes. */
const NAME_BYTES = 64;
/** What the colours are called, in their order. */
const COLOR_NAMES = ['red', 'green', 'yellow', 'blue', 'orange', 'purple', 'cyan', 'magenta', 'lime'];

export function MyRow({ people }: { readonly people: People }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const { name, color } = people.me.value;
  const given = people.givenName.value;
  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <li class="people-row people-me">
      <span class="people-dot" style={{ background: color }} aria-hidden="true" />
      <span class="people-who">
        <span class="people-name" title={given ?? name}>
          {given ?? name}
        </span>
        <span class="people-doing">you</span>
      </span>
      <button
        ref={button}
        type="button"
        class="people-action"
        aria-label="Change your name and colour"
        title="Change your name and colour"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        <EditIcon />
      </button>
      {isOpen ? (
        <MyForm
          identity={{ name, color }}
          given={given}
          done={(identity) => {
            if (identity !== undefined) people.become(identity);
            close();
          }}
        />
      ) : null}
    </li>
  );
}

interface MyFormProps {
  readonly identity: Identity;
  /** The name that the token gives. */
  readonly given: string | undefined;
  /** @param identity undefined: as it was. */
  readonly done: (identity: Identity | undefined) => void;
}

function MyForm({ identity, given, done }: MyFormProps): JSX.Element {
  const [name, setName] = useState(identity.name);
  const [color, setColor] = useState(identity.color);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.select(), []);
  const save = (event: Event): void => {
    event.preventDefault();
    done({ name: fitting(name) || identity.name, color });
  };
  return (
    <form class="people-form" onSubmit={save} onKeyDown={(event) => event.key === 'Escape' && done(undefined)}>
      <label class="page-field">
        Name
        <input
          ref={first}
          value={given ?? name}
          disabled={given !== undefined}
          maxLength={NAME_BYTES}
          autocomplete="nickname"
          spellcheck={false}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      {given === undefined ? null : <p class="people-hint">Your token says who you are.</p>}
      <fieldset class="people-colors">
        <legend>Colour</legend>
        {COLORS.map((one, i) => (
          <label key={one} class="people-color" title={COLOR_NAMES[i]}>
            <input
              type="radio"
              name="people-color"
              value={one}
              checked={one === color}
              aria-label={COLOR_NAMES[i] ?? one}
              onChange={() => setColor(one)}
            />
            <span style={{ background: one }} />
          </label>
        ))}
      </fieldset>
      <div class="people-buttons">
        <button type="submit" class="page-button page-go">
          Save
        </button>
        <button type="button" class="page-button" onClick={() => done(undefined)}>
          Cancel
        </button>
      </div>
    </form>
  );
}

/** No more bytes than the server takes, and no half letters. */
function fitting(name: string): string {
  let fit = name.trim();
  while (new TextEncoder().encode(fit).length > NAME_BYTES) fit = [...fit].slice(0, -1).join('');
  return fit;
}
