/** The worker's own connection: chunks as they are asked for, each a pull of one tile, in the form that the volume's info promises. */

import { encodeCompressedSegmentation } from '../../../../protocol/compressed-segmentation.ts';
import { boxShape } from '../../../../protocol/volume.ts';
import { BflyError, connect, type EncodingName, type Pull, type Session, type Tile } from '../../../client/index.ts';
import { LineSpeed, SLOW_RATE } from '../quality/line-speed.ts';
import { precomputedUrl, socketUrl } from '../server-place.ts';
import type { ChunkAddress } from './chunk-store.ts';
import type { FromWorker, VolumeFile, WorkerName } from './messages.ts';
import { pictureOf, voxelsOf } from './pictures.ts';
import { urgencyOf } from './priorities.ts';
import { untilThere } from './until-there.ts';

/** How the encodings of infos are asked for. Not raw besides: the server would take that wherever the voxels are stored so ([D10]). */
const WISHES: Readonly<Record<string, readonly EncodingName[] | undefined>> = {
  compressed_segmentation: ['cseg'],
  jpeg: ['jpeg'],
  png: ['png'],
  gzip: ['gzip'],
};
/** How often the urgency of what is under way is looked at again, ms. */
const LOOK_AGAIN_MS = 100;

/** Fetches chunks. */
export class PixelLine {
  readonly #folder: string;
  readonly #tell: (message: FromWorker) => void;
  /** Whether images are fetched as JPEG, where the address names no encoding. */
  isLossy: boolean;
  readonly #infos = new Map<string, Promise<VolumeFile>>();
  /** Addresses of images that may come as JPEG. */
  readonly #images = new Set<string>();
  readonly #speed = new LineSpeed();
  /** Whether chunks came so slowly that compression pays. */
  #isSlow = false;
  readonly #at = new Map<string, number>();
  readonly #open = new Map<Pull, { readonly signal: AbortSignal | undefined; urgency: number }>();
  #token: string | undefined;
  /** Called with the next token. */
  #waiting: ((token: string) => void)[] = [];
  #session: Promise<Session> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor({ folder, token, isLossy }: WorkerName, tell: (message: FromWorker) => void) {
    this.isLossy = isLossy;
    this.#folder = folder;
    this.#token = token;
    this.#tell = tell;
    // Whoever needs the connection tries again, and says what is wrong.
    this.#connect().catch(() => {});
  }

  get token(): string | undefined {
    return this.#token;
  }

  /** Another token from now on. */
  setToken(token: string): void {
    if (token === this.#token) return;
    this.#token = token;
    this.#infos.clear();
    for (const resolve of this.#waiting.splice(0)) resolve(token);
  }

  /** The info of an address. */
  setInfo(address: string, info: VolumeFile): void {
    this.#infos.set(address, Promise.resolve(info));
    if (mayBeLossy(info)) this.#images.add(address);
  }

  /** Whether chunks of an address may come as JPEG though its info promises them raw. */
  mayBeLossy(address: string): boolean {
    return this.#images.has(address);
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
    const [{ scales, type }, session] = await Promise.all([this.#infoOf(address), this.#connect()]);
    const mip = scales.findIndex(({ key }) => key === scale);
    const encoding = scales[mip]?.encoding ?? 'raw';
    signal?.throwIfAborted();
    const urgency = urgencyOf(signal);
    const at = volume.at ?? this.#at.get(volume.path);
    const enc = WISHES[encoding === 'raw' ? this.#plainWish(address, type) : encoding];
    const pull = session.pull(volume.path, {
      ...{ mip, box, urgency, map: volume.map },
      ...(enc === undefined ? {} : { enc }),
      ...(at === undefined ? {} : { at }),
      ...(signal === undefined ? {} : { signal }),
    });
    this.#watch(pull, signal, urgency);
    if (enc === undefined) this.#speed.ask(pull, performance.now());
    try {
      const { value: tile } = await pull.next();
      // Its end is taken, too: to leave before it would cancel what is done.
      pull.next().catch(() => {});
      if (enc === undefined && tile !== undefined) this.#measure(pull, tile);
      if (tile !== undefined) return await inForm(tile, encoding);
      throw new BflyError('NOT_FOUND', `there is no chunk at ${box.slice(0, 3).join(', ')} of ${volume.path}`);
    } finally {
      this.#open.delete(pull);
      this.#speed.leave(pull, performance.now());
    }
  }

  /** How chunks are asked for that the info promises raw. */
  #plainWish(address: string, type: string): string {
    if (this.mayBeLossy(address)) return this.isLossy ? 'jpeg' : 'raw';
    return type === 'segmentation' && (this.isLossy || this.#isSlow) ? 'gzip' : 'raw';
  }

  /** Says once that JPEG would pay. */
  #measure(pull: Pull, tile: Tile): void {
    const rate = this.#speed.come(pull, performance.now(), tile.payload.length);
    if (rate === undefined || rate > SLOW_RATE || this.#isSlow) return;
    this.#isSlow = true;
    if (this.#images.size > 0) this.#tell({ kind: 'slow', rate });
  }

  #infoOf(address: string): Promise<VolumeFile> {
    let info = this.#infos.get(address);
    if (info === undefined) {
      info = readInfo(precomputedUrl(this.#folder, address, 'info'), this.#token);
      this.#infos.set(address, info);
      info.then(
        (read) => mayBeLossy(read) && this.#images.add(address),
        () => this.#infos.delete(address),
      );
    }
    return info;
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

async function readInfo(url: string, token: string | undefined): Promise<VolumeFile> {
  const response = await fetch(url, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error((await response.text()).trim() || `the info has status ${response.status}`);
  return (await response.json()) as VolumeFile; // our own server's
}

/** Grey images that the address does not name an encoding of. */
function mayBeLossy({ type, data_type, num_channels, scales }: VolumeFile): boolean {
  const isRaw = scales.every(({ encoding }) => encoding === 'raw');
  return type === 'image' && data_type === 'uint8' && num_channels === 1 && isRaw;
}

/** A tile as its info promised it: what the server sent in another form is put into that one here. */
async function inForm(tile: Tile, encoding: string): Promise<Uint8Array> {
  if (tile.error !== undefined) throw tile.error;
  const isPlain = tile.fill || tile.encoding === 'raw';
  if (encoding === 'compressed_segmentation') {
    if (!isPlain && tile.encoding === 'cseg') return tile.payload;
    const dtype = tile.dtype === 'uint32' ? 'uint32' : 'uint64';
    return encodeCompressedSegmentation(tile.bytes(), boxShape(tile.box), dtype);
  }
  if ((encoding === 'jpeg' || encoding === 'png') && !isPlain) return tile.payload;
  if (encoding === 'jpeg' || encoding === 'png') return pictureOf(tile.bytes(), boxShape(tile.box), encoding);
  if (!isPlain && tile.encoding === 'jpeg') return voxelsOf(tile.payload, boxShape(tile.box));
  return tile.bytes();
}
