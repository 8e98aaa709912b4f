/** Finds where segments are: in a coarse level that is read once, whole. */
import { BYTES_PER_VOXEL } from '../../../../protocol/index.ts';
import type { ChannelInfo, CutoutResult, EditEvent, Session } from '../../../client/index.ts';
import { type Place, toPlace } from '../stage.ts';
import { toldPlace, voxelOfIds, wholeLevel } from './edit-place.ts';

/** Bytes of a level that is read for this. */
const MOST_BYTES = 8 * 2 ** 20;

/** What became of a search. */
export type Found = { readonly place: Place } | { readonly why: string };

/** Finds places of one channel. */
export class PlaceFinder {
  readonly #session: Pick<Session, 'cutout'>;
  readonly #info: ChannelInfo;
  #level: Promise<CutoutResult> | undefined;

  constructor(session: Pick<Session, 'cutout'>, info: ChannelInfo) {
    this.#session = session;
    this.#info = info;
  }

  /** Voxels have changed: what was read is out of date. */
  forget(): void {
    this.#level = undefined;
  }

  /** Where an edit was made. @throws BflyError as a cutout. */
  async find(edit: EditEvent): Promise<Found> {
    if (edit.cut === true) return { why: 'it is too large for the history to tell where' };
    const told = toldPlace(edit);
    if (told === undefined) return { why: 'it has no place in the volume' };
    if ('voxel' in told) return { place: toPlace(this.#info, told.voxel) };
    const mip = wholeLevel(this.#info, BYTES_PER_VOXEL[this.#info.dtype], MOST_BYTES);
    if (mip === undefined) return { why: 'the volume is too large to look for its segments' };
    const { data, shape, box } = await this.#read(mip);
    const at = voxelOfIds(data, shape, told.ids);
    if (at === undefined) return { why: 'its segments are too small, or gone from the voxels' };
    const [x, y, z] = this.#info.mips[mip]?.voxel ?? [1, 1, 1];
    return { place: [(box[0] + at[0] + 0.5) * x, (box[1] + at[1] + 0.5) * y, (box[2] + at[2] + 0.5) * z] };
  }

  #read(mip: number): Promise<CutoutResult> {
    if (this.#level === undefined) {
      const level = this.#session.cutout(this.#info.path, { mip, maxBytes: MOST_BYTES });
      this.#level = level;
      level.catch(() => this.forget());
    }
    return this.#level;
  }
}
