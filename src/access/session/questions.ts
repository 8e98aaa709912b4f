/** Requests that have one reply: INFO, LIST, FEATURE, UNIQUE, HISTORY. */

import { encodeServer, writeReplyId } from '../../../protocol/encode.ts';
import { BflyError } from '../../../protocol/errors.ts';
import type { ClientMessage, ServerMessage } from '../../../protocol/messages.ts';
import type { ChannelInfo, DatasetInfo } from '../../../protocol/volume.ts';
import { isQuickFeature } from '../../core/features.ts';
import { answerHistory } from '../edits/history.ts';
import { rightsNumber, rightsOfNumber } from './channel-rights.ts';
import type { OpenRequest, SessionContext } from './session-context.ts';

type Question = Extract<ClientMessage, { kind: 'INFO' | 'LIST' | 'FEATURE' | 'UNIQUE' | 'HISTORY' }>;
type Unique = Extract<ClientMessage, { kind: 'UNIQUE' }>;

/** Entries of a LIST page unless the client says otherwise; 128 bytes of name and 515 of path each stay under 64 KiB. */
const LIST_PAGE = 80;
/** Ids of a UNIQUE page: 8 bytes each stay under 64 KiB. */
const UNIQUE_PAGE = 8_000;
/** No question is taken up while the socket holds more: replies must not pile up before a client that does not read. */
const FULL_SOCKET_BYTES = 1024 * 1024;

/** INFO replies as they were sent last, by what they tell, and to whom: people of the same rights are told the same. */
const encodedInfos = new WeakMap<ChannelInfo, Map<number, Uint8Array>>();
/** The id that takes the widest token: an encoded reply with it has room for every id. */
const U32_MAX = 0xffff_ffff;

/** Questions of one kind of work, in order of arrival. */
interface Line {
  readonly waiting: (() => Promise<void>)[];
  running: number;
  /** How many are worked on at once. */
  readonly places: number;
}

/** Asks the Core, and sends what it says. */
export class Questions {
  readonly #context: SessionContext;
  readonly #writers: ReadonlySet<string>;
  readonly #quick: Line = { waiting: [], running: 0, places: 8 };
  /** Scans of UNIQUE and FEATURE run one at a time, and nothing else waits for them. Rule [I7]. */
  readonly #scans: Line = { waiting: [], running: 0, places: 1 };

  /** @param writers names of the session's writers. */
  constructor(context: SessionContext, writers: ReadonlySet<string>) {
    this.#context = context;
    this.#writers = writers;
  }

