/** Looks up what synapses were before the first edit: as files have them, which the path of the dataset tells. Rule [I6]. */
import { readRow } from '../../../../protocol/parse-rows.ts';
import type { Row, Session } from '../../../client/index.ts';

/** Synapses that are looked up for one channel; each takes two questions. */
const MOST_ASKED = 500;
/** Questions at a time. */
const AT_ONCE = 4;

/** The synapses of files. */
export class FileRows {
  readonly #session: Pick<Session, 'feature'>;
  readonly #dataset: string;
  readonly #found: (key: bigint, row: Row | null) => void;
  readonly #waiting: bigint[] = [];
  readonly #abort = new AbortController();
  #left = MOST_ASKED;

  /**
   * @param path of a channel.
   * @param found gets each row; null: files have none. What cannot be had is not told.
   */
  constructor(session: Pick<Session, 'feature'>, path: string, found: (key: bigint, row: Row | null) => void) {
    this.#session = session;
    this.#dataset = path.split('/').slice(0, -1).join('/');
    this.#found = found;
  }

  /** Looks keys up. Resolves, never rejects, when all has been found that can be. */
  async ask(keys: readonly bigint[]): Promise<void> {
    const asked = keys.slice(0, this.#left);
    this.#left -= asked.length;
    this.#waiting.push(...asked);
    await Promise.all(Array.from({ length: AT_ONCE }, () => this.#work()));
  }

  end(): void {
    this.#waiting.length = 0;
    this.#abort.abort();
  }

  async #work(): Promise<void> {
    for (let key = this.#waiting.shift(); key !== undefined; key = this.#waiting.shift()) {
      const row = await this.#look(key).catch(() => undefined); // then it stays unknown, which is said
      if (row !== undefined && !this.#abort.signal.aborted) this.#found(key, row);
    }
  }

  async #look(key: bigint): Promise<Row | null> {
    const { signal } = this.#abort;
    const point = await this.#session.feature(this.#dataset, 'synapse_keypoint', { id: key, signal });
    const { x, y, z } = point as { readonly x?: number; readonly y?: number; readonly z?: number }; // as [I6] says
    if (x === undefined || y === undefined || z === undefined) return null;
    const box = [x, y, z, x + 1, y + 1, z + 1] as const;
    const rows = await this.#session.feature(this.#dataset, 'synapse_rows', { box, signal });
    if (!Array.isArray(rows)) return null;
    return rows.map(readRow).find((row) => row.key === key) ?? null;
  }
}
