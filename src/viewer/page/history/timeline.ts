/** All edits of a channel in memory, and the bodies and rows after each of them: what a slider over time moves along. Pure. */
import { EditView } from '../../../../protocol/edit-view.ts';
import { type Box, type EditEvent, readIds } from '../../../client/index.ts';
import { userName } from '../../../client/words.ts';
import { editWords } from './edit-words.ts';
import { RowHistory } from './row-history.ts';

/** Edits between two checkpoints, at first. */
const CHECKPOINT_EVERY = 1_000;
/** Bytes of all checkpoints; beyond them every other one is given up. */
const CHECKPOINT_BYTES = 64 * 2 ** 20;
/** More ids or boxes than these are not told one by one. */
const IDS_TOLD = 50_000;
const BOXES_TOLD = 256;

/** An edit, as much of it as is needed of all. */
export interface Moment {
  readonly seq: number;
  /** Ms since 1970. */
  readonly time: number;
  /** Who made it. */
  readonly user: string;
  /** What it did, see `editWords`. */
  readonly words: string;
}

/** What may differ between two moments. */
export interface Difference {
  /** Ids in whose bodies something may have changed; undefined: any. */
  readonly ids: readonly bigint[] | undefined;
  /** Boxes of mip 0 outside which no voxel differs; undefined: any may. */
  readonly boxes: readonly Box[] | undefined;
}

interface Kept extends Moment {
  readonly changes: Pick<EditEvent['changes'], 'joined' | 'parted' | 'touched'>;
}

interface Checkpoint {
  readonly seq: number;
  /** Rows of 2 × u64: id and root. */
  readonly links: Uint8Array;
}

/** The edits of one log from its first on, bodies that can be moved to any of them, and the rows of each. */
export class Timeline {
  readonly rows = new RowHistory();
  readonly #kept: Kept[] = [];
  readonly #undos = new Set<number>();
  readonly #checkpoints: Checkpoint[] = [];
  readonly #checkpointBytes: number;
  #every: number;
  /** Goes ahead, to make checkpoints. */
  readonly #newest = new EditView();
  #view = new EditView();

  /** @param every edits between checkpoints. @param checkpointBytes see `CHECKPOINT_BYTES`. */
  constructor(every = CHECKPOINT_EVERY, checkpointBytes = CHECKPOINT_BYTES) {
    this.#every = every;
    this.#checkpointBytes = checkpointBytes;
  }

  /** The newest edit that is known; 0 before the first. */
  get head(): number {
    return this.#kept.length;
  }

  /** Number of checkpoints. */
  get checkpoints(): number {
    return this.#checkpoints.length;
  }

  /** An edit, if it is known. */
  moment(seq: number): Moment | undefined {
    return this.#kept[seq - 1];
  }

  /** Adds edits. Those that are known already are passed over. @returns false where one is missing before them: nothing was added. */
  add(edits: readonly EditEvent[]): boolean {
    const fresh = edits.filter(({ seq }) => seq > this.head);
    if (fresh.some(({ seq, cut }, i) => seq !== this.head + 1 + i || cut === true)) return false;
    for (const edit of fresh) this.#add(edit);
    return true;
  }

  #add(edit: EditEvent): void {
    const { seq, time, user, changes, ops } = edit;
    if (ops.length > 0 && ops.every((op) => op['op'] === 'undo')) this.#undos.add(seq);
    const { joined, parted, touched } = changes;
    this.#kept.push({
      ...{ seq, time, user: userName(user), words: editWords(edit, (other) => this.#undos.has(other)) },
      changes: {
        ...(joined === undefined ? {} : { joined }),
        ...(parted === undefined ? {} : { parted }),
        ...(touched === undefined ? {} : { touched }),
      },
    });
    this.#newest.apply(seq, {
      ...(joined === undefined ? {} : { joined }),
      ...(parted === undefined ? {} : { parted }),
    });
    this.rows.add(edit);
    if (seq % this.#every === 0) this.#keepCheckpoint(seq);
  }

  #keepCheckpoint(seq: number): void {
    const links: bigint[] = [];
    for (const pair of this.#newest.links()) links.push(...pair);
    this.#checkpoints.push({ seq, links: new Uint8Array(BigUint64Array.from(links).buffer) });
    let bytes = this.#checkpoints.reduce((sum, point) => sum + point.links.length, 0);
    while (bytes > this.#checkpointBytes && this.#checkpoints.length > 1) {
      this.#every *= 2;
      const left = this.#checkpoints.filter((point) => point.seq % this.#every === 0);
      this.#checkpoints.splice(0, this.#checkpoints.length, ...left);
      bytes = left.reduce((sum, point) => sum + point.links.length, 0);
    }
  }

  /** Bodies after an edit that is known, 0 for those before the first. Another view, or the same changed in place, each time. */
  bodiesAt(seq: number): EditView {
    const from = this.#checkpointBefore(seq);
    if (this.#view.seq > seq || this.#view.seq < (from?.seq ?? 0)) {
      this.#view = new EditView();
      if (from !== undefined) this.#view.loadLinks(from.links);
      this.#view.begin(from?.seq ?? 0);
    }
    for (let next = this.#view.seq + 1; next <= Math.min(seq, this.head); next++)
      this.#view.apply(next, this.#kept[next - 1]?.changes ?? {});
    return this.#view;
  }

  #checkpointBefore(seq: number): Checkpoint | undefined {
    let found: Checkpoint | undefined;
    for (const point of this.#checkpoints) if (point.seq <= seq) found = point;
    return found;
  }

  /** What may differ between two moments, whichever is first. Beyond what is known everything may. */
  between(a: number, b: number): Difference {
    const [from, to] = a < b ? [a, b] : [b, a];
    if (to > this.head) return { ids: undefined, boxes: undefined };
    let ids: Set<bigint> | undefined = new Set();
    let boxes: Box[] | undefined = [];
    for (const { changes } of this.#kept.slice(from, to)) {
      ids = ids && addIds(ids, changes);
      for (const [mip, box] of changes.touched ?? []) if (mip === 0) boxes?.push(box);
      if (boxes !== undefined && boxes.length > BOXES_TOLD) boxes = undefined;
    }
    return { ids: ids && [...ids], boxes };
  }
}

/** Whoever moved is in the body of one of these roots, on either side. @returns undefined where there are too many. */
function addIds(ids: Set<bigint>, { joined, parted = [] }: Kept['changes']): Set<bigint> | undefined {
  if (ids.size + (joined?.length ?? 0) / 8 + parted.length > IDS_TOLD) return undefined;
  if (joined !== undefined) for (const id of readIds(joined)) ids.add(id);
  for (const [root] of parted) ids.add(root);
  return ids;
}
