/** What an undo comes to, in words: it takes an edit out of force, or puts one back that another undo had taken out. Rule [E21]. */
import type { EditEvent } from '../client/edit-event.ts';
import type { EditSession } from './context.ts';
import { seqsUndone } from './redo.ts';

/** Says `undoes 4` or `redoes 4` for the undo of an edit. */
export type UndoWord = (seq: number) => string;

type SeenEdit = Pick<EditEvent, 'seq' | 'ops'>;

/** What undoing one edit takes out of force and puts back. */
interface Effect {
  readonly undoes: ReadonlySet<number>;
  readonly redoes: ReadonlySet<number>;
}

/** Edits that are looked at in one question. */
const PAGE = 256;
/** Questions for one lot of edits: whoever undid undos all day is told of the last one. */
const MOST_QUESTIONS = 32;
/** Edits that are kept in mind. */
const MOST_KNOWN = 65_536;
/** More seqs than these are only counted. */
const SEQS_SHOWN = 6;

/** The undos of a log, as far as they were met. */
export class UndoWords {
  readonly #session: Pick<EditSession, 'history'>;
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;
  /** Edits that an edit names, where it does nothing but undo; none where it does. */
  readonly #named = new Map<number, readonly number[]>();
  readonly #effects = new Map<number, Effect>();

  constructor(session: Pick<EditSession, 'history'>, path: string, signal?: AbortSignal) {
    this.#session = session;
    this.#path = path;
    this.#signal = signal;
  }

  /** Looks up what the undos in some edits come to: afterwards `word` knows it. @throws BflyError as reading a history. */
  async learn(edits: readonly SeenEdit[]): Promise<void> {
    for (const edit of edits) this.#note(edit);
    const reached = new Set(edits.flatMap(({ ops }) => seqsUndone(ops)));
    let questions = 0;
    // A set that grows is walked to its end; undos name earlier edits, so there is one.
    for (const seq of reached) {
      if (!this.#named.has(seq) && questions++ < MOST_QUESTIONS) await this.#ask(seq);
      for (const earlier of this.#named.get(seq) ?? []) reached.add(earlier);
    }
    for (const seq of [...reached].sort((a, b) => a - b)) this.#effects.set(seq, this.#effectOf(seq));
    forgetOldest(this.#named);
    forgetOldest(this.#effects);
  }

  /** See `UndoWord`. */
  readonly word: UndoWord = (seq) => {
    const { undoes, redoes } = this.#effects.get(seq) ?? only(seq);
    return [...listed('undoes', undoes), ...listed('redoes', redoes)].join(' and ');
  };

  /** The log was begun anew: its numbers mean other edits. */
  forget(): void {
    this.#named.clear();
    this.#effects.clear();
  }

  /** Those of the edits that it names are known: they are earlier. */
  #effectOf(seq: number): Effect {
    const named = this.#named.get(seq) ?? [];
    if (named.length === 0) return only(seq);
    const effects = named.map((earlier) => this.#effects.get(earlier) ?? only(earlier));
    return {
      undoes: new Set(effects.flatMap(({ redoes }) => [...redoes])),
      redoes: new Set(effects.flatMap(({ undoes }) => [...undoes])),
    };
  }

  #note({ seq, ops }: SeenEdit): void {
    this.#named.set(seq, ops.every(({ op }) => op === 'undo') ? seqsUndone(ops) : []);
  }

  /** Reads an edit if it is an undo, and the undos before it that come along. */
  async #ask(seq: number): Promise<void> {
    const signal = this.#signal === undefined ? {} : { signal: this.#signal };
    for (const after of [Math.max(0, seq - PAGE), seq - 1]) {
      const asked = this.#session.history(this.#path, { after, kinds: ['undo'], ...signal });
      for await (const { edits } of asked.pages()) {
        for (const edit of edits) this.#note(edit);
        // A page that was full before it had come so far leaves the edit to a question of its own.
        if (this.#named.has(seq)) return;
        break;
      }
    }
    this.#named.set(seq, []);
  }
}

const only = (seq: number): Effect => ({ undoes: new Set([seq]), redoes: new Set() });

function listed(verb: string, seqs: ReadonlySet<number>): string[] {
  if (seqs.size === 0) return [];
  const shown = [...seqs].sort((a, b) => a - b).slice(0, SEQS_SHOWN);
  return [`${verb} ${shown.join(', ')}${seqs.size > shown.length ? `, … (${seqs.size})` : ''}`];
}

function forgetOldest(map: Map<number, unknown>): void {
  for (const seq of map.keys()) {
    if (map.size <= MOST_KNOWN) return;
    map.delete(seq);
  }
}
