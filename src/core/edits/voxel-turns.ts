/** What undos of an edit do to the voxels that ops behind them see: rule [E1]. */
import type { Op } from '../../../protocol/edit-ops.ts';
import { boxShape, type MipInfo, type Vec3, volumeOf } from '../../../protocol/volume.ts';
import type { TileMaker } from '../../image/tile-maker.ts';
import { tileBox } from '../../query/tile-grid.ts';
import type { Channel } from '../channel.ts';
import type { Reading } from '../reading.ts';
import type { TileReader } from '../tile-reader.ts';
import type { ChannelEdits } from './channel-edits.ts';

/** What turns are looked up with. */
export interface TurnDeps {
  readonly channel: Channel;
  readonly edits: ChannelEdits;
  readonly reader: Pick<TileReader, 'loadStored'>;
  readonly maker: Pick<TileMaker, 'work'>;
  /** The edits that undos of these seqs would take out of force, or bring back, if they were applied now. */
  turnedBy(undone: readonly number[]): readonly number[];
}

/** Deltas that are read from the log, and made one, at a time. */
const DELTAS_AT_ONCE = 512;
const NO_SEQS: ReadonlySet<number> = new Set();

/** The turns that ops of one edit have relied on. */
export class VoxelTurns {
  readonly #deps: TurnDeps;
  readonly #reading: Reading;
  /** What was turned, by the seqs that undos named. */
  readonly #relied: { readonly undone: readonly number[]; readonly turned: readonly number[] }[] = [];

  /** @param reading the state before the edit. */
  constructor(deps: TurnDeps, reading: Reading) {
    this.#deps = deps;
    this.#reading = reading;
  }

  /** The edits that undos among some ops turn. */
  before(ops: readonly Op[]): ReadonlySet<number> {
    const undone = ops.flatMap((op) => (op.op === 'undo' ? [op.seq] : []));
    if (undone.length === 0) return NO_SEQS;
    const turned = this.#deps.turnedBy(undone);
    this.#relied.push({ undone, turned });
    return new Set(turned);
  }

  /** Whether the same undos would still turn the same edits. */
  hold(): boolean {
    return this.#relied.every(({ undone, turned }) => String(this.#deps.turnedBy(undone)) === String(turned));
  }

  /** A tile as it is once some edits have turned: as it is read, or as it was ingested and what then lies over it. */
  async tileAfter(
    turned: ReadonlySet<number>,
    tile: Vec3,
  ): Promise<{ readonly frame: Uint8Array; readonly before: readonly Uint8Array[] }> {
    const { channel, edits, reader } = this.#deps;
    const { at } = this.#reading;
    const deltas = turned.size === 0 ? [] : edits.voxels.deltasOf(tile, at);
    if (!deltas.some(({ seq }) => turned.has(seq)))
      return { frame: await reader.loadStored(channel, 0, tile, this.#reading), before: [] };
    const left = deltas.filter(({ seq }) => edits.voxels.isInForce(seq, at) !== turned.has(seq));
    let before: Uint8Array[] = [];
    for (let from = 0; from < left.length; from += DELTAS_AT_ONCE) {
      const some = left.slice(from, from + DELTAS_AT_ONCE).map(({ seq, part }) => edits.delta(seq, part));
      before = [await mergeDeltas(this.#deps, tile, [...before, ...some])];
    }
    return { frame: await reader.loadStored(channel, 0, tile), before };
  }
}

/** Deltas of one tile of mip 0, in order, as one. */
export function mergeDeltas(
  { channel, maker }: Pick<TurnDeps, 'channel' | 'maker'>,
  tile: Vec3,
  deltas: readonly Uint8Array[],
): Promise<Uint8Array> {
  const level = channel.mips[0] as MipInfo;
  const voxels = volumeOf(boxShape(tileBox(level, tile[0], tile[1], tile[2])));
  return maker.work('mergeDeltas', { tile, deltas, voxels, dtype: channel.dtype });
}
