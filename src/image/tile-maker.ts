/** The contract between the Core and the workers that read sources and code tiles, off the event loop. */
import type { Box, DType, EncodingName, MipInfo, Vec3, VolumeType } from '../../protocol/volume.ts';
import type { ByteRange, SourceFile, SourceInfo, SourceSpec } from './source.ts';
import type { VoxelWork } from './voxel-work.ts';

/** A volume that a maker has opened: a file or folder, or the demonstration volume. */
export type VolumeSpec = SourceSpec | { readonly demo: 'em' | 'segmentation' };

/** A tile to be read from a source. */
export interface SourceTile {
  readonly spec: VolumeSpec;
  /** What the source said of itself when the channel was opened; where it says otherwise now, its data are others. */
  readonly fingerprint: string;
  readonly dtype: DType;
  readonly mip: number;
  /** In voxels of the channel's level. */
  readonly box: Box;
  /** What is added to the box to have it in voxels of the source. */
  readonly shift: Vec3;
  /** Encoding in which the frame is to be stored. */
  readonly encoding: EncodingName;
  /** Index of the source's own chunk where the server's tile is exactly that chunk: it may then be taken over as it is stored. */
  readonly chunk?: Vec3;
}

/** A tile to be built from the level below. */
export interface CoarserTile {
  /** Stored frames of the finer level that meet the tile's footprint. Shared. */
  readonly finer: readonly Uint8Array[];
  readonly dtype: DType;
  readonly type: VolumeType;
  readonly factors: Vec3;
  /** The finer level's whole volume, to clip footprints. */
  readonly finerVolume: Box;
  readonly mip: number;
  readonly box: Box;
  readonly encoding: EncodingName;
}

/** Tiles of a source that make one tile of the next level; see `isCutInBlocks`. */
export interface SourceBlock extends Pick<SourceTile, 'spec' | 'fingerprint' | 'dtype' | 'mip' | 'shift' | 'encoding'> {
  /** Tiles of level `mip`: see `SourceTile`. */
  readonly tiles: readonly Pick<SourceTile, 'box' | 'chunk'>[];
  readonly type: VolumeType;
  readonly finer: MipInfo;
  readonly factors: Vec3;
  readonly coarser: { readonly mip: number; readonly box: Box };
  /** Buffers of frames that nobody reads any more: given away, frames of the block are written there. */
  readonly memory: readonly ArrayBuffer[];
  /** Whether the largest id is looked for. */
  readonly findsMaxId: boolean;
}

/** A block that was made. */
export interface MadeBlock {
  /** In the order in which they were asked for, and the coarser one; only those before it where one cannot be read. */
  readonly tiles: readonly MadeTile[];
  /** Largest id of the tiles; 0 where it was not looked for. */
  readonly maxId: bigint;
}

/** One box of one stored tile whose ids are asked for. */
export interface UniquePart {
  /** Shared. */
  readonly frame: Uint8Array;
  /** In voxels of the level, inside the tile. */
  readonly box: Box;
}

/** A frame that was made; `absent` = the source has no such chunk, so it is zeros that should not be kept for ever. */
export interface MadeTile {
  /** Owned by the caller. */
  readonly frame: Uint8Array;
  readonly absent: boolean;
}

/** Formats and views of an assembled box, as Butterfly names them. */
export interface RenderRequest {
  /** Voxels, x fastest. Shared. */
  readonly raw: Uint8Array;
  readonly shape: Vec3;
  readonly dtype: DType;
  readonly type: VolumeType;
  readonly format: string;
  readonly view: string;
}

/** Work on pixels. Every method may run in a worker; calls may overlap. Errors are BflyErrors. */
export interface TileMaker {
  /** Opens a source as it is now, also where it was open before. @throws BflyError NOT_FOUND, UNSUPPORTED. */
  open(spec: VolumeSpec): Promise<SourceInfo>;
  /** Reads one tile from a source and encodes it as it is stored. */
  fromSource(tile: SourceTile): Promise<MadeTile>;
  /** Reads the tiles of a block from a source, and builds the coarser one. */
  fromSourceBlock(block: SourceBlock): Promise<MadeBlock>;
  /** A file of a source that holds no voxels: see `Source.file`. Undefined where there is none, or the source has no such files. */
  file(spec: VolumeSpec, key: string, range?: ByteRange): Promise<SourceFile | undefined>;
  /** Builds one tile of a coarser level. */
  fromFiner(tile: CoarserTile): Promise<MadeTile>;
  /** The same tile in another encoding; FILL and ERROR frames are given back as they are. `frame` is shared. */
  transcode(frame: Uint8Array, dtype: DType, to: EncodingName): Promise<Uint8Array>;
  /** Distinct ids of some boxes, ascending. */
  unique(parts: readonly UniquePart[], dtype: DType): Promise<BigUint64Array>;
  /**
   * Largest id of some stored frames; 0 where all ids are negative or there are no frames.
   *
   * @param frames shared.
   * @throws BflyError UNSUPPORTED for float32.
   */
  maxId(frames: readonly Uint8Array[], dtype: DType): Promise<bigint>;
  /** Work on edited voxels: see the functions that `voxel-work.ts` names. Bytes of requests are shared. */
  work<K extends keyof VoxelWork>(name: K, request: VoxelWork[K]['request']): Promise<VoxelWork[K]['result']>;
  /** Turns an assembled box into an image or another file format. */
  render(request: RenderRequest): Promise<{ readonly bytes: Uint8Array; readonly mime: string }>;
  /** Ends workers and closes sources. */
  close(): Promise<void>;
}
