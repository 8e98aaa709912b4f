/** What has to be told about edits of before a reload, or of a log that was begun anew, until it is put away. */
import { type Signal, signal } from '@preact/signals';
import type { OrphanedEdit, Session } from '../../../client/index.ts';
import type { KeptWriters } from '../kept-writers.ts';
import { count } from './status.ts';

/** Something that is told. */
export interface Notice {
  readonly id: number;
  readonly kind: 'info' | 'bad';
  readonly text: string;
  /** Sends again what was not sent. */
  readonly again?: () => void;
}

/** Edits are answered one by one, and told together, ms. */
const TOGETHER_MS = 300;

/** The notices of a session. */
export class Notices {
  readonly list: Signal<readonly Notice[]> = signal([]);
  readonly #ends: (() => void)[];
  #ids = 0;
  #recovered = 0;
  #orphans: OrphanedEdit[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(session: Pick<Session, 'on'>, kept: Pick<KeptWriters, 'answered'>) {
    this.#ends = [
      session.on('recovered', ({ path, error }) => {
        kept.answered();
        if (error === undefined) this.#recovered++;
        // An orphan is told of as one.
        else if (error.code !== 'EPOCH_MISMATCH') this.#add({ kind: 'bad', text: refused(path, error.message) });
        this.#plan();
      }),
      session.on('orphaned', (orphan) => {
        // Those of another user are no more in the writer's line than in ours.
        if (orphan.error.code === 'FORBIDDEN') kept.answered();
        this.#orphans.push(orphan);
        this.#plan();
      }),
    ];
  }

  dismiss(id: number): void {
    this.list.value = this.list.value.filter((notice) => notice.id !== id);
  }

  end(): void {
    for (const end of this.#ends) end();
    clearTimeout(this.#timer);
  }

  #plan(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tell();
    }, TOGETHER_MS);
  }

  #tell(): void {
    const [recovered, orphans] = [this.#recovered, this.#orphans];
    this.#recovered = 0;
    this.#orphans = [];
    if (recovered > 0)
      this.#add({
        kind: 'info',
        text: `${count(recovered, 'edit')} from before the page was loaded arrived at the server.`,
      });
    if (orphans.length > 0) this.#addOrphans(orphans);
  }

  #addOrphans(orphans: readonly OrphanedEdit[]): void {
    const isOthers = orphans[0]?.error.code === 'FORBIDDEN';
    const why = isOthers
      ? 'made under another name before the page was loaded'
      : 'made before the log of the volume was begun anew';
    const text = `${count(orphans.length, 'edit')} ${orphans.length === 1 ? 'was' : 'were'} ${why}, and not sent.`;
    const id = this.#add({
      ...{ kind: 'bad', text },
      again: () => {
        this.dismiss(id);
        void this.#again(orphans);
      },
    });
  }

  /** One after the other: later ones may need those before them. */
  async #again(orphans: readonly OrphanedEdit[]): Promise<void> {
    let sent = 0;
    for (const { path, again } of orphans) {
      try {
        await again();
        sent++;
      } catch (error) {
        this.#add({ kind: 'bad', text: refused(path, error instanceof Error ? error.message : String(error)) });
      }
    }
    if (sent > 0) this.#add({ kind: 'info', text: `${count(sent, 'edit')} arrived at the server.` });
  }

  #add(notice: Omit<Notice, 'id'>): number {
    const id = ++this.#ids;
    this.list.value = [...this.list.value, { ...notice, id }];
    return id;
  }
}

function refused(path: string, why: string): string {
  return `An edit of ${path.split('/').at(-1)} was refused: ${why}.`;
}
