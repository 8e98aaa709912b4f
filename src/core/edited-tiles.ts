/**
 * Tiles as edits have left them, made when they are first read. Each is a pure function of the ingested tiles and the deltas in force,
 * so it may be forgotten at any time. Rules [E26], [E27].
 */
import { type Box, boxShape, type MipInfo, mipBox, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { boundsOfMask } from '../../protocol/voxel-mask.ts';
import type { Database } from '../database/database.ts';
import { footprintOf } from '../image/downsample.ts';
import type { MaskedBox } from '../image/edited-tile.ts';
import { inParallel } from '../image/in-parallel.ts';
import { frameAtSeq, seqOfFrame } from '../image/tile.ts';
import type { MadeTile, TileMaker } from '../image/tile-maker.ts';
import { tileBox, tilesIn, tilesOf } from '../query/tile-grid.ts';
import type { Cache } from './cache.ts';
import type { Channel } from './channel.ts';
import type { ChannelEdits } from './edits/channel-edits.ts';
import type { DeltaRef } from './edits/voxel-history.ts';
import type { Reading } from './reading.ts';

/** What edited tiles are made with. */
export interface EditedTilesOptions {
  readonly database: Database;
  readonly cache: Cache;
  readonly maker: TileMaker;
  /** A stored tile; without a reading as it was ingested. Shared bytes. */
  load(channel: Channel, mip: number, tile: Vec3, reading?: Reading): Promise<Uint8Array>;
  /** Whether a frame stands for a tile that the source does not have at the moment. */
  isFleeting(frame: Uint8Array): boolean;
}

/** Finer tiles that are loaded at once for one coarser tile. */
const FINER_AT_ONCE = 3;
/** Deltas that are read from the log, and laid over a tile, at a time. */
const DELTAS_AT_ONCE = 512;
/** The mask that sets no voxel. */
const NOTHING = new Uint8Array(0);

/** Makes edited tiles of all levels. */
export class EditedTiles {
  readonly #options: EditedTilesOptions;
  readonly #masking = new Map<string, Promise<Uint8Array>>();

  constructor(options: EditedTilesOptions) {
    this.#options = options;
  }

  /**
   * Makes one version of a tile.
   *
   * @param version seq of an edit that changed the tile.
   * @returns an owned frame whose seq is `version`.
   */
  make(channel: Channel, mip: number, tile: Vec3, version: number, edits: ChannelEdits): Promise<MadeTile> {
    return mip === 0
      ? this.#makeFinest(channel, tile, version, edits)
      : this.#makeCoarser(channel, mip, tile, version, edits);
  }

  /** The newest state of the tile that can be built on, and the deltas behind it. */
  async #makeFinest(channel: Channel, tile: Vec3, version: number, edits: ChannelEdits): Promise<MadeTile> {
    const base = await this.#baseOf(channel, tile, version, edits);
    const absent = this.#options.isFleeting(base.frame);
    const deltas = inForce(edits, tile, version, base.seq);
    if (deltas.length === 0) return { frame: frameAtSeq(base.frame, version), absent };
    const { cache, maker } = this.#options;
    let mask = base.seq === 0 ? NOTHING : cache.bytes(maskKey(channel, 0, tile, base.seq));
    let frame = base.frame;
    for (let from = 0; from < deltas.length; from += DELTAS_AT_ONCE) {
      const some = deltas.slice(from, from + DELTAS_AT_ONCE);
      const made = await maker.work('editTile', {
        base: frame,
        deltas: some.map(({ seq, part }) => edits.delta(seq, part)),
        ...(mask === undefined ? {} : { baseMask: mask }),
        dtype: channel.dtype,
        box: boxOf(channel, 0, tile),
        seq: version,
        encoding: from + DELTAS_AT_ONCE < deltas.length ? 'raw' : channel.stored,
      });
      frame = made.frame;
      mask = made.mask;
    }
    if (mask !== undefined) cache.set(maskKey(channel, 0, tile, version), mask);
    return { frame, absent };
  }

  async #baseOf(
    channel: Channel,
    tile: Vec3,
    version: number,
    edits: ChannelEdits,
  ): Promise<{ readonly frame: Uint8Array; readonly seq: number }> {
    const [x, y, z] = tile;
    for (let from = version - 1; from > 0; ) {
      const stored = this.#options.database.tileBorrowed({ channel: channel.number, mip: 0, x, y, z, version: from });
      const seq = stored === undefined ? 0 : seqOfFrame(stored);
      if (stored === undefined || seq === 0) break;
      const base = edits.voxels.baseFor(tile, seq, version);
      // Copied, for the borrowed one is overwritten by the next read.
      if (base === seq) return { frame: Uint8Array.from(stored), seq };
      from = base;
    }
    return { frame: await this.#options.load(channel, 0, tile), seq: 0 };
  }

  /** The ingested tile, with those voxels made anew that are made from edited ones. */
  async #makeCoarser(
    channel: Channel,
    mip: number,
    tile: Vec3,
    version: number,
    edits: ChannelEdits,
  ): Promise<MadeTile> {
    const base = await this.#options.load(channel, mip, tile);
    const mask = await this.#mask(channel, mip, tile, version, edits);
    const box = boxOf(channel, mip, tile);
    const bounds = boundsOfMask(mask, box);
    const absent = this.#options.isFleeting(base);
    if (bounds === undefined) return { frame: frameAtSeq(base, version), absent };
    const factors = edits.voxels.factors[mip] as Vec3;
    const below = channel.mips[mip - 1] as MipInfo;
    const footprint = footprintOf(bounds, factors, mipBox(below));
    const reading: Reading = { edits, at: version, merged: false, linksSeq: 0 };
    const finer: Uint8Array[] = [];
    await inParallel(FINER_AT_ONCE, tilesIn(tilesOf(below, footprint)), async (at) => {
      finer.push(await this.#options.load(channel, mip - 1, at, reading));
    });
    const { frame } = await this.#options.maker.work('rebuildTile', {
      base,
      mask,
      finer,
      dtype: channel.dtype,
      type: channel.type,
      factors,
      finerVolume: mipBox(below),
      mip,
      box,
      seq: version,
      encoding: channel.stored,
    });
    return { frame, absent: absent || finer.some((frame) => this.#options.isFleeting(frame)) };
  }

  /** Voxels of a tile that hold an edit in force at a seq, or are made from such. */
  async #mask(channel: Channel, mip: number, tile: Vec3, at: number, edits: ChannelEdits): Promise<Uint8Array> {
    const version = edits.voxels.versionAt(mip, tile, at);
    if (version === 0) return NOTHING;
    const key = maskKey(channel, mip, tile, version);
    const ready = this.#options.cache.bytes(key) ?? this.#masking.get(key);
    if (ready !== undefined) return ready;
    const making = (
      mip === 0
        ? this.#finestMask(channel, tile, version, edits)
        : this.#coarserMask(channel, mip, tile, version, edits)
    ).finally(() => this.#masking.delete(key));
    this.#masking.set(key, making);
    const mask = await making;
    this.#options.cache.set(key, mask);
    return mask;
  }

  async #finestMask(channel: Channel, tile: Vec3, version: number, edits: ChannelEdits): Promise<Uint8Array> {
    const { cache, maker } = this.#options;
    const before = edits.voxels.versionAt(0, tile, version - 1);
    const known = before === 0 ? NOTHING : cache.bytes(maskKey(channel, 0, tile, before));
    const isBase = known !== undefined && edits.voxels.baseFor(tile, before, version) === before;
    let mask = isBase ? known : NOTHING;
    const deltas = inForce(edits, tile, version, isBase ? before : 0);
    for (let from = 0; from < deltas.length; from += DELTAS_AT_ONCE)
      mask = await maker.work('maskOfDeltas', {
        base: mask,
        deltas: deltas.slice(from, from + DELTAS_AT_ONCE).map(({ seq, part }) => edits.delta(seq, part)),
        voxels: volumeOf(boxShape(boxOf(channel, 0, tile))),
      });
    return mask;
  }

  async #coarserMask(
    channel: Channel,
    mip: number,
    tile: Vec3,
    version: number,
    edits: ChannelEdits,
  ): Promise<Uint8Array> {
    const box = boxOf(channel, mip, tile);
    const factors = edits.voxels.factors[mip] as Vec3;
    const below = channel.mips[mip - 1] as MipInfo;
    const range = tilesOf(below, footprintOf(box, factors, mipBox(below)));
    const finer: MaskedBox[] = [];
    await inParallel(FINER_AT_ONCE, tilesIn(range), async (at) => {
      const mask = await this.#mask(channel, mip - 1, at, version, edits);
      if (mask.length > 0) finer.push({ box: boxOf(channel, mip - 1, at), mask });
    });
    return finer.length === 0 ? NOTHING : this.#options.maker.work('coarserMask', { finer, box, factors });
  }
}

/** Deltas of a tile in (after, at] that are in force at `at`. */
function inForce({ voxels }: ChannelEdits, tile: Vec3, at: number, after: number): readonly DeltaRef[] {
  return voxels.deltasOf(tile, at, after).filter(({ seq }) => voxels.isInForce(seq, at));
}

function boxOf(channel: Channel, mip: number, [x, y, z]: Vec3): Box {
  return tileBox(channel.mips[mip] as MipInfo, x, y, z);
}

const maskKey = (channel: Channel, mip: number, tile: Vec3, version: number): string =>
  `${channel.number}/${mip}/${tile[0]},${tile[1]},${tile[2]}@${version}/mask`;
