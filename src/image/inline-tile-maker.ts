/** Work on pixels in the calling thread: what every worker runs, and tests use as it is. */
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, type DType, type EncodingName } from '../../protocol/volume.ts';
import { boxVolume, intersect } from '../query/box.ts';
import { copyBox } from '../query/copy-box.ts';
import { openDemoSource } from './demo-source.ts';
import { downsampleBlock, footprintOf } from './downsample.ts';
import { maxIdOf } from './max-id.ts';
import { openSource } from './open-source.ts';
import { renderVoxels } from './render.ts';
import type { ByteRange, Source, SourceFile, SourceInfo } from './source.ts';
import { makeBlock, type ReadTile, reusing } from './source-block.ts';
import {
  boxOfFrame,
  decodeTileFrame,
  decodeVoxelsOnce,
  fillTileFrame,
  frameFromEncoded,
  makeTileFrame,
  transcodeTileFrame,
} from './tile.ts';
import type {
  CoarserTile,
  MadeBlock,
  MadeTile,
  RenderRequest,
  SourceBlock,
  SourceTile,
  TileMaker,
  UniquePart,
  VolumeSpec,
} from './tile-maker.ts';
import { uniqueIds } from './unique.ts';
import { doVoxelWork, type VoxelWork } from './voxel-work.ts';

/** Sources of one thread that are kept open; the one that was not used for longest is closed for a new one. */
const OPEN_SOURCES = 64;

/** How a volume is opened; tests put their own sources here. */
export type OpenVolume = (spec: VolumeSpec) => Promise<Source>;

const openVolume: OpenVolume = (spec) => ('demo' in spec ? openDemoSource(spec.demo) : openSource(spec));

interface OpenedSource {
  readonly source: Promise<Source>;
  /** Reads under way: a source in use is not closed. */
  users: number;
  /** Another has taken its place: it is closed after its last read. */
  replaced: boolean;
}

/** A `TileMaker` without threads. */
export class InlineTileMaker implements TileMaker {
  readonly #sources = new Map<string, OpenedSource>();
  readonly #open: OpenVolume;

  constructor(open: OpenVolume = openVolume) {
    this.#open = open;
  }

  async open(spec: VolumeSpec): Promise<SourceInfo> {
    return this.#with(this.#renew(spec), async (source) => source.info);
  }

  async fromSource(tile: SourceTile): Promise<MadeTile> {
    const { frame, absent } = await this.#withSame(tile, (source) => readTile(source, tile));
    return { frame, absent };
  }

