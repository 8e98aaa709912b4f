/** What stands beside the voxels of a precomputed volume: files of a precomputed source, and of folders that the configuration names. */
import type { Channel } from '../../core/channel.ts';
import type { Core } from '../../core/core.ts';
import { SOURCE_FOLDERS, type SourceFolder } from '../../core/source-files.ts';
import type { MeshFolders } from '../../utility/mesh-folders.ts';
import type { SegmentProperties } from './precomputed-properties.ts';
import type { WebAnswer, WebFile } from './route.ts';
import type { AddressedVolume } from './volume-address.ts';

/** A file that was found. */
interface Found extends WebFile {
  readonly stamp: string;
}

const NONE: readonly SourceFolder[] = [];

/** Finds such files. */
export class BesideFiles {
  readonly #core: Core;
  readonly #properties: SegmentProperties;
  readonly #meshes: MeshFolders | undefined;

  /** @param meshes folders that the configuration names: they go before the source's own. */
  constructor(core: Core, properties: SegmentProperties, meshes?: MeshFolders) {
    this.#core = core;
    this.#properties = properties;
    this.#meshes = meshes;
  }

  /** Folders to name in `info`: only those that are there, for clients take a missing one for an error. */
  async offered({ channel, address, dtype }: AddressedVolume): Promise<readonly SourceFolder[]> {
    if (channel.type !== 'segmentation' || dtype === 'float32' || address.at !== undefined) return NONE;
    const [ofSource, hasProperties] = await Promise.all([
      this.#core.sourceFiles.folders(channel),
      this.#properties.isOffered(channel),
    ]);
    return SOURCE_FOLDERS.filter((folder) => {
      if (folder === 'segment_properties' && hasProperties) return true;
      // Meshes are of segments as they were ingested.
      if (address.merged) return false;
      return ofSource.includes(folder) || (folder === 'mesh' && this.#meshes?.has(channel.path) === true);
    });
  }

  /** Answers with a file. @param names of folders below, and of the file. */
  async answer(
    { channel, address }: AddressedVolume,
    folder: SourceFolder,
    names: readonly string[],
  ): Promise<WebAnswer | undefined> {
    const isConfigured = folder === 'mesh' && this.#meshes?.has(channel.path) === true;
    const file = address.merged
      ? undefined
      : await (isConfigured ? this.#meshes?.file(channel.path, names) : this.#ofSource(channel, folder, names));
    if (file === undefined) return undefined;
    const { byteLength, stamp } = file;
    const read = (from: number, to: number): Promise<Uint8Array> => file.read(from, to);
    return {
      type: isJson(names.at(-1) ?? '') ? 'application/json' : 'application/octet-stream',
      body: () => read(0, byteLength),
      etag: stamp,
      file: { byteLength, read },
    };
  }

  async #ofSource(channel: Channel, folder: SourceFolder, names: readonly string[]): Promise<Found | undefined> {
    const part = (from: number, to: number) => this.#core.sourceFiles.file(channel, folder, names, { from, to });
    const found = await part(0, 0);
    if (found === undefined) return undefined;
    const { byteLength, stamp } = found;
    return { byteLength, stamp, read: async (from, to) => (await part(from, to))?.bytes ?? new Uint8Array(0) };
  }
}

/** `info`, and the manifests `ID:0` of meshes. */
function isJson(name: string): boolean {
  return name === 'info' || /^\d+:\d+$/.test(name);
}
