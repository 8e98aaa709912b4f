/** A Core over volumes in memory, and the volumes that the tests of parity are stated in. */
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type DType,
  type Vec3,
  viewVoxels,
  volumeOf,
} from '../../protocol/volume.ts';
import type { ChannelEntry } from '../../src/core/channel.ts';
import { Core } from '../../src/core/core.ts';
import type { EditsOfChannels } from '../../src/core/edits/channel-edits.ts';
import type { Database } from '../../src/database/database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { type ArrayVolume, openArraySource } from '../../src/image/array-source.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import type { Source } from '../../src/image/source.ts';
import { type Logger, SILENT_LOG } from '../../src/utility/log.ts';

/** A channel whose source is in memory. */
export interface ArrayChannel extends Omit<ChannelEntry, 'spec'> {
  /** Levels that the source has, finest first. */
  readonly levels: readonly ArrayVolume[];
  /** Default: the same for the same path, as with a file that nobody touches. */
  readonly fingerprint?: string;
  /** Set: opening it throws this. */
  readonly broken?: Error;
  readonly readChunk?: Source['readChunk'];
}

/** One read of a source. */
export interface SourceRead {
  readonly path: string;
  readonly mip: number;
  readonly box: Box;
}

export interface ArrayCoreOptions {
  readonly database?: Database;
  readonly cacheBytes?: number;
  readonly log?: Logger;
  readonly edits?: EditsOfChannels;
  /** Runs before each read of a source; a rejection is the read's. */
  readonly beforeRead?: (read: SourceRead) => Promise<void>;
}

/** A Core and what it stands on. */
export interface ArrayCore {
  readonly core: Core;
  readonly database: Database;
  readonly maker: InlineTileMaker;
  readonly entries: readonly ChannelEntry[];
  /** Every read of a source, in order. */
  readonly reads: SourceRead[];
  /** Every opening of a source, by channel path. */
  readonly opened: string[];
}

/** Builds a Core; a second one on the same `database` is a restart. */
export function openArrayCore(channels: readonly ArrayChannel[], options: ArrayCoreOptions = {}): ArrayCore {
  const reads: SourceRead[] = [];
  const opened: string[] = [];
  const byPath = new Map(channels.map((channel) => [channel.path, channel]));
  const maker = new InlineTileMaker(async (spec) => {
    const channel = 'path' in spec ? byPath.get(spec.path) : undefined;
    if (channel === undefined) throw new Error('the test has no such volume');
    opened.push(channel.path);
    if (channel.broken !== undefined) throw channel.broken;
    return openLevels(channel, async (mip, box) => {
      const read = { path: channel.path, mip, box };
      reads.push(read);
      await options.beforeRead?.(read);
    });
  });
  const entries = channels.map(
    ({ levels, fingerprint, broken, readChunk, ...entry }): ChannelEntry => ({
      ...entry,
      spec: { path: entry.path },
    }),
  );
  const database = options.database ?? new MemoryDatabase();
  const core = new Core({
    database,
    maker,
    cacheBytes: options.cacheBytes ?? 64 * 1024 * 1024,
    channels: entries,
    log: options.log ?? SILENT_LOG,
    ...(options.edits === undefined ? {} : { edits: options.edits }),
  });
  return { core, database, maker, entries, reads, opened };
}

async function openLevels(
  channel: ArrayChannel,
  beforeRead: (mip: number, box: Box) => Promise<void>,
): Promise<Source> {
  const sources = await Promise.all(channel.levels.map(openArraySource));
  const first = sources[0] as Source;
  return {
    info: {
      ...first.info,
      mips: sources.flatMap((source) => source.info.mips),
      fingerprint: channel.fingerprint ?? `in memory: ${channel.path}`,
    },
    async read(mip, box) {
      await beforeRead(mip, box);
      return (sources[mip] as Source).read(0, box);
    },
    ...(channel.readChunk === undefined ? {} : { readChunk: channel.readChunk }),
    async close() {},
  };
}

