/** A button that opens a panel below itself: closed by Escape, by the button, and by a press anywhere else. */
import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { useUniqueId } from '../unique-id.ts';

/** What it shows. */
export interface PopUpProps {
  readonly isOpen: boolean;
  readonly setOpen: (isOpen: boolean) => void;
  /** Class of the button. */
  readonly class: string;
  /** Name of the panel. */
  readonly label: string;
  /** Said of the button, where its own words do not say enough. */
  readonly buttonLabel?: string;
  readonly button: ComponentChildren;
  readonly children: ComponentChildren;
}

export function PopUp({ isOpen, setOpen, label, button, buttonLabel, children, ...props }: PopUpProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const id = useUniqueId();
  // With the panel itself: whoever presses Escape at once means it.
  useLayoutEffect(() => {
    if (!isOpen) return undefined;
    const press = (event: PointerEvent): void => {
      if (event.target instanceof Node && place.current?.contains(event.target) !== true) setOpen(false);
    };
    // Before Neuroglancer takes what is pressed in its panels.
    addEventListener('pointerdown', press, { capture: true });
    const around = place.current;
    const close = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      event.stopPropagation();
      setOpen(false);
      opener.current?.focus();
    };
    around?.addEventListener('keydown', close);
    return () => {
      removeEventListener('pointerdown', press, { capture: true });
      around?.removeEventListener('keydown', close);
    };
  }, [isOpen, setOpen]);
  return (
    <div class="pop-up" ref={place}>
      <button
        ref={opener}
        type="button"
        class={props.class}
        aria-expanded={isOpen}
        aria-controls={id}
        aria-label={buttonLabel}
        title={buttonLabel}
        onClick={() => setOpen(!isOpen)}
      >
        {button}
      </button>
      <section class="pop-up-panel" id={id} aria-label={label} hidden={!isOpen}>
        {isOpen ? children : null}
      </section>
    </div>
  );
}
