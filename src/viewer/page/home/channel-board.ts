/** Keeps what is shown of channels up to date, for as long as they are on screen. */
import type { ChannelInfo, Session } from '../../../client/index.ts';
import { type ChannelState, newChannelState, tellEdit } from './channel-state.ts';
import { peopleOf } from './people.ts';
import { thumbnailBox } from './thumbnail-box.ts';
import { paintSlice } from './thumbnail-pixels.ts';
import { WorkQueue } from './work-queue.ts';

/** Channels that are followed at once; others that are on screen wait. */
const MAX_FOLLOWED = 60;
const INFOS_AT_ONCE = 6;
const THUMBNAILS_AT_ONCE = 2;
/** After this a thumbnail gives its place to others. */
const THUMBNAIL_MS = 30_000;
/** Pictures that are kept for channels that left the screen: 256 × 256 pixels each. */
const MAX_PICTURES = 200;
/** Who scrolls past a channel does not ask for it. */
const DWELL_MS = 120;
/** Edits of voxels are drawn at most so often. */
const REDRAW_MS = 3_000;
const LOWEST_URGENCY = 7;

/** What of a session the board needs. */
export type BoardSession = Pick<Session, 'info' | 'cutout' | 'history' | 'subscribe' | 'user'>;

/** All channels that were ever on screen. */
export class ChannelBoard {
  readonly #session: BoardSession;
  readonly #states = new Map<string, ChannelState>();
  /** Channels on screen; aborted when they leave it. */
  readonly #shown = new Map<string, AbortController>();
  /** Channels with a picture, the one that left the screen first in front. */
  readonly #pictures = new Set<ChannelState>();
  readonly #followers = new WorkQueue(MAX_FOLLOWED);
  readonly #infos = new WorkQueue(INFOS_AT_ONCE);
  readonly #thumbnails = new WorkQueue(THUMBNAILS_AT_ONCE);
  readonly #abort = new AbortController();

  constructor(session: BoardSession) {
    this.#session = session;
  }

  /** What is known of a channel, now and later. */
  stateOf(path: string): ChannelState {
    let state = this.#states.get(path);
    if (state === undefined) {
      state = newChannelState(path);
      this.#states.set(path, state);
    }
    return state;
  }

  /** A channel comes on screen. */
  enter(path: string): void {
    if (this.#shown.has(path) || this.#abort.signal.aborted) return;
    const abort = new AbortController();
    this.#shown.set(path, abort);
    const { signal } = abort;
    const timer = setTimeout(() => {
      // Ends with the signal; what goes wrong before is in the state.
      this.#followers.run(signal, () => this.#follow(this.stateOf(path), signal)).catch(() => {});
    }, DWELL_MS);
    signal.addEventListener('abort', () => clearTimeout(timer));
  }

  /** A channel leaves the screen. */
  leave(path: string): void {
    this.#shown.get(path)?.abort(new Error('the channel is not on screen'));
    this.#shown.delete(path);
  }

  /** Makes sure that the INFO of a channel is there, on screen or not. */
  async need(path: string): Promise<void> {
    const state = this.stateOf(path);
    if (state.info.value !== undefined || state.fault.value !== undefined) return;
    await this.#learn(state, this.#abort.signal).catch(() => {});
  }

  /** Ends everything. */
  close(): void {
    this.#abort.abort(new Error('the page is left'));
    for (const path of [...this.#shown.keys()]) this.leave(path);
  }

  /** Resolves when the channel has left the screen. */
  async #follow(state: ChannelState, signal: AbortSignal): Promise<void> {
    const left = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    while (!signal.aborted) {
      const info = await this.#learn(state, signal).catch(() => undefined);
      if (info === undefined) break;
      this.#draw(state, info, signal).catch(() => {});
      this.#readLastEdit(state, info, signal).catch(() => {});
      const isAnew = await this.#watch(state, info, signal);
      if (!isAnew) break;
    }
    await left;
  }

  async #learn(state: ChannelState, signal: AbortSignal): Promise<ChannelInfo | undefined> {
    try {
      const info = await this.#infos.run(signal, () => this.#session.info(state.path, { signal }));
      if (info.kind !== 'channel') return undefined;
      state.info.value = info;
      state.fault.value = undefined;
      return info;
    } catch (error) {
      if (!signal.aborted) state.fault.value = messageOf(error);
      throw error;
    }
  }

  async #readLastEdit(state: ChannelState, info: ChannelInfo, signal: AbortSignal): Promise<void> {
    if (info.head === 0) {
      state.lastEdit.value ??= null;
      return;
    }
    for await (const edit of this.#session.history(state.path, { after: info.head - 1, limit: 1, signal }))
      tellEdit(state, edit);
  }

  /**
   * Follows edits and people.
   *
   * @returns when that ends: true where the log has begun anew, and so must we.
   */
  #watch(state: ChannelState, info: ChannelInfo, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const from = { epoch: info.epoch, seq: info.head };
      const subscription = this.#session.subscribe(state.path, { from, presence: true, signal });
      let redraw: ReturnType<typeof setTimeout> | undefined;
      const drawSoon = (): void => {
        redraw ??= setTimeout(() => {
          redraw = undefined;
          this.#draw(state, info, signal, true).catch(() => {});
        }, REDRAW_MS);
      };
      const end = (isAnew: boolean): void => {
        clearTimeout(redraw);
        state.people.value = [];
        subscription.close();
        resolve(isAnew);
      };
      subscription.on('edits', (edits) => {
        const newest = edits.at(-1);
        if (newest !== undefined) tellEdit(state, newest);
        if (edits.some(({ changes }) => changes.touched !== undefined)) drawSoon();
      });
      subscription.on('peers', (peers) => {
        state.people.value = peopleOf(peers.values(), this.#session.user.id);
      });
      subscription.on('reset', () => {
        state.lastEdit.value = undefined;
        end(true);
      });
      // Without the right, or where the server does not tell of edits, the rest of the card stays as it is.
      subscription.on('end', () => end(false));
    });
  }

  /** @param isStale draws what has been drawn before once more; the old picture stays until then. */
  async #draw(state: ChannelState, info: ChannelInfo, signal: AbortSignal, isStale = false): Promise<void> {
    const isDrawn = state.thumbnail.value.kind === 'drawn';
    if (isDrawn && !isStale) return this.#keep(state);
    const wish = thumbnailBox(info);
    if (wish === undefined) return;
    if (!isDrawn) state.thumbnail.value = { kind: 'waiting' };
    const { mip, box } = wish;
    try {
      const { data, shape } = await this.#thumbnails.run(signal, () => {
        const limited = AbortSignal.any([signal, AbortSignal.timeout(THUMBNAIL_MS)]);
        return this.#session.cutout(state.path, { mip, box, urgency: LOWEST_URGENCY, signal: limited });
      });
      state.thumbnail.value = { kind: 'drawn', picture: paintSlice(info.type, data, shape[0], shape[1]) };
      this.#keep(state);
    } catch (error) {
      if (!signal.aborted && !isDrawn) state.thumbnail.value = { kind: 'failed', fault: messageOf(error) };
    }
  }

  /** Keeps a picture, and forgets one that was not on screen for long. */
  #keep(state: ChannelState): void {
    this.#pictures.delete(state);
    this.#pictures.add(state);
    for (const oldest of this.#pictures) {
      if (this.#pictures.size <= MAX_PICTURES) return;
      if (this.#shown.has(oldest.path)) continue;
      this.#pictures.delete(oldest);
      oldest.thumbnail.value = { kind: 'waiting' };
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
