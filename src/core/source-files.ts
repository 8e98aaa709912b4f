/** What precomputed sources have beside their voxels: meshes, skeletons, properties of segments. */
import type { ByteRange, SourceFile } from '../image/source.ts';
import type { TileMaker } from '../image/tile-maker.ts';
import type { Channel } from './channel.ts';

export type { ByteRange, SourceFile } from '../image/source.ts';

/** Kinds of folders beside the voxels, by the member of `info` that names them. */
export const SOURCE_FOLDERS = ['mesh', 'skeletons', 'segment_properties'] as const;
/** Such a kind. */
export type SourceFolder = (typeof SOURCE_FOLDERS)[number];

type Folders = Readonly<Partial<Record<SourceFolder, string>>>;

const NONE: Folders = {};

/** Gives files of sources. */
export class SourceFiles {
  readonly #maker: TileMaker;
  readonly #folders = new WeakMap<Channel, Promise<Folders>>();

  constructor(maker: TileMaker) {
    this.#maker = maker;
  }

  /** Which folders a channel's source has. A channel that was ingested whole has no source any more, and so none. */
  async folders(channel: Channel): Promise<readonly SourceFolder[]> {
    const folders = await this.#foldersOf(channel);
    return SOURCE_FOLDERS.filter((kind) => folders[kind] !== undefined);
  }

  /**
   * A file of such a folder, or a part of it.
   *
   * @param names of folders below, and of the file.
   * @returns undefined where there is none.
   * @throws BflyError TOO_LARGE where more than 64 MiB are asked for.
   */
  async file(
    channel: Channel,
    folder: SourceFolder,
    names: readonly string[],
    range?: ByteRange,
  ): Promise<SourceFile | undefined> {
    const { spec } = channel;
    const key = (await this.#foldersOf(channel))[folder];
    if (spec === undefined || key === undefined || names.length === 0) return undefined;
    return this.#maker.file(spec, [key, ...names].join('/'), range);
  }

  #foldersOf(channel: Channel): Promise<Folders> {
    const known = this.#folders.get(channel);
    if (known !== undefined) return known;
    const looking = this.#look(channel).catch((error: unknown) => {
      // The source may be away for the moment only.
      this.#folders.delete(channel);
      throw error;
    });
    this.#folders.set(channel, looking);
    return looking;
  }

  async #look({ spec, sourceKind, type }: Channel): Promise<Folders> {
    if (spec === undefined || sourceKind !== 'precomputed' || type !== 'segmentation') return NONE;
    const info = await this.#maker.file(spec, 'info');
    if (info === undefined) return NONE;
    const members = JSON.parse(Buffer.from(info.bytes).toString('utf8')) as Readonly<Record<string, unknown>>;
    const found: Partial<Record<SourceFolder, string>> = {};
    for (const kind of SOURCE_FOLDERS) {
      const folder = members[kind];
      if (typeof folder !== 'string' || folder === '') continue;
      // Meshes may be of the kind that has no info; of the others one that lacks it would be an error to who reads it.
      if (kind === 'mesh' || (await this.#maker.file(spec, `${folder}/info`)) !== undefined) found[kind] = folder;
    }
    return found;
  }
}