  fromSourceBlock(block: SourceBlock): Promise<MadeBlock> {
    return this.#withSame(block, async (source) => {
      let maxId = 0n;
      const look = (raw: Uint8Array): void => {
        const id = maxIdOf(raw, block.dtype);
        if (id > maxId) maxId = id;
      };
      const allocate = reusing(block.memory);
      const read = (tile: SourceBlock['tiles'][number]): Promise<ReadTile> =>
        readTile(source, { ...block, ...tile }, allocate);
      const tiles = await makeBlock(block, read, allocate, block.findsMaxId ? look : undefined);
      return { tiles, maxId };
    });
  }

  /** Works on a source that is what it was when its channel was opened. */
  #withSame<T>(
    { spec, fingerprint }: Pick<SourceTile, 'spec' | 'fingerprint'>,
    work: (source: Source) => Promise<T>,
  ): Promise<T> {
    return this.#with(this.#take(spec), (source) => {
      if (source.info.fingerprint === fingerprint) return work(source);
      // Opened before its data changed, or after: only a new look can tell.
      return this.#with(this.#renew(spec), (fresh) => {
        if (fresh.info.fingerprint === fingerprint) return work(fresh);
        throw new BflyError('UNAVAILABLE', 'the data of this channel have just changed; ask again', { retryMs: 1_000 });
      });
    });
  }

  file(spec: VolumeSpec, key: string, range?: ByteRange): Promise<SourceFile | undefined> {
    return this.#with(this.#take(spec), async (source) => source.file?.(key, range));
  }

  async fromFiner(tile: CoarserTile): Promise<MadeTile> {
    const { dtype, type, factors, finerVolume, mip, box, encoding } = tile;
    const inputBox = footprintOf(box, factors, finerVolume);
    const input = new Uint8Array(boxVolume(inputBox) * BYTES_PER_VOXEL[dtype]);
    for (const frame of tile.finer) {
      const raw = await decodeTileFrame(frame, dtype);
      copyBox(raw, boxOfFrame(frame, dtype), input, inputBox, BYTES_PER_VOXEL[dtype]);
    }
    const raw = downsampleBlock(input, inputBox, dtype, type, box, factors, finerVolume);
    return { frame: await makeTileFrame({ raw, dtype, mip, box, seq: 0, encoding }), absent: false };
  }

  transcode(frame: Uint8Array, dtype: DType, to: EncodingName): Promise<Uint8Array> {
    return transcodeTileFrame(frame, dtype, to);
  }

  async unique(parts: readonly UniquePart[], dtype: DType): Promise<BigUint64Array> {
    const ids = new Set<bigint>();
    for (const { frame, box } of parts) {
      const frameBox = boxOfFrame(frame, dtype);
      const raw = await decodeTileFrame(frame, dtype);
      const wanted = intersect(frameBox, box);
      if (wanted === undefined) continue;
      uniqueIds(sameBox(wanted, frameBox) ? raw : cut(raw, frameBox, wanted, dtype), dtype, ids);
    }
    return BigUint64Array.from(ids).sort();
  }

  async maxId(frames: readonly Uint8Array[], dtype: DType): Promise<bigint> {
    let largest = 0n;
    for (const frame of frames) {
      const id = maxIdOf(await decodeVoxelsOnce(frame, dtype), dtype);
      if (id > largest) largest = id;
    }
    return largest;
  }

  work<K extends keyof VoxelWork>(name: K, request: VoxelWork[K]['request']): Promise<VoxelWork[K]['result']> {
    return doVoxelWork(name, request);
  }

  render(request: RenderRequest): Promise<{ readonly bytes: Uint8Array; readonly mime: string }> {
    return renderVoxels(request);
  }

  async close(): Promise<void> {
    const opened = [...this.#sources.values()];
    this.#sources.clear();
    await Promise.allSettled(opened.map(async ({ source }) => (await source).close()));
  }

  async #with<T>(opened: OpenedSource, work: (source: Source) => Promise<T>): Promise<T> {
    opened.users++;
    try {
      return await work(await opened.source);
    } finally {
      opened.users--;
      if (opened.replaced && opened.users === 0) closeQuietly(opened);
    }
  }

  #take(spec: VolumeSpec): OpenedSource {
    const key = JSON.stringify(spec);
    const known = this.#sources.get(key);
    if (known === undefined) return this.#renew(spec);
    // To the end of the map: the first entry is the one not used for longest.
    this.#sources.delete(key);
    this.#sources.set(key, known);
    return known;
  }

  /** Opens a source, in the place of the one that is open. */
  #renew(spec: VolumeSpec): OpenedSource {
    const key = JSON.stringify(spec);
    const known = this.#sources.get(key);
    if (known !== undefined) this.#giveUp(key, known);
    this.#closeUnused();
    const opened: OpenedSource = { source: this.#open(spec), users: 0, replaced: false };
    this.#sources.set(key, opened);
    opened.source.catch(() => {
      if (this.#sources.get(key) === opened) this.#sources.delete(key);
    });
    return opened;
  }

  #giveUp(key: string, opened: OpenedSource): void {
    this.#sources.delete(key);
    opened.replaced = true;
    if (opened.users === 0) closeQuietly(opened);
  }

  #closeUnused(): void {
    for (const [key, opened] of this.#sources) {
      if (this.#sources.size < OPEN_SOURCES) return;
      if (opened.users > 0) continue;
      this.#giveUp(key, opened);
    }
  }
}

function closeQuietly({ source }: OpenedSource): void {
  source.then(
    (open) => open.close(),
    () => {},
  );
}

async function readTile(source: Source, tile: SourceTile, allocate?: (bytes: number) => Uint8Array): Promise<ReadTile> {
  const { dtype, mip, box, encoding, shift } = tile;
  const place = { dtype, mip, box, seq: 0, ...(allocate === undefined ? {} : { allocate }) };
  const made = async (raw: Uint8Array): Promise<ReadTile> => ({
    frame: await makeTileFrame({ ...place, raw, encoding }),
    absent: false,
    raw,
  });
  if (tile.chunk !== undefined && source.readChunk !== undefined) {
    const chunk = await source.readChunk(mip, tile.chunk);
    if (chunk === 'absent') return { frame: fillTileFrame(place), absent: true };
    // Raw chunks are looked at, for one value all over becomes a FILL; not read again, for that may mean to fetch them again.
    if (chunk?.encoding === 'raw') return made(chunk.bytes);
    if (chunk !== undefined) return { frame: frameFromEncoded({ ...place, ...chunk }), absent: false };
  }
  const [sx, sy, sz] = shift;
  return made(await source.read(mip, [box[0] + sx, box[1] + sy, box[2] + sz, box[3] + sx, box[4] + sy, box[5] + sz]));
}

function sameBox(a: Box, b: Box): boolean {
  return a.every((value, index) => value === b[index]);
}

function cut(raw: Uint8Array, box: Box, wanted: Box, dtype: DType): Uint8Array {
  const [x, y, z] = boxShape(wanted);
  const out = new Uint8Array(x * y * z * BYTES_PER_VOXEL[dtype]);
  copyBox(raw, box, out, wanted, BYTES_PER_VOXEL[dtype]);
  return out;
}