  /** Takes a question; the answer follows. */
  ask(question: Question): void {
    if (question.kind === 'INFO' && this.#mayRead(question.path) && this.#answerAtOnce(question)) return;
    const { requests } = this.#context;
    const abort = new AbortController();
    const line = isScan(question) ? this.#scans : this.#quick;
    const giveUp = (): void => {
      abort.abort();
      const at = line.waiting.indexOf(work);
      if (at >= 0) line.waiting.splice(at, 1);
    };
    const finish = (): boolean => requests.get(question.id) === request && requests.delete(question.id);
    const request: OpenRequest = {
      cancel: () => {
        giveUp();
        if (finish()) this.#context.error(question.id, new BflyError('CANCELLED', 'cancelled'));
      },
      drop: giveUp,
    };
    const work = async (): Promise<void> => {
      try {
        const message = await this.#answer(question, abort.signal);
        if (finish()) this.#context.send(message);
      } catch (error) {
        if (finish()) this.#context.error(question.id, this.#fault(error));
      }
    };
    requests.set(question.id, request);
    line.waiting.push(work);
    this.run();
  }

  /** Most INFOs are of channels that are open: their answer was encoded before, and only its id is new. */
  #answerAtOnce(question: Question): boolean {
    const { home, connection } = this.#context;
    const info = home.core.peekInfo(question);
    if (info === undefined || connection.bufferedBytes() > FULL_SOCKET_BYTES) return false;
    let replies = encodedInfos.get(info);
    if (replies === undefined) {
      replies = new Map();
      encodedInfos.set(info, replies);
    }
    const number = rightsNumber(this.#context.identity().rights, info.path);
    let reply = replies.get(number);
    if (reply === undefined) {
      const told = { ...info, rights: rightsOfNumber(number) };
      reply = encodeServer({ kind: 'INFO_OK', id: U32_MAX, info: told }).slice();
      replies.set(number, reply);
    }
    writeReplyId(reply, question.id);
    this.#context.sendBytes(reply, question.id);
    return true;
  }

  /** Takes up what waits, as far as there is room. */
  run(): void {
    for (const line of [this.#quick, this.#scans])
      while (line.running < line.places && this.#context.connection.bufferedBytes() <= FULL_SOCKET_BYTES) {
        const next = line.waiting.shift();
        if (next === undefined) break;
        line.running++;
        void next().then(() => {
          line.running--;
          this.run();
        });
      }
  }

  async #answer(question: Question, signal: AbortSignal): Promise<ServerMessage> {
    const { core, limits } = this.#context.home;
    switch (question.kind) {
      case 'INFO':
        return this.#infoOk(question.id, await core.getInfo(question, this.#mayRead));
      case 'LIST': {
        const limit = Math.min(LIST_PAGE, question.limit ?? LIST_PAGE);
        return {
          kind: 'LIST_OK',
          id: question.id,
          ...core.getGroups(question.path, question.after, limit, this.#mayRead),
        };
      }
      case 'FEATURE': {
        this.#context.checkRead(question.path);
        const answer = await core.features.answer(question, limits.uniqueVoxels, signal);
        this.#context.checkRead(question.path);
        return { kind: 'FEATURE_OK', id: question.id, ...answer };
      }
      case 'UNIQUE': {
        // First of all, so that no other fault tells whether the path is there.
        this.#context.checkRead(question.path);
        const ids = await core.findUnique(question, limits.uniqueVoxels, signal, question);
        // The right may have gone while the box was looked through.
        this.#context.checkRead(question.path);
        return uniquePage(question, ids);
      }
      case 'HISTORY':
        return answerHistory(question, this.#context, this.#writers);
    }
  }

  #infoOk(id: number, info: ChannelInfo | DatasetInfo): ServerMessage {
    const { rights } = this.#context.identity();
    const tell = (channel: ChannelInfo): ChannelInfo => {
      return { ...channel, rights: rightsOfNumber(rightsNumber(rights, channel.path)) };
    };
    if (info.kind === 'channel') return { kind: 'INFO_OK', id, info: tell(info) };
    return { kind: 'INFO_OK', id, info: { ...info, channels: info.channels.map(tell) } };
  }

  readonly #mayRead = (path: string): boolean => this.#context.identity().rights.allows('read', path);

  #fault(error: unknown): BflyError {
    if (error instanceof BflyError) return error;
    this.#context.home.log.error({ err: error }, 'a request failed');
    return new BflyError('INTERNAL', 'the request failed inside the server');
  }
}

/** Whether a question looks through a box. */
function isScan(question: Question): boolean {
  return question.kind === 'UNIQUE' || (question.kind === 'FEATURE' && !isQuickFeature(question.feature));
}

function uniquePage(question: Unique, ids: BigUint64Array): ServerMessage {
  const { after } = question;
  const from = after === undefined ? 0 : ids.findIndex((id) => id > after);
  const page = from < 0 ? ids.slice(0, 0) : ids.slice(from, from + UNIQUE_PAGE);
  const last = page[page.length - 1];
  const more = from >= 0 && from + page.length < ids.length && last !== undefined;
  return {
    kind: 'UNIQUE_OK',
    id: question.id,
    count: ids.length,
    ids: new Uint8Array(page.buffer, page.byteOffset, page.byteLength),
    ...(more ? { after: last } : {}),
  };
}
