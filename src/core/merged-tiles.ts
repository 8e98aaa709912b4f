/** Tiles whose ids are the roots of their bodies. Nothing of them is stored: the look-up of a tile's few ids is cheap. */
import type { DType, EncodingName } from '../../protocol/volume.ts';
import { boxOfFrame } from '../image/tile.ts';
import type { TileMaker } from '../image/tile-maker.ts';
import type { Cache } from './cache.ts';
import type { Reading } from './reading.ts';

/** A merged tile that was made, and what of. */
interface Kept {
  readonly linksSeq: number;
  readonly roots: BigUint64Array;
  readonly frame: Uint8Array;
}

/** Ids that are looked up between two turns of the event loop. */
const IDS_AT_ONCE = 16_384;

/** Makes and keeps merged tiles. */
export class MergedTiles {
  readonly #cache: Cache;
  readonly #maker: TileMaker;

  constructor(cache: Cache, maker: TileMaker) {
    this.#cache = cache;
    this.#maker = maker;
  }

  /** A merged tile that is at hand. @param key names the base tile and its version. @returns shared bytes. */
  peek(key: string, to: EncodingName, reading: Reading): Uint8Array | undefined {
    const kept = this.#kept(key, to);
    return kept?.linksSeq === reading.linksSeq ? kept.frame : undefined;
  }

  /**
   * Makes a merged tile.
   *
   * @param base the stored tile. @param same gives the tile in encoding `to` where no id changes.
   * @returns shared bytes.
   * @throws BflyError UNSUPPORTED where bodies of so long ago are not known.
   */
  async make(
    key: string,
    base: Uint8Array,
    to: EncodingName,
    tile: { readonly dtype: DType; readonly mip: number; readonly reading: Reading },
    same: () => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const { dtype, mip, reading } = tile;
    const ids = await this.#idsOf(key, base, dtype);
    const roots = await rootsOf(ids, reading);
    const kept = this.#kept(key, to);
    const frame =
      kept !== undefined && isSame(kept.roots, roots)
        ? kept.frame
        : dtype === 'uint64' && isSame(ids, roots)
          ? await same()
          : await this.#maker.work('remapTile', { frame: base, dtype, mip, ids, to: roots, encoding: to });
    const value: Kept = { linksSeq: reading.linksSeq, roots, frame };
    this.#cache.set(mergedKey(key, to), { byteSize: frame.byteLength + roots.byteLength, value });
    return frame;
  }

  /** Drops what is kept of a tile whose base does not last. */
  forget(key: string, to: EncodingName): void {
    this.#cache.delete(mergedKey(key, to));
    this.#cache.delete(idsKey(key));
  }

  #kept(key: string, to: EncodingName): Kept | undefined {
    const entry = this.#cache.get(mergedKey(key, to));
    // Only this class writes under these keys.
    return entry === undefined || entry instanceof Uint8Array ? undefined : (entry.value as Kept);
  }

  /** The distinct ids of a tile, looked for once. */
  async #idsOf(key: string, frame: Uint8Array, dtype: DType): Promise<BigUint64Array> {
    const known = this.#cache.bytes(idsKey(key));
    if (known !== undefined) return new BigUint64Array(known.buffer, known.byteOffset, known.byteLength / 8);
    const ids = await this.#maker.unique([{ frame, box: boxOfFrame(frame, dtype) }], dtype);
    this.#cache.set(idsKey(key), new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
    return ids;
  }
}

/** The roots of some ids at a reading's seq, in order; many are looked up a part at a time. */
export async function rootsOf(ids: BigUint64Array, { edits, at }: Reading): Promise<BigUint64Array> {
  const roots = new BigUint64Array(ids.length);
  const lookup = await edits.rootsAt(at);
  for (let from = 0; from < ids.length; from += IDS_AT_ONCE) {
    if (from > 0) await new Promise((resolve) => setImmediate(resolve));
    roots.set(lookup(ids.subarray(from, from + IDS_AT_ONCE)), from);
  }
  return roots;
}

const idsKey = (key: string): string => `${key}/ids`;
const mergedKey = (key: string, to: EncodingName): string => `${key}/merged/${to}`;

function isSame(a: BigUint64Array, b: BigUint64Array): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}
