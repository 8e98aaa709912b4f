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
  readonly #dock: HTMLElement;
  readonly #small = matchMedia(SMALL);
  readonly #fit = (): void => this.#set(this.#first());
  readonly #press = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && this.#small.matches && !event.defaultPrevented) this.#set(false);
  };

  constructor(dock: HTMLElement) {
    this.#dock = dock;
    dock.id = this.id;
    this.isOpen = signal(this.#first());
    this.#set(this.isOpen.value);
    this.#small.addEventListener('change', this.#fit);
    dock.addEventListener('keydown', this.#press);
  }

  toggle(): void {
    this.#set(!this.isOpen.value);
    // A drawer is closed at first, whatever it was the last time.
    if (this.#small.matches) return;
    try {
      localStorage.setItem(KEY, this.isOpen.value ? 'open' : 'closed');
    } catch {
      // A browser that keeps nothing: open again the next time.
    }
  }

  end(): void {
    this.#small.removeEventListener('change', this.#fit);
    this.#dock.removeEventListener('keydown', this.#press);
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
