/**
 * Addresses of volumes in URLs: `<experiment>/<sample>/<dataset>/<channel>` and behind it, in any order and each at most once,
 *
 * - `@SEQ` or `@SEQ.EPOCH`: the volume as it was after edit SEQ; EPOCH, 16 hex digits, is that of the log which SEQ counts in;
 * - `@merged`: ids of bodies, uint64, in place of ids of segments; `?map=merged` says the same;
 * - `@raw`, `@jpeg`, `@png`, `@compressed_segmentation`: the encoding, in formats that leave it open.
 *
 * Names may hold `@` themselves: the longest that is a channel is taken for one.
 */
import { BflyError } from '../../../protocol/errors.ts';
import type { DType } from '../../../protocol/volume.ts';
import type { Channel } from '../../core/channel.ts';
import type { Core } from '../../core/core.ts';
import type { Reading } from '../../core/reading.ts';
import type { WebRequest } from './route.ts';

/** Encodings that an address can name, as Neuroglancer calls them, and as the protocol does. */
export const ADDRESS_ENCODINGS = {
  raw: 'raw',
  jpeg: 'jpeg',
  png: 'png',
  compressed_segmentation: 'cseg',
} as const;
/** Name of such an encoding in an address. */
export type AddressEncoding = keyof typeof ADDRESS_ENCODINGS;

/** What an address says. */
export interface VolumeAddress {
  /** experiment/sample/dataset/channel */
  readonly path: string;
  /** Unset: as it is now. */
  readonly at?: number;
  /** Epoch that `at` counts in. */
  readonly epoch?: Uint8Array;
  readonly merged: boolean;
  /** Unset: what suits the volume. */
  readonly encoding?: AddressEncoding;
  /** The segments behind. */
  readonly rest: readonly string[];
}

/** A volume as an address names it. */
export interface AddressedVolume {
  readonly channel: Channel;
  readonly reading: Reading | undefined;
  /** Voxel type of what is read. */
  readonly dtype: DType;
  readonly address: VolumeAddress;
}

/** Segments of a channel's path. */
const PATH_DEPTH = 4;
const SUFFIX = /^(?:(merged)|(raw|jpeg|png|compressed_segmentation)|(0|[1-9]\d{0,15})(?:\.([0-9a-f]{16}))?)$/;

/**
 * Reads the address that a request begins with.
 *
 * @returns undefined where it names no channel that is there for the one who asks.
 * @throws BflyError BAD_REQUEST for another `map` than base or merged.
 */
export function readAddress(request: WebRequest, core: Core): VolumeAddress | undefined {
  const { segments } = request;
  const last = segments[PATH_DEPTH - 1];
  if (last === undefined) return undefined;
  const folder = `${segments[0]}/${segments[1]}/${segments[2]}`;
  const isThere = (name: string): boolean =>
    core.hasChannel(`${folder}/${name}`) && request.mayRead(`${folder}/${name}`);
  const said = readName(last, isThere);
  if (said === undefined) return undefined;
  const { name, ...wishes } = said;
  const merged = said.merged || isMergedMap(request.params);
  return { ...wishes, merged, path: `${folder}/${name}`, rest: segments.slice(PATH_DEPTH) };
}

type Wishes = Pick<VolumeAddress, 'at' | 'epoch' | 'merged' | 'encoding'>;

/** Takes suffixes off a name until it is a channel's. */
function readName(last: string, isThere: (name: string) => boolean): (Wishes & { readonly name: string }) | undefined {
  let name = last;
  let wishes: Wishes = { merged: false };
  while (!isThere(name)) {
    const at = name.lastIndexOf('@');
    const more = at < 1 ? undefined : withSuffix(wishes, name.slice(at + 1));
    if (more === undefined) return undefined;
    wishes = more;
    name = name.slice(0, at);
  }
  return { ...wishes, name };
}

/** What was said, and one suffix more; undefined where it is none, or says what was said before. */
function withSuffix(wishes: Wishes, suffix: string): Wishes | undefined {
  const [, merged, encoding, seq, epoch] = SUFFIX.exec(suffix) ?? [];
  if (merged !== undefined) return wishes.merged ? undefined : { ...wishes, merged: true };
  if (encoding !== undefined)
    // The pattern names no others.
    return wishes.encoding === undefined ? { ...wishes, encoding: encoding as AddressEncoding } : undefined;
  const at = Number(seq);
  if (seq === undefined || wishes.at !== undefined || !Number.isSafeInteger(at)) return undefined;
  return { ...wishes, at, ...(epoch === undefined ? {} : { epoch: new Uint8Array(Buffer.from(epoch, 'hex')) }) };
}

function isMergedMap(params: URLSearchParams): boolean {
  if (params.size === 0) return false;
  const map = params.get('map');
  if (map === null || map === 'base') return false;
  if (map === 'merged') return true;
  throw new BflyError('BAD_REQUEST', 'map must be base or merged');
}

/**
 * Opens what an address names and does something with it: at once where the channel is open.
 *
 * @returns undefined where there is no such state: a seq that is not yet, or of another epoch, or bodies of a channel without ids.
 * @throws BflyError of a channel that cannot be opened.
 */
export function withVolume<T>(
  core: Core,
  address: VolumeAddress,
  use: (volume: AddressedVolume) => T | Promise<T>,
): T | undefined | Promise<T | undefined> {
  const open = core.peekChannel(address.path);
  const useIt = (channel: Channel): T | undefined | Promise<T | undefined> => {
    const volume = stateOf(core, channel, address);
    return volume === undefined ? undefined : use(volume);
  };
  return open === undefined ? core.updateQuery({ path: address.path }).then(useIt) : useIt(open);
}

function stateOf(core: Core, channel: Channel, address: VolumeAddress): AddressedVolume | undefined {
  const { at, epoch, merged } = address;
  try {
    const wish = {
      ...(at === undefined ? {} : { at }),
      ...(epoch === undefined ? {} : { epoch }),
      ...(merged ? { map: 'merged' as const } : {}),
    };
    const { reading, dtype } = core.peekReading(channel, wish);
    return { channel, reading, dtype, address };
  } catch (error) {
    if (!(error instanceof BflyError)) throw error;
    // To those who probe for formats, what cannot be had is not there.
    if (error.code === 'OUT_OF_BOUNDS' || error.code === 'EPOCH_MISMATCH' || error.code === 'UNSUPPORTED')
      return undefined;
    throw error;
  }
}
