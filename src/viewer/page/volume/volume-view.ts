/** A view that is open, as its panels and tools see it. */
import type { Session } from '../../../client/index.ts';
import type { FromWorker, ToWorker } from '../neuroglancer/messages.ts';
import type { Stage } from '../stage.ts';
import type { OpenChannels } from './open-channels.ts';

/** What a part of the view works with. */
export interface VolumeView {
  readonly session: Session;
  readonly stage: Stage;
  readonly channels: OpenChannels;
  /** Column beside the view, for panels. */
  readonly dock: HTMLElement;
  /** Row above the view. */
  readonly bar: HTMLElement;
  /** Tells the chunk worker something. */
  readonly tellWorker: (message: ToWorker) => void;
  /** Hears of the chunk worker's connection. @returns a function that ends it. */
  readonly onWorker: (listener: (message: FromWorker) => void) => () => void;
}
