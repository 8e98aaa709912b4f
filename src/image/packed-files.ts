/** Files that may be kept gzipped: as `NAME.gz`, or as gzip under their plain name. */
import type { ByteStore } from './byte-store.ts';
import { gunzipBytes } from './zlib-bytes.ts';

/** The files of a volume whose tools pack some of them. */
export class PackedFiles {
  readonly #store: ByteStore;
  /** What names of this volume end with, once one was found: asking a server for both would double the requests of every hole. */
  #ending: '' | '.gz' | undefined;

  constructor(store: ByteStore) {
    this.#store = store;
  }

  /**
   * Reads a file.
   *
   * @param plainBytes length that the file has where it is not packed, if that is known: raw voxels may begin with the mark of gzip.
   * @param maxBytes a longer file is refused, and so is one that gunzips to more.
   * @returns owned bytes; undefined where there is neither kind of file.
   */
  async get(name: string, maxBytes: number, plainBytes?: number): Promise<Uint8Array | undefined> {
    const bytes = await this.#find(name, maxBytes);
    return bytes === undefined || bytes.length === plainBytes ? bytes : gunzipped(bytes, maxBytes);
  }

  async #find(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const endings = this.#ending === undefined || !this.#store.isRemote ? (['', '.gz'] as const) : [this.#ending];
    for (const ending of endings) {
      const bytes = await this.#store.get(`${name}${ending}`, maxBytes);
      if (bytes === undefined) continue;
      this.#ending = ending;
      return bytes;
    }
    return undefined;
  }
}

/** Unpacks what begins as gzip does; gives back everything else. */
export async function gunzipped(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipBytes(bytes, maxBytes) : bytes;
}
