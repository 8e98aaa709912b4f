/** What the page and its chunk worker tell each other, besides what Neuroglancer does: over a BroadcastChannel that the worker's name names. */
import type { Box } from '../../../client/index.ts';

/** The name of the worker, as JSON. */
export interface WorkerName {
  /** Name of the channel. */
  readonly channel: string;
  /** The page's folder on the server. */
  readonly folder: string;
  readonly token?: string;
}

/** To the worker. */
export type ToWorker =
  /** The server takes this token from now on. */
  | { readonly kind: 'token'; readonly token: string }
  /** Voxels of mip 0 changed. */
  | { readonly kind: 'dirty'; readonly path: string; readonly boxes: readonly Box[] }
  /** Show the volume as of an edit; undefined = as it is now. */
  | { readonly kind: 'at'; readonly path: string; readonly at: number | undefined };

/** From the worker. */
export type FromWorker =
  | { readonly kind: 'ready' }
  /** The connection of the pixels. */
  | { readonly kind: 'state'; readonly state: string }
  /** It cannot go on without a (new) token. */
  | { readonly kind: 'refused'; readonly message: string };
