/** A view that is open, as its panels and tools see it. */
import type { Signal } from '@preact/signals';
import type { Session } from '../../../client/index.ts';
import type { Access } from '../access.ts';
import type { KeptWriters } from '../kept-writers.ts';
import type { FromWorker, ToWorker } from '../neuroglancer/messages.ts';
import type { ImageQuality } from '../quality/image-quality.ts';
import type { Stage } from '../stage.ts';
import type { OpenChannels } from './open-channels.ts';
import type { PastMoment } from './past-moment.ts';

/** What a part of the view works with. */
export interface VolumeView {
  readonly session: Session;
  readonly stage: Stage;
  readonly channels: OpenChannels;
  /** Whether a moment of the past is shown: nothing is edited then. Set by the history. */
  readonly past: PastMoment;
  /** Column beside the view, for panels. */
  readonly dock: HTMLElement;
  /** Row above the view. */
  readonly bar: HTMLElement;
  /** What one does, in a word for the others, such as `merge` or `paint`; '' while one only looks. The tools say it. */
  readonly tool: Signal<string>;
  /** Tokens. */
  readonly access: Access;
  /** Edits that outlive the page. */
  readonly kept: KeptWriters;
  /** Whether images come exactly as they are. */
  readonly quality: ImageQuality;
  /** Settled once something of a volume is to be seen, or will not be for a while: what nobody waits for to see it is loaded then. */
  readonly seen: Promise<void>;
  /** Tells the chunk worker something. */
  readonly tellWorker: (message: ToWorker) => void;
  /** Hears of the chunk worker's connection. @returns a function that ends it. */
  readonly onWorker: (listener: (message: FromWorker) => void) => () => void;
}
