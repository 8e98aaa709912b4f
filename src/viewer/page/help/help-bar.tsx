/** The ends of the bar: the way home at the left; the link, the help and the panels at the right. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Icon } from '../icon.tsx';
import type { DockFrame } from '../volume/dock-frame.ts';
import { PopUp } from '../volume/pop-up.tsx';
import type { VolumeView } from '../volume/volume-view.ts';
import { copyLink } from './copy-link.ts';
import { HelpPanel } from './help-panel.tsx';

/** The Butterfly mark: the list of volumes. */
export function HomeLink(): JSX.Element {
  return (
    <h1 class="help-title">
      <a class="help-home" href="./" title="All volumes of this server">
        <svg width="22" height="22" viewBox="0 0 32 32" role="img" aria-label="Butterfly: all volumes of this server">
          <path
            fill="currentColor"
            d="M16 8c3-7 14-8 14 0 0 6-5 8-8 9 4 1 6 4 4 8-3 5-9 1-10-6-1 7-7 11-10 6-2-4 0-7 4-8-3-1-8-3-8-9 0-8 11-7 14 0z"
          />
        </svg>
      </a>
    </h1>
  );
}

export function HelpBar({ view, frame }: { readonly view: VolumeView; readonly frame: DockFrame }): JSX.Element {
  const { stage } = view;
  const [isOpen, setOpen] = useState(false);
  useEffect(() => stage.bind([{ key: 'shift+slash', help: 'this help', run: () => setOpen((was) => !was) }]), [stage]);
  const copy = async (): Promise<void> => {
    const isDone = await copyLink();
    stage.say(
      isDone ? 'The link of this view is copied.' : 'The link is in the address bar.',
      isDone ? 'info' : 'error',
    );
  };
  return (
    <>
      <button
        type="button"
        class="help-button"
        aria-label="Copy link"
        title="Copy the link of this view"
        onClick={() => void copy()}
      >
        <Icon d="M6.5 9.5a3 3 0 0 0 4.3 0l2.3-2.3a3 3 0 0 0-4.3-4.3L7.8 3.9M9.5 6.5a3 3 0 0 0-4.3 0L2.9 8.8a3 3 0 0 0 4.3 4.3l1-1" />
      </button>
      <PopUp isOpen={isOpen} setOpen={setOpen} class="help-button" label="Help" buttonLabel="Help (?)" button="?">
        <HelpPanel keys={stage.keys} />
      </PopUp>
      <button
        ref={(button) => {
          frame.opener = button;
        }}
        type="button"
        class="help-button"
        aria-label="Panels"
        title={frame.isOpen.value ? 'Hide the panels' : 'Show the panels'}
        aria-expanded={frame.isOpen.value}
        aria-controls={frame.id}
        onClick={() => frame.toggle()}
      >
        <Icon d="M2 3h12v10H2zM10 3v10" />
      </button>
    </>
  );
}
