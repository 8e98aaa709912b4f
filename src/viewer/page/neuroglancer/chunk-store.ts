/**
 * The key-value store that Neuroglancer reads our volumes from, as if they were precomputed: `bfly-chunks://ADDRESS/FILE`. Chunks come over the
 * socket, what is not voxels (info, properties of segments, meshes) over HTTP.
 */
import type { BaseKvStoreProvider } from 'neuroglancer/unstable/kvstore/context.js';
import type {
  DriverReadOptions,
  KvStore,
  ReadResponse,
  StatOptions,
  StatResponse,
} from 'neuroglancer/unstable/kvstore/index.js';
import { precomputedUrl } from '../server-place.ts';
import type { VolumeFile } from './messages.ts';
import type { VolumeAddress } from './volume-address.ts';
import { readAddress } from './volume-address.ts';

/** Scheme of the store; that of our data source, which is what users write, is `bfly`. */
export const CHUNK_SCHEME = 'bfly-chunks';

/** A chunk that is asked for. */
export interface ChunkAddress {
  readonly volume: VolumeAddress;
  /** As the info names the level. */
  readonly scale: string;
  /** First voxel, and the one behind the last, in voxels of the level. */
  readonly box: readonly [number, number, number, number, number, number];
}

/** Where a store gets things from. */
export interface ChunkFetcher {
  readonly folder: string;
  readonly token: () => string | undefined;
  /** The bytes of a chunk in the form that the info promises; undefined where only HTTP has it, as on the page. */
  readonly chunk:
    | ((address: string, chunk: ChunkAddress, signal: AbortSignal | undefined) => Promise<Uint8Array>)
    | undefined;
  /** Hears of infos that were read over HTTP. */
  readonly readInfo?: (address: string, info: VolumeFile) => void;
}

/** Address of a file in the store. The volume is one segment, whatever its depth. */
export function chunkUrl(address: string, file = ''): string {
  return `${CHUNK_SCHEME}://${encodeURIComponent(address)}/${file}`;
}

const CHUNK_FILE = /^(?:(.+)\/)?(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)$/;

/** The files of one volume. */
export class ChunkStore implements KvStore {
  readonly supportsOffsetReads = false;
  readonly supportsSuffixReads = false;
  readonly address: string;
  readonly volume: VolumeAddress;
  readonly #fetcher: ChunkFetcher;

  constructor(address: string, fetcher: ChunkFetcher) {
    this.address = address;
    this.volume = readAddress(address);
    this.#fetcher = fetcher;
  }

  getUrl(file: string): string {
    return chunkUrl(this.address, file);
  }

  async stat(file: string, options: StatOptions): Promise<StatResponse | undefined> {
    const found = await this.read(file, options);
    return found === undefined ? undefined : { totalSize: found.length };
  }

  async read(file: string, { signal }: DriverReadOptions): Promise<ReadResponse | undefined> {
    const chunk = this.#chunkOf(file);
    if (chunk !== undefined && this.#fetcher.chunk !== undefined) {
      const bytes = await this.#fetcher.chunk(this.address, chunk, signal);
      return answer(new Response(bytes as BufferSource), bytes.length); // never shared memory
    }
    const token = this.#fetcher.token();
    const response = await fetch(precomputedUrl(this.#fetcher.folder, this.address, file), {
      ...(signal === undefined ? {} : { signal }),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
    if (response.status === 404 || response.status === 403) return undefined;
    if (!response.ok)
      throw new Error(`${file} of ${this.volume.path}: ${(await response.text()).trim() || response.status}`);
    const bytes = await response.arrayBuffer();
    if (file === 'info') this.#fetcher.readInfo?.(this.address, await new Response(bytes).json()); // our own server's
    return answer(new Response(bytes), bytes.byteLength);
  }

  #chunkOf(file: string): ChunkAddress | undefined {
    const match = CHUNK_FILE.exec(file);
    if (match?.[1] === undefined) return undefined;
    const [x0 = 0, x1 = 0, y0 = 0, y1 = 0, z0 = 0, z1 = 0] = match.slice(2).map(Number);
    return { volume: this.volume, scale: match[1], box: [x0, y0, z0, x1, y1, z1] };
  }
}

function answer(response: Response, length: number): ReadResponse {
  return { response, offset: 0, length, totalSize: length };
}

/** Makes stores of addresses. @param onStore hears of each. */
export function chunkStoreProvider(fetcher: ChunkFetcher): BaseKvStoreProvider {
  return {
    scheme: CHUNK_SCHEME,
    hidden: true,
    description: 'Chunks of a Butterfly server',
    getKvStore({ suffix }) {
      const [, address = '', file = ''] = /^\/\/([^/]*)\/?(.*)$/s.exec(suffix ?? '') ?? [];
      return { store: new ChunkStore(decodeURIComponent(address), fetcher), path: file };
    },
  };
}
