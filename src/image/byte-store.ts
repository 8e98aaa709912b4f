/** Where the files of a volume of many files lie: a folder here, or a server somewhere else. Formats read both alike. */

/** A part of a file: from a place on, or the last so many bytes. */
export type FilePart = { readonly offset: number; readonly length: number } | { readonly suffixLength: number };

/** A small file with a stamp that changes when it does. */
export interface StampedFile {
  /** Owned. */
  readonly bytes: Uint8Array;
  readonly stamp: string;
}

/**
 * Files by name. Names are relative, with `/` between their parts. Reads may run concurrently.
 *
 * Errors: BflyError UNAVAILABLE where a server is away for now, UNSUPPORTED where a file is not one that can be read; those of the system,
 * which hold paths, have a `syscall`.
 */
export interface ByteStore {
  /** What messages call the place: its name in quotes. */
  readonly name: string;
  /** Whether the files lie on another machine. */
  readonly isRemote: boolean;
  /**
   * Reads a whole file.
   *
   * @param maxBytes a longer file is refused, before it is read where that can be told.
   * @returns owned bytes; undefined where there is no such file.
   */
  get(name: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** As `get`, with the file's stamp. */
  getStamped(name: string, maxBytes: number): Promise<StampedFile | undefined>;
  /**
   * Reads a part of a file.
   *
   * @returns owned bytes, all that were asked for; undefined where there is no such file.
   * @throws Error where the file ends before the part does.
   */
  getRange(name: string, range: FilePart): Promise<Uint8Array | undefined>;
  /** Whether there is such a file. */
  has(name: string): Promise<boolean>;
  /** A stamp of a file or folder; undefined where none can be had. */
  stampOf(name: string): Promise<string | undefined>;
  /** Names of the folders in a folder, sorted; undefined where they cannot be listed. */
  folders(name: string): Promise<readonly string[] | undefined>;
  /** Whether the server refused a file that may be there, which for formats is as if it were not. */
  readonly refused: boolean;
  /** Ends what is under way. */
  close(): void;
}
