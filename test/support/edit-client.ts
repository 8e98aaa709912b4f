/** A bare editor and subscriber for tests: a probe with a writer, and an account of what it was told. */
import { randomBytes } from 'node:crypto';
import type { ServerMessage, WireMap } from '../../protocol/messages.ts';
import { type Of, Probe } from './probe.ts';

/** What a subscription was told, in order. */
export interface Told {
  readonly edits: readonly WireMap[];
  readonly position: number;
}

/** Every feature of the protocol. */
export const ALL_FEATURES = ['pull', 'cutout', 'unique', 'feature', 'edit', 'subscribe', 'presence', 'auth', 'history'];

/** One connection that edits. */
export class EditClient {
  readonly probe: Probe;
  readonly wid: Uint8Array;
  wseq = 0;
  #id = 100;

  private constructor(probe: Probe, wid: Uint8Array) {
    this.probe = probe;
    this.wid = wid;
  }

  static async open(
    url: string,
    fields: { wid?: Uint8Array; token?: string; name?: string } = {},
  ): Promise<EditClient> {
    const { wid = new Uint8Array(randomBytes(16)), ...hello } = fields;
    return new EditClient(await Probe.hello(url, { feat: ALL_FEATURES, ...hello }), wid);
  }

  nextId(): number {
    return ++this.#id;
  }

  /** Sends an EDIT under the next wseq. @returns its id. */
  send(
    path: string,
    ops: readonly WireMap[],
    options: {
      base?: number;
      wseq?: number;
      epoch?: Uint8Array;
      policy?: 'none' | 'scope' | 'strict';
      note?: string;
      wid?: Uint8Array;
    } = {},
  ): number {
    const id = this.nextId();
    const { base = null, wid = this.wid, ...rest } = options;
    const wseq = options.wseq ?? ++this.wseq;
    this.probe.send({ kind: 'EDIT', id, path, ops, base, ...rest, wid, wseq });
    return id;
  }

  /** Sends an EDIT and takes its reply. Fails on an ERROR. */
  async edit(...args: Parameters<EditClient['send']>): Promise<Of<'EDIT_OK'>> {
    const answer = await this.probe.answer(this.send(...args));
    if (answer.kind !== 'EDIT_OK') throw new Error(`${answer.kind}: ${JSON.stringify(answer, bigints)}`);
    return answer;
  }

  /** Sends an EDIT that is refused, and takes the ERROR. */
  async refused(...args: Parameters<EditClient['send']>): Promise<Of<'ERROR'>> {
    const answer = await this.probe.answer(this.send(...args));
    if (answer.kind !== 'ERROR') throw new Error(`${answer.kind} came instead of an ERROR`);
    return answer;
  }

  /** Subscribes. @returns the reply; its id is the subscription's. */
  async subscribe(path: string, options: SubscribeFields = {}): Promise<Of<'SUBSCRIBE_OK'>> {
    const id = this.nextId();
    const { epoch = null, after = null, ...rest } = options;
    this.probe.send({ kind: 'SUBSCRIBE', id, path, epoch, after, ...rest });
    const answer = await this.probe.answer(id);
    if (answer.kind !== 'SUBSCRIBE_OK') throw new Error(`${answer.kind}: ${JSON.stringify(answer, bigints)}`);
    return answer;
  }

  /** Takes EDITS of a subscription until it has been told of `seq`; fails on a gap. */
  async toldUpTo(sub: number, seq: number, from = 0): Promise<WireMap[]> {
    const edits: WireMap[] = [];
    for (let position = from; position < seq; ) {
      const message = await this.probe.next('EDITS', sub);
      if (message.from !== position) throw new Error(`EDITS begins behind ${message.from} instead of ${position}`);
      edits.push(...message.edits);
      if ((message.flags & 1) === 0) position = message.upto;
    }
    return edits;
  }

  /** Takes a whole snapshot. */
  async snapshot(sub: number): Promise<{ readonly seq: number; readonly sections: Map<string, unknown[]> }> {
    const sections = new Map<string, unknown[]>();
    for (;;) {
      const page = await this.probe.next('SNAP', sub);
      sections.set(page.section, [...(sections.get(page.section) ?? []), page.rows]);
      if (page.section === 'end') return { seq: page.seq, sections };
    }
  }

  grant(id: number, bytes: number): void {
    this.probe.send({ kind: 'CREDIT', id: 0, grants: [[id, bytes]] });
  }

  close(): void {
    this.probe.socket.terminate();
  }
}

/** Fields of SUBSCRIBE. */
export interface SubscribeFields {
  readonly epoch?: Uint8Array | null;
  readonly after?: number | null;
  readonly snapshot?: boolean;
  readonly presence?: boolean;
  readonly filter?: WireMap;
  readonly wids?: readonly Uint8Array[];
  readonly chk?: Uint8Array;
  readonly snap?: readonly [number, string, number];
  readonly win?: number;
}

/** Rows of 2 × u64 as pairs. */
export function linkPairs(pages: readonly unknown[]): [bigint, bigint][] {
  return pages.flatMap((page) => {
    if (!(page instanceof Uint8Array)) throw new Error('links are bytes');
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    return Array.from({ length: page.length / 16 }, (_, i): [bigint, bigint] => [
      view.getBigUint64(16 * i, true),
      view.getBigUint64(16 * i + 8, true),
    ]);
  });
}

/** For messages in errors. */
export function bigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}

export type { ServerMessage };
