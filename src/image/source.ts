/** Where voxels come from: the contract that every format keeps. One file a format, one line in `open-source.ts`. */
import type { Box, DType, EncodingName, MipInfo, Vec3, VolumeType } from '../../protocol/volume.ts';

/** Which volume: a file or folder, and for files that hold several (HDF5) the dataset within. */
export interface SourceSpec {
  /** Absolute path of the file or folder. */
  readonly path: string;
  /** Name inside the file, such as `volumes/raw`; undefined = the format's default. */
  readonly dataset?: string;
}

/** What a source says of itself. */
export interface SourceInfo {
  /** Format: hdf5, tiff, stack, precomputed, … */
  readonly kind: string;
  /** Guess from the format or dtype; a configuration may overrule it. */
  readonly type: VolumeType;
  readonly dtype: DType;
  /**
   * Levels that the source has stored, finest first. `chunk` is what one `readChunk` gives, or where the source has none,
   * the block that is cheapest to read; the chunks of the server may differ. `voxel` is [1, 1, 1] where `voxelKnown` is false.
   */
  readonly mips: readonly MipInfo[];
  readonly voxelKnown: boolean;
  /** Changes when the data may have changed: sizes and modification times, never content. */
  readonly fingerprint: string;
}

/** Bytes of one chunk as the source has them stored. */
export interface EncodedChunk {
  readonly encoding: EncodingName;
  /** Owned by the caller. Decodes to the chunk's box, clipped at the volume's end. */
  readonly bytes: Uint8Array;
}

/** An open volume. Reads may run concurrently. */
export interface Source {
  readonly info: SourceInfo;
  /**
   * Reads a box.
   *
   * @param mip one of `info.mips`.
   * @param box in voxels of that level, wholly inside the level's volume.
   * @returns owned bytes: the voxels, x fastest, little-endian. Parts that the source does not have are zeros.
   * @throws BflyError INTERNAL naming what is broken in the data (never its server path).
   */
  read(mip: number, box: Box): Promise<Uint8Array>;
  /**
   * Gives a chunk of the source's own grid as it is stored, where that is an encoding of the protocol.
   *
   * @param index of the chunk, counted from the level's offset.
   * @returns undefined where this chunk can only be had by `read`; 'absent' where the source has no such chunk (zeros).
   */
  readChunk?(mip: number, index: Vec3): Promise<EncodedChunk | 'absent' | undefined>;
  /** Frees files and memory. No read may be under way. */
  close(): Promise<void>;
}

/** What a format found at a path, before anything is opened for good. */
export interface FoundVolume {
  readonly spec: SourceSpec;
  /** Short name for a channel: file name without endings, dataset path joined by dots. */
  readonly name: string;
  readonly kind: string;
}

/** One kind of data on disk. */
export interface SourceFormat {
  readonly kind: string;
  /**
   * Lists the volumes at a path.
   *
   * @returns undefined where the path is not of this format at all; an empty list never.
   * @throws BflyError UNSUPPORTED where it is of this format but cannot be read: the message says what is wrong and what would be right.
   */
  find(path: string): Promise<readonly FoundVolume[] | undefined>;
  /** Opens one volume. @throws BflyError NOT_FOUND (no such dataset), UNSUPPORTED (what is wrong and what would be right). */
  open(spec: SourceSpec): Promise<Source>;
}
