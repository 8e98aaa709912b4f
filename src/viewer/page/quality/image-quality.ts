/** Whether images come exactly as they are, or as JPEG: what was chosen, and when it is offered. */
import { type Signal, signal } from '@preact/signals';
import type { FromWorker, ToWorker } from '../neuroglancer/messages.ts';
import { chooseImages, chosenImages } from './images-choice.ts';

/** The line to the chunk worker. */
export interface QualityLine {
  readonly tell: (message: ToWorker) => void;
  readonly on: (listener: (message: FromWorker) => void) => () => void;
}

/** The choice of one view. */
export class ImageQuality {
  readonly isLossy: Signal<boolean>;
  /** Whether one is asked: once, by whom nothing was chosen before. */
  readonly isOffered = signal(false);
  readonly #line: QualityLine;

  constructor(line: QualityLine) {
    this.#line = line;
    this.isLossy = signal(chosenImages() === 'jpeg');
    line.on(({ kind }) => {
      if (kind === 'slow' && chosenImages() === undefined) this.isOffered.value = true;
    });
  }

  /** What is chosen holds until something else is. */
  choose(isLossy: boolean): void {
    this.isOffered.value = false;
    chooseImages(isLossy ? 'jpeg' : 'exact');
    if (isLossy === this.isLossy.value) return;
    this.isLossy.value = isLossy;
    this.#line.tell({ kind: 'lossy', isLossy });
  }
}
