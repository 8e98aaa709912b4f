/** What the page and its chunk worker tell each other, besides what Neuroglancer does: over a BroadcastChannel that the worker's name names. */
import type { Box } from '../../../client/index.ts';

/** The name of the worker, as JSON. */
export interface WorkerName {
  /** Name of the channel. */
  readonly channel: string;
  /** The page's folder on the server. */
  readonly folder: string;
  readonly token?: string;
  /** Whether images are fetched as JPEG. */
  readonly isLossy: boolean;
}

/** What the worker needs of the info of a volume. */
export interface VolumeFile {
  readonly data_type: string;
  readonly num_channels: number;
  readonly type: string;
  readonly scales: readonly { readonly key: string; readonly encoding: string }[];
}

/** To the worker. */
export type ToWorker =
  /** The server takes this token from now on. */
  | { readonly kind: 'token'; readonly token: string }
  /** The info of an address, which the page has read. */
  | { readonly kind: 'info'; readonly address: string; readonly info: VolumeFile }
  /** Whether images are fetched as JPEG from now on. */
  | { readonly kind: 'lossy'; readonly isLossy: boolean }
  /** Voxels of mip 0 changed, by edits up to a seq. */
  | { readonly kind: 'dirty'; readonly path: string; readonly boxes: readonly Box[]; readonly seq: number }
  /** Show the volume as of an edit; undefined = as it is now. Only in these boxes of mip 0 it is another than what is shown; default: everywhere. */
  | { readonly kind: 'at'; readonly path: string; readonly at: number | undefined; readonly boxes?: readonly Box[] };

/** From the worker. */
export type FromWorker =
  | { readonly kind: 'ready' }
  /** What edits up to a seq changed of what is to be seen has come. */
  | { readonly kind: 'fresh'; readonly path: string; readonly seq: number }
  /** The connection of the pixels. */
  | { readonly kind: 'state'; readonly state: string }
  /** Images come so slowly, in bits per second, that JPEG would pay. Said once. */
  | { readonly kind: 'slow'; readonly rate: number }
  /** It cannot go on without a (new) token. */
  | { readonly kind: 'refused'; readonly message: string };
