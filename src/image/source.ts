/** Where voxels come from: the contract that every format keeps. One file a format, one line in `open-source.ts`. */
import type { Box, DType, EncodingName, MipInfo, Vec3, VolumeType } from '../../protocol/volume.ts';

/** Which volume: a file or folder, and for files that hold several (HDF5) the dataset within. */
export interface SourceSpec {
  /** Absolute path of the file or folder, or an address as `plainRemoteUrl` gives it. */
  readonly path: string;
  /** Name inside the file, such as `volumes/raw`; undefined = the format's default. */
  readonly dataset?: string;
  /** Folders that the files must lie in which the volume's own text names; undefined = anywhere. */
  readonly within?: readonly string[];
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
   * the block that is cheapest to read; the chunks of the server may differ. Where `voxelKnown` is false, `voxel` is [1, 1, 1] for the
   * finest level, and counts voxels of that for the others.
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

/** Bytes `[from, to)` of a file. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** A file of a source, or a part of it. */
export interface SourceFile {
  /** Owned by the caller. */
  readonly bytes: Uint8Array;
  /** Bytes of the whole file. */
  readonly byteLength: number;
  /** Changes when the file may have changed. */
  readonly stamp: string;
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
  /**
   * Gives a file that goes with the volume and holds no voxels, such as a mesh.
   *
   * @param key names of folders and file below the source's own folder, joined by `/`; what leads out of it, by links too, is not there.
   * @param range of the file, half-open; cut to what there is. Default: all.
   * @returns undefined where there is no such file.
   * @throws BflyError TOO_LARGE where more is asked for than may be held at a time.
   */
  file?(key: string, range?: ByteRange): Promise<SourceFile | undefined>;
  /** Frees files and memory. No read may be under way. */
  close(): Promise<void>;
}

/** Part of a file that was looked at and cannot be served. */
export interface RefusedDataset {
  readonly dataset: string;
  /** What is wrong with it and what would be right, to stand behind "it has". */
  readonly fault: string;
}

/** What a format found at a path, before anything is opened for good. */
export interface FoundVolume {
  readonly spec: SourceSpec;
  /** What else the same file holds and cannot be served; on the first volume of a file alone. */
  readonly refused?: readonly RefusedDataset[];
  /** Absolute paths of files that are parts of this volume, wherever they lie, and no volumes or slices by themselves. */
  readonly parts?: () => Iterable<string>;
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
  /**
   * Whether a path is of this format, for formats that can tell without listing all that is there.
   *
   * @throws BflyError as `find`.
   */
  takes?(path: string): Promise<boolean>;
  /** Opens one volume. @throws BflyError NOT_FOUND (no such dataset), UNSUPPORTED (what is wrong and what would be right). */
  open(spec: SourceSpec): Promise<Source>;
}
