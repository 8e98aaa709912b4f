/** The worker's own connection: chunks as they are asked for, each a pull of one tile, in the form that the volume's info promises. */

import { encodeCompressedSegmentation } from '../../../../protocol/compressed-segmentation.ts';
import { boxShape } from '../../../../protocol/volume.ts';
import { BflyError, connect, type EncodingName, type Pull, type Session, type Tile } from '../../../client/index.ts';
import { precomputedUrl, socketUrl } from '../server-place.ts';
import type { ChunkAddress } from './chunk-store.ts';
import type { FromWorker, WorkerName } from './messages.ts';
import { urgencyOf } from './priorities.ts';
import { untilThere } from './until-there.ts';

/** What of an info is needed here. */
interface Scale {
  readonly key: string;
  readonly encoding: string;
}

/** How the encodings of infos are asked for. */
const WISHES: Readonly<Record<string, readonly EncodingName[] | undefined>> = {
  compressed_segmentation: ['cseg', 'raw'],
  jpeg: ['jpeg', 'raw'],
  png: ['png', 'raw'],
};
/** How often the urgency of what is under way is looked at again, ms. */
const LOOK_AGAIN_MS = 100;

/** Fetches chunks. */
export class PixelLine {
  readonly #folder: string;
  readonly #tell: (message: FromWorker) => void;
  readonly #scales = new Map<string, Promise<readonly Scale[]>>();
  readonly #at = new Map<string, number>();
  readonly #open = new Map<Pull, { readonly signal: AbortSignal | undefined; urgency: number }>();
  #token: string | undefined;
  /** Called with the next token. */
  #waiting: ((token: string) => void)[] = [];
  #session: Promise<Session> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor({ folder, token }: WorkerName, tell: (message: FromWorker) => void) {
    this.#folder = folder;
    this.#token = token;
    this.#tell = tell;
  }

  get token(): string | undefined {
    return this.#token;
  }

  /** Another token from now on. */
  setToken(token: string): void {
    this.#token = token;
    this.#scales.clear();
    for (const resolve of this.#waiting.splice(0)) resolve(token);
  }

  /** Chunks of a path that are fetched from now on are as of this edit. */
  setAt(path: string, at: number | undefined): void {
    if (at === undefined) this.#at.delete(path);
    else this.#at.set(path, at);
  }

  /** One chunk. @returns owned bytes. */
  fetch(address: string, chunk: ChunkAddress, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return untilThere(() => this.#pull(address, chunk, signal), signal);
  }

  async #pull(
    address: string,
    { volume, scale, box }: ChunkAddress,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const [scales, session] = await Promise.all([this.#scalesOf(address), this.#connect()]);
    const mip = scales.findIndex(({ key }) => key === scale);
    const encoding = scales[mip]?.encoding ?? 'raw';
    signal?.throwIfAborted();
    const urgency = urgencyOf(signal);
    const at = volume.at ?? this.#at.get(volume.path);
    const enc = WISHES[encoding];
    const pull = session.pull(volume.path, {
      ...{ mip, box, urgency, map: volume.map },
      ...(enc === undefined ? {} : { enc }),
      ...(at === undefined ? {} : { at }),
      ...(signal === undefined ? {} : { signal }),
    });
    this.#watch(pull, signal, urgency);
    try {
      const { value: tile } = await pull.next();
      // Its end is taken, too: to leave before it would cancel what is done.
      pull.next().catch(() => {});
      if (tile !== undefined) return await inForm(tile, encoding);
      throw new BflyError('NOT_FOUND', `there is no chunk at ${box.slice(0, 3).join(', ')} of ${volume.path}`);
    } finally {
      this.#open.delete(pull);
    }
  }

  #scalesOf(address: string): Promise<readonly Scale[]> {
    let scales = this.#scales.get(address);
    if (scales === undefined) {
      scales = readScales(precomputedUrl(this.#folder, address, 'info'), this.#token);
      this.#scales.set(address, scales);
      scales.catch(() => this.#scales.delete(address));
    }
    return scales;
  }

  #nextToken(): Promise<string> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #connect(): Promise<Session> {
    this.#session ??= connect(socketUrl(this.#folder), {
      client: 'bfly viewer, pixels',
      // The page asks people; what holds no more is of no use here either.
      token: (wish) => (wish === 'connect' || this.#token === undefined ? (this.#token ?? '') : this.#nextToken()),
    }).then(
      (session) => {
        session.on('state', (state) => this.#tell({ kind: 'state', state: String(state) }));
        void session.closed.then(() => {
          this.#session = undefined;
        });
        return session;
      },
      (error: unknown) => {
        this.#session = undefined;
        this.#tell({ kind: 'refused', message: error instanceof Error ? error.message : String(error) });
        throw error;
      },
    );
    return this.#session;
  }

  /** What is waited for may become more or less urgent meanwhile. */
  #watch(pull: Pull, signal: AbortSignal | undefined, urgency: number): void {
    this.#open.set(pull, { signal, urgency });
    this.#timer ??= setInterval(() => {
      for (const [open, entry] of this.#open) {
        const now = urgencyOf(entry.signal);
        if (now === entry.urgency) continue;
        entry.urgency = now;
        open.prioritise(now);
      }
      if (this.#open.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    }, LOOK_AGAIN_MS);
  }
}

async function readScales(url: string, token: string | undefined): Promise<readonly Scale[]> {
  const response = await fetch(url, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error((await response.text()).trim() || `the info has status ${response.status}`);
  const { scales } = (await response.json()) as { readonly scales: readonly Scale[] }; // our own server's
  return scales;
}

/** A tile as its info promised it: what the server could not send so is put into that form here. */
async function inForm(tile: Tile, encoding: string): Promise<Uint8Array> {
  if (tile.error !== undefined) throw tile.error;
  const isPlain = tile.fill || tile.encoding === 'raw';
  if (encoding === 'compressed_segmentation') {
    if (!isPlain && tile.encoding === 'cseg') return tile.payload;
    const dtype = tile.dtype === 'uint32' ? 'uint32' : 'uint64';
    return encodeCompressedSegmentation(tile.bytes(), boxShape(tile.box), dtype);
  }
  if ((encoding === 'jpeg' || encoding === 'png') && !isPlain) return tile.payload;
  if (encoding === 'jpeg' || encoding === 'png') return picture(tile, encoding);
  return tile.bytes();
}

/** Grey voxels as a picture, sx wide and sy·sz high. */
async function picture(tile: Tile, format: 'jpeg' | 'png'): Promise<Uint8Array> {
  const [width, sy, sz] = boxShape(tile.box);
  const voxels = tile.bytes();
  const pixels = new ImageData(width, sy * sz);
  for (let i = 0; i < voxels.length; i++)
    pixels.data.fill(voxels[i] ?? 0, 4 * i, 4 * i + 3).fill(255, 4 * i + 3, 4 * i + 4);
  const canvas = new OffscreenCanvas(width, sy * sz);
  canvas.getContext('2d')?.putImageData(pixels, 0, 0);
  const blob = await canvas.convertToBlob({ type: `image/${format}`, quality: 1 });
  return new Uint8Array(await blob.arrayBuffer());
}
