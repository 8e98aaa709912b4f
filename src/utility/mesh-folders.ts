/** Folders with meshes, which the configuration names by channel: files that are passed on as they are. */
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import type { AllowedPaths } from './allowed-paths.ts';
import { type Catalogue, catalogueChannels } from './catalogue.ts';

/** One file of meshes. */
export interface MeshFile {
  readonly byteLength: number;
  /** Another one where the file was written anew. */
  readonly stamp: string;
  /** Bytes [from, to), wholly inside. Owned. @throws BflyError TOO_LARGE over 256 MiB. */
  read(from: number, to: number): Promise<Uint8Array>;
}

/** Parts of files are answers, which stand in memory; shards of meshes may have many GiB. */
const MAX_PART_BYTES = 256 * 1024 * 1024;

/** The mesh folders of a server. */
export class MeshFolders {
  readonly #folders: ReadonlyMap<string, string>;
  readonly #allowed: AllowedPaths;

  /** @param folders absolute paths by the channel's path on the wire. */
  constructor(folders: ReadonlyMap<string, string>, allowed: AllowedPaths) {
    this.#folders = folders;
    this.#allowed = allowed;
  }

  /** Whether a channel has such a folder. */
  has(channel: string): boolean {
    return this.#folders.has(channel);
  }

  /**
   * A file of a channel's folder. Its name stays in the folder; where symbolic links lead must be allowed.
   *
   * @param names of folders below, and of the file.
   * @returns undefined where there is none.
   * @throws BflyError FORBIDDEN for names that lead out of the folder, and for what lies outside the allowed paths.
   */
  async file(channel: string, names: readonly string[]): Promise<MeshFile | undefined> {
    const folder = this.#folders.get(channel);
    if (folder === undefined || names.length === 0) return undefined;
    if (!names.every(isPlainName)) throw new BflyError('FORBIDDEN', 'a mesh has a name below the folder of meshes');
    const real = await this.#allowed.resolve(path.join(folder, ...names)).catch((error: unknown) => {
      if (error instanceof BflyError && error.code === 'NOT_FOUND') return undefined;
      if (error instanceof BflyError && error.code === 'FORBIDDEN')
        throw new BflyError('FORBIDDEN', 'the mesh lies outside the allowed-paths of this server');
      throw error;
    });
    if (real === undefined) return undefined;
    const found = await stat(real).catch(() => undefined);
    if (found === undefined || !found.isFile()) return undefined;
    return {
      byteLength: found.size,
      stamp: `${found.size}-${Math.floor(found.mtimeMs * 1_000)}`,
      read: (from, to) => readPart(real, from, to),
    };
  }
}

/** The folders that a catalogue names. */
export function meshFoldersOf(catalogue: Catalogue, allowed: AllowedPaths): MeshFolders {
  const folders = new Map<string, string>();
  for (const { path: channel, config } of catalogueChannels(catalogue))
    if (config.mesh !== undefined) folders.set(channel, config.mesh);
  return new MeshFolders(folders, allowed);
}

function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
}

async function readPart(file: string, from: number, to: number): Promise<Uint8Array> {
  if (to - from > MAX_PART_BYTES)
    throw new BflyError('TOO_LARGE', `the mesh has more than ${MAX_PART_BYTES} bytes: ask for ranges of it`);
  const handle = await open(file);
  try {
    const bytes = new Uint8Array(to - from);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, from);
    if (bytesRead === bytes.length) return bytes;
    throw new BflyError('UNAVAILABLE', 'the file of a mesh is being written: ask again');
  } finally {
    await handle.close();
  }
}