/** Voxels of a formula of x, y, z; values wrap at the dtype's width. */
export function voxelsOf(
  shape: Vec3,
  dtype: DType,
  value: (x: number, y: number, z: number) => number | bigint,
): Uint8Array {
  const data = new Uint8Array(volumeOf(shape) * BYTES_PER_VOXEL[dtype]);
  let index = 0;
  for (let z = 0; z < shape[2]; z++)
    for (let y = 0; y < shape[1]; y++)
      for (let x = 0; x < shape[0]; x++) writeVoxel(data, dtype, index++, value(x, y, z));
  return data;
}

function writeVoxel(data: Uint8Array, dtype: DType, index: number, value: number | bigint): void {
  const size = BYTES_PER_VOXEL[dtype];
  const view = new DataView(data.buffer, data.byteOffset + index * size, size);
  if (dtype === 'float32') view.setFloat32(0, Number(value), true);
  else if (size === 8) view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  else {
    // Wrapped while it is exact: as a number, a large BigInt has no low bits left.
    const bits = typeof value === 'bigint' ? Number(BigInt.asUintN(32, value)) : value;
    if (size === 4) view.setUint32(0, bits, true);
    else if (size === 2) view.setUint16(0, bits, true);
    else view.setUint8(0, bits);
  }
}

/** Values of voxels, in order. */
export function valuesOf(raw: Uint8Array, dtype: DType): (number | bigint)[] {
  // A copy begins its own buffer, so that it is aligned.
  return [...viewVoxels(dtype, Uint8Array.from(raw))];
}

/** A box of a whole volume, voxel by voxel; zeros outside it. The oracle of everything that copies boxes. */
export function naiveBox(data: Uint8Array, volume: Box, box: Box, bytesPerVoxel: number): Uint8Array {
  const [nx, ny] = boxShape(volume);
  const out = new Uint8Array(Math.max(0, volumeOf(boxShape(box))) * bytesPerVoxel);
  let to = 0;
  for (let z = box[2]; z < box[5]; z++)
    for (let y = box[1]; y < box[4]; y++)
      for (let x = box[0]; x < box[3]; x++, to += bytesPerVoxel) {
        const inside =
          x >= volume[0] && y >= volume[1] && z >= volume[2] && x < volume[3] && y < volume[4] && z < volume[5];
        if (!inside) continue;
        const from = (((z - volume[2]) * ny + (y - volume[1])) * nx + (x - volume[0])) * bytesPerVoxel;
        for (let byte = 0; byte < bytesPerVoxel; byte++) out[to + byte] = data[from + byte] as number;
      }
  return out;
}

/** uint8 of 8×6×4 voxels, 48z + 8y + x. */
export const IM: ArrayVolume = {
  data: voxelsOf([8, 6, 4], 'uint8', (x, y, z) => 48 * z + 8 * y + x),
  shape: [8, 6, 4],
  dtype: 'uint8',
};

/** uint32 of 8×6×4 voxels, thousands of a quarter of IM's value. */
export const SEG: ArrayVolume = {
  data: voxelsOf([8, 6, 4], 'uint32', (x, y, z) => Math.floor((48 * z + 8 * y + x) / 4) * 1000),
  shape: [8, 6, 4],
  dtype: 'uint32',
};

/** uint64 of 8×6×4 voxels, a quarter of IM's value above 2⁴⁰. */
export const SEG64: ArrayVolume = {
  data: voxelsOf([8, 6, 4], 'uint64', (x, y, z) => BigInt(Math.floor((48 * z + 8 * y + x) / 4)) + (1n << 40n)),
  shape: [8, 6, 4],
  dtype: 'uint64',
};

/** uint32 of 200×200×100 voxels, counted; in blocks of Butterfly's rule. */
export function bigVolume(): ArrayVolume {
  const data = new Uint8Array(Uint32Array.from({ length: 200 * 200 * 100 }, (_, index) => index).buffer);
  return { data, shape: [200, 200, 100], dtype: 'uint32', kind: 'hdf5' };
}

/** An ArrayChannel of one volume. */
export function channelOf(path: string, volume: ArrayVolume, more: Partial<ArrayChannel> = {}): ArrayChannel {
  return { path, levels: [volume], ...more };
}
