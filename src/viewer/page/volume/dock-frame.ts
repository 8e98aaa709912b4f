/** Whether the dock is shown: beside the view, or over it as a drawer where the screen is small. */
import { type Signal, signal } from '@preact/signals';

const KEY = 'bfly.dock';
/** As in `volume.css`. */
const SMALL = '(max-width: 760px)';

/** The frame of a dock. */
export class DockFrame {
  readonly isOpen: Signal<boolean>;
  /** Of the dock, for the button that opens it. */
  readonly id = 'volume-dock';
  /** The button that opens it: has the focus again when a drawer is closed from within. */
  opener: HTMLElement | null = null;
  readonly #dock: HTMLElement;
  readonly #small = matchMedia(SMALL);
  readonly #fit = (): void => this.#set(this.#first());
  readonly #press = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || !this.#small.matches || event.defaultPrevented) return;
    this.#set(false);
    this.opener?.focus();
  };
  /** Whoever goes on in the view has done with the drawer. */
  readonly #leave = ({ target }: PointerEvent): void => {
    if (!this.#small.matches || !(target instanceof Node) || this.#dock.contains(target)) return;
    if (this.#dock.parentElement?.contains(target) === true) this.#set(false);
  };

  constructor(dock: HTMLElement) {
    this.#dock = dock;
    dock.id = this.id;
    this.isOpen = signal(this.#first());
    this.#set(this.isOpen.value);
    this.#small.addEventListener('change', this.#fit);
    dock.addEventListener('keydown', this.#press);
    // Before Neuroglancer takes what is pressed in its panels.
    addEventListener('pointerdown', this.#leave, { capture: true });
  }

  toggle(): void {
    this.#set(!this.isOpen.value);
    if (this.#small.matches) {
      // It lies over the view; and is closed at first, whatever it was the last time.
      if (this.isOpen.value) this.#dock.querySelector('button')?.focus();
      return;
    }
    try {
      localStorage.setItem(KEY, this.isOpen.value ? 'open' : 'closed');
    } catch {
      // A browser that keeps nothing: open again the next time.
    }
  }

  end(): void {
    this.#small.removeEventListener('change', this.#fit);
    this.#dock.removeEventListener('keydown', this.#press);
    removeEventListener('pointerdown', this.#leave, { capture: true });
  }

  #set(isOpen: boolean): void {
    this.isOpen.value = isOpen;
    this.#dock.dataset['open'] = String(isOpen);
  }

  #first(): boolean {
    if (this.#small.matches) return false;
    try {
      return localStorage.getItem(KEY) !== 'closed';
    } catch {
      return true;
    }
  }
}
