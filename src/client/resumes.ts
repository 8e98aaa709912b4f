/** Subscriptions that are taken up again in HELLO, without a further round trip. Rule [H11]. */
import { BflyError, errorName, type ResumeRequest, type Welcome, type WireMap } from '../../protocol/index.ts';
import { pack } from '../../protocol/msgpack.ts';
import type { Line } from './line.ts';

/** What lives on each line under an id of its own, until it is ended. */
export interface Resumable {
  /** What to ask for on the next line, without the id; undefined = nothing in HELLO. */
  resume(): Omit<ResumeRequest, 'sub'> | undefined;
  /**
   * A line is there.
   *
   * @param answer what WELCOME says to `resume`, with the id; undefined where it was not asked or says nothing: ask again.
   */
  arrive(line: Line, answer: ResumeAnswer | undefined): void;
  /** The session is over. */
  fail(error: unknown): void;
}

/** What WELCOME says about one subscription: SUBSCRIBE's reply map, or an error. */
export type ResumeAnswer =
  | { readonly sub: number; readonly reply: WireMap }
  | { readonly sub: number; readonly error: BflyError };

/** Ids of resumed subscriptions begin here: 1 is HELLO's. */
const FIRST_ID = 2;
/** Most entries of one HELLO. */
const MAX_ENTRIES = 128;

/** All resumables of a connection. */
export class Resumes {
  readonly #all = new Set<Resumable>();
  #asked: (readonly [resumable: Resumable, sub: number])[] = [];

  add(resumable: Resumable): void {
    this.#all.add(resumable);
  }

  delete(resumable: Resumable): void {
    this.#all.delete(resumable);
  }

  /** Entries for HELLO, at most so many bytes; what does not fit is told so by `arrive`. */
  request(maxBytes: number): ResumeRequest[] {
    this.#asked = [];
    const entries: ResumeRequest[] = [];
    let bytes = 0;
    for (const resumable of this.#all) {
      const wish = resumable.resume();
      if (wish === undefined) continue;
      bytes += pack(wish).length; // more than the same as an array
      if (bytes > maxBytes || entries.length === MAX_ENTRIES) break;
      const sub = FIRST_ID + entries.length;
      entries.push({ ...wish, sub });
      this.#asked.push([resumable, sub]);
    }
    return entries;
  }

  /** Hands out the answers. */
  welcome(line: Line, welcome: Welcome): void {
    const answers = new Map<Resumable, ResumeAnswer>();
    for (const [index, [resumable, sub]] of this.#asked.entries()) {
      const answer = readAnswer(sub, welcome.resume[index]);
      if (answer !== undefined) answers.set(resumable, answer);
    }
    this.#asked = [];
    for (const resumable of [...this.#all]) resumable.arrive(line, answers.get(resumable));
  }

  /** Ends all. */
  fail(error: unknown): void {
    const all = [...this.#all];
    this.#all.clear();
    for (const resumable of all) resumable.fail(error);
  }
}

function readAnswer(sub: number, value: unknown): ResumeAnswer | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const reply = value as WireMap; // an object that is no array came from a map
  const error = reply['error'];
  if (!Array.isArray(error)) return { sub, reply };
  const [code, message] = error as readonly unknown[];
  return {
    sub,
    error: new BflyError(
      errorName(typeof code === 'number' ? code : 100),
      typeof message === 'string' ? message : 'the subscription was not taken up again',
    ),
  };
}
