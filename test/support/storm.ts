/** A crowd of editors and subscribers over one path, and what is to be checked when it has gone home. */
import type { WireMap } from '../../protocol/messages.ts';
import type { Box } from '../../protocol/volume.ts';
import { EditLedger, type FinalLog } from './edit-ledger.ts';
import { differences, foldLog } from './edit-oracle.ts';
import { Editor, type EditorOptions } from './editor.ts';
import { Probe } from './probe.ts';
import { seededRandom } from './seed.ts';
import { stormOps } from './storm-ops.ts';
import { SEGMENTATION } from './storm-volume.ts';
import { Watcher, type WatcherOptions } from './watcher.ts';
import { within } from './within.ts';

export interface CrowdOptions {
  /** Where a client connects; may change between connections. @param n its number among its like. */
  url(n: number): string;
  readonly seed: number;
  readonly editors: number;
  readonly watchers: number;
  /** More of each editor. */
  readonly editing?: Partial<EditorOptions>;
  /** More of each subscriber, by its number. */
  readonly watching?: (index: number) => Partial<WatcherOptions>;
  /** Ids that are merged and cleaved; few make bodies that meet. */
  readonly ids?: number;
  /** Share of ops on voxels and regions; default 0. */
  readonly voxels?: number;
}

/** So long for one answer is too long, ms. */
const PATIENCE_MS = 60_000;

/** Longer runs than a build has time for: BFLY_STORM=1. */
export const isLongRun = process.env['BFLY_STORM'] === '1';

/** The crowd. */
export class Crowd {
  readonly ledger = new EditLedger();
  readonly editors: readonly Editor[];
  readonly watchers: readonly Watcher[];

  constructor(options: CrowdOptions) {
    const { url, seed, editing = {}, watching = () => ({}), ids = 40, voxels = 0 } = options;
    const { ledger } = this;
    const randomOf = (n: number): (() => number) => seededRandom(seed + 7919 * n);
    this.editors = Array.from({ length: options.editors }, (_, n) => {
      const random = randomOf(n + 1);
      const wid = Uint8Array.from({ length: 16 }, () => Math.floor(256 * random()));
      const nextOps = stormOps(ids, voxels);
      return new Editor({
        url: () => url(n),
        path: SEGMENTATION,
        name: `editor${n}`,
        wid,
        ledger,
        random,
        nextOps,
        ...editing,
      });
    });
    this.watchers = Array.from({ length: options.watchers }, (_, n) => {
      const random = randomOf(1000 + n);
      const join = n % 2 === 0 ? 'tail' : 'snapshot';
      return new Watcher({
        url: () => url(n),
        path: SEGMENTATION,
        name: `watcher${n}`,
        ledger,
        random,
        join,
        ...watching(n),
      });
    });
  }

  start(): void {
    for (const one of [...this.watchers, ...this.editors]) one.start();
  }

  /** Resolves when so many more edits are acknowledged. @throws Error where a client saw what it must not see. */
  async moreEdits(count: number): Promise<void> {
    await this.ledger.whileSound(this.ledger.untilAcknowledged(this.ledger.acknowledged + count));
  }

  /** Lets every editor come to its end and every subscriber to the head, then reads the log. */
  async finish(url: string): Promise<FinalLog> {
    await this.ledger.whileSound(Promise.all(this.editors.map((editor) => editor.finish())));
    const log = await readHistory(url);
    await this.ledger.whileSound(Promise.all(this.watchers.map((watcher) => watcher.until(log.head))));
    return log;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.watchers, ...this.editors].map((one) => one.stop()));
  }
}

/** The whole log of a path by HISTORY. */
export async function readHistory(url: string, path = SEGMENTATION): Promise<FinalLog> {
  const probe = await Probe.hello(url, { feat: ['history'] });
  const log = await readLog(probe, path, 0);
  probe.close();
  return log;
}

/** The log of a path behind edit `after`. */
export async function readLog(probe: Probe, path: string, after: number): Promise<FinalLog> {
  const edits: WireMap[] = [];
  for (let id = 2; ; id++) {
    probe.send({ kind: 'HISTORY', id, path, after: after + edits.length, limit: 256 });
    const answer = await within(PATIENCE_MS, () => 'HISTORY', probe.answer(id));
    if (answer.kind !== 'HISTORY_OK') throw new Error(`HISTORY was answered by ${JSON.stringify(answer)}`);
    edits.push(...answer.edits);
    if (!answer.more) return { epoch: Buffer.from(answer.epoch).toString('hex'), head: answer.head, edits };
  }
}

/** How a subscriber that sees only rows inside a box differs from a full read. */
export function filteredFaults(watcher: Watcher, log: FinalLog, box: Box): string[] {
  const { rows, root, ids } = foldLog(log.edits);
  const inside = [...rows].filter(([, { points }]) =>
    (points as readonly number[]).every((at, axis) => at >= (box[axis] as number) && at < (box[axis + 3] as number)),
  );
  return watcher.views.flatMap((view) => differences(view, { root, ids, rows: new Map(inside) }));
}
