/** The questions with one reply, or with replies in pages. */
import {
  type Box,
  type ChannelInfo,
  type DatasetInfo,
  type ListEntry,
  type SegmentMap,
  type ServerMessage,
  viewVoxels,
} from '../../protocol/index.ts';
import { ask, type OperationHost } from './operation.ts';

/** Options of every question. */
export interface AskOptions {
  /** Ends the waiting; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Options of `unique`. */
export interface UniqueOptions extends AskOptions {
  /** Level; 0 (default) is the finest. */
  readonly mip?: number;
  /** Half-open, in voxels of `mip`; default: the whole level. */
  readonly box?: Box;
  readonly map?: SegmentMap;
  readonly at?: number;
  readonly epoch?: Uint8Array;
}

/** Options of `feature`. */
export interface FeatureOptions extends AskOptions {
  readonly id?: bigint | number;
  readonly box?: Box;
  readonly mip?: number;
}

/** INFO. */
export function askInfo(host: OperationHost, path: string, options: AskOptions): Promise<ChannelInfo | DatasetInfo> {
  return ask(host, {
    message: (id) => ({ kind: 'INFO', id, path }),
    answer: (message) => (message.kind === 'INFO_OK' ? { value: message.info } : undefined),
    signal: options.signal,
  });
}

/** LIST, all pages. */
export async function askList(host: OperationHost, path: string, options: AskOptions): Promise<ListEntry[]> {
  const entries: ListEntry[] = [];
  let after: string | undefined;
  do {
    const position = after === undefined ? {} : { after };
    const page: Extract<ServerMessage, { kind: 'LIST_OK' }> = await ask(host, {
      message: (id) => ({ kind: 'LIST', id, path, ...position }),
      answer: (message) => (message.kind === 'LIST_OK' ? { value: message } : undefined),
      signal: options.signal,
    });
    entries.push(...page.entries);
    // A page that does not move on would be asked for again without end.
    after = page.next === after ? undefined : page.next;
  } while (after !== undefined);
  return entries;
}

/** FEATURE, all pages; what the value is depends on the feature. */
export async function askFeature(
  host: OperationHost,
  path: string,
  feature: string,
  o: FeatureOptions,
): Promise<unknown> {
  let whole: { readonly value: unknown } | undefined;
  let after: bigint | undefined;
  do {
    const page = await askFeaturePage(host, path, feature, o, after);
    whole = { value: whole === undefined ? page.value : joined(whole.value, page.value) };
    // A page that does not move on would be asked for again without end.
    after = page.after === after ? undefined : page.after;
  } while (after !== undefined);
  return whole.value;
}

/** Pages of one feature are of one kind: lists (as arrays, or as bytes of u64) or maps. */
function joined(a: unknown, b: unknown): unknown {
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    const [first, second] = [idBytes(a), idBytes(b)];
    const bytes = new Uint8Array(first.length + second.length);
    bytes.set(first);
    bytes.set(second, first.length);
    return bytes;
  }
  if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
  return { ...(a as object), ...(b as object) };
}

/** A list of ids as bytes of u64: the last page may be short, and then an array. */
function idBytes(ids: unknown): Uint8Array {
  if (ids instanceof Uint8Array) return ids;
  return new Uint8Array(BigUint64Array.from((ids as (number | bigint)[]).map(BigInt)).buffer);
}

function askFeaturePage(
  host: OperationHost,
  path: string,
  feature: string,
  o: FeatureOptions,
  after: bigint | undefined,
): Promise<{ readonly value: unknown; readonly after?: bigint }> {
  return ask(host, {
    message: (id) => ({
      kind: 'FEATURE',
      id,
      path,
      feature,
      ...(o.id === undefined ? {} : { key: BigInt(o.id) }),
      ...(o.box === undefined ? {} : { box: o.box }),
      ...(o.mip === undefined ? {} : { mip: o.mip }),
      ...(after === undefined ? {} : { after }),
    }),
    answer: (message) => (message.kind === 'FEATURE_OK' ? { value: message } : undefined),
    signal: o.signal,
  });
}

/** UNIQUE, all pages. @returns owned, ascending. */
export async function askUnique(
  host: OperationHost,
  path: string,
  box: Box,
  o: UniqueOptions,
): Promise<BigUint64Array> {
  const pages: BigUint64Array[] = [];
  let after: bigint | undefined;
  do {
    const position = after === undefined ? {} : { after };
    const page: UniquePage = await ask(host, {
      message: (id) => ({
        kind: 'UNIQUE',
        id,
        path,
        mip: o.mip ?? 0,
        box,
        ...(o.map === undefined ? {} : { map: o.map }),
        ...(o.at === undefined ? {} : { at: o.at }),
        ...(o.epoch === undefined ? {} : { epoch: o.epoch }),
        ...position,
      }),
      answer: readUniquePage,
      signal: o.signal,
    });
    pages.push(page.ids);
    after = page.after === after ? undefined : page.after;
  } while (after !== undefined);
  return joinPages(pages);
}

interface UniquePage {
  readonly ids: BigUint64Array;
  readonly after: bigint | undefined;
}

function readUniquePage(message: ServerMessage): { readonly value: UniquePage } | undefined {
  if (message.kind !== 'UNIQUE_OK') return undefined;
  const ids = viewVoxels('uint64', message.ids.slice()) as BigUint64Array; // the array of this dtype
  return { value: { ids, after: message.after } };
}

function joinPages(pages: readonly BigUint64Array[]): BigUint64Array {
  const joined = new BigUint64Array(pages.reduce((sum, page) => sum + page.length, 0));
  let at = 0;
  for (const page of pages) {
    joined.set(page, at);
    at += page.length;
  }
  return joined;
}
