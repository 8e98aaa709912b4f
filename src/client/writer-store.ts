/** What is kept of a writer so that a reloaded page can go on where it was. Rules [E2], [E15]. */
import type { WireOps } from './edit-input.ts';

/** An edit that was not answered yet. */
export interface SavedEdit extends WireOps {
  readonly wid: Uint8Array;
  /** 0: it has no number yet, so it was never sent. */
  readonly wseq: number;
  readonly base: number | null;
  readonly epoch: Uint8Array;
  readonly policy?: 'none' | 'scope' | 'strict';
  readonly note?: string;
}

/** A writer, in a form that `structuredClone` and IndexedDB keep. */
export interface SavedWriter {
  /** 16 bytes. */
  readonly wid: Uint8Array;
  /** The last number that may have been sent under `wid`. */
  readonly wseq: number;
  /** Id of the user whose writer it is. */
  readonly user: string;
  /** Edits without an answer, in their order. They are sent again, and applied once. */
  readonly pending: readonly SavedEdit[];
}

/**
 * Keeps writers across page reloads: an option of `connect`.
 *
 * Each tab should keep its own. Where two use the same, the server notices and one of them goes on under another name.
 *
 * @example
 * const writers = {
 *   load: (path) => saved.get(path),
 *   save: (path, writer) => saved.set(path, structuredClone(writer)),
 * };
 */
export interface WriterStore {
  /** What was saved last for a path. */
  load(path: string): SavedWriter | undefined | Promise<SavedWriter | undefined>;
  /** Called before edits are sent, which then wait for it, and after they are answered. */
  save(path: string, writer: SavedWriter): void | Promise<void>;
}
