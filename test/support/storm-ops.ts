/** What the editors of storms do: ops at random over a few ids, so that everything meets everything. */
import type { WireMap } from '../../protocol/messages.ts';
import { encodeMask } from '../../protocol/voxel-mask.ts';
import type { Editor } from './editor.ts';
import { blockOf, MAX_ID, SEAM } from './storm-volume.ts';

/** Makes the ops of one EDIT. */
export type NextOps = (editor: Editor) => WireMap[];
type Dice = () => number;

/**
 * Merges, cleaves, undos and annotations over the ids 1..`ids`, a few at a time.
 *
 * @param voxels share of ops that are a write, a split or a region; only of a path whose volume is the storms'.
 */
export function stormOps(ids: number, voxels = 0): NextOps {
  return (editor) => {
    const { random } = editor;
    // Drawn only where it counts: without voxels a seed gives the ops that it always gave.
    const one = (): WireMap[] =>
      voxels > 0 && random() < voxels ? voxelOps(random, editor.seqs) : [plainOp(ids, random, editor.seqs)];
    return Array.from({ length: random() < 0.2 ? 2 : 1 }, one).reduce(together, []);
  };
}

function plainOp(ids: number, random: Dice, seqs: readonly number[]): WireMap {
  const id = (): number => 1 + Math.floor(ids * random());
  const dice = random();
  const seq = seqs[Math.floor(seqs.length * random())];
  if (dice < 0.4) return { op: 'merge', ids: [id(), id(), ...(random() < 0.3 ? [id()] : [])] };
  if (dice < 0.6) return { op: 'cleave', ids: [id(), ...(random() < 0.3 ? [id()] : [])] };
  if (dice < 0.75 && seq !== undefined) return { op: 'undo', seq };
  const points = [id() % 32, id() % 32, id() % 32];
  if (dice < 0.95) {
    // With author and time, which the server would add: the log holds the ops as they were sent.
    const row = { kind: 'point', points, text: `t${Math.floor(1e6 * random())}`, author: 'storm', time: 1 };
    return { op: 'put', table: 'annotation', rows: [random() < 0.7 ? { ...row, key: id() } : row] };
  }
  return { op: 'delete', table: 'annotation', keys: [id()] };
}

/** Ops that follow others of their EDIT: `{new: k}` counts from the first of all. */
function together(before: readonly WireMap[], ops: readonly WireMap[]): WireMap[] {
  const shifted = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && 'new' in value ? { new: Number(value.new) + before.length } : value;
  const moved = ops.map((op) => ({
    ...op,
    ...(Array.isArray(op['ids']) ? { ids: op['ids'].map(shifted) } : {}),
    ...('value' in op ? { value: shifted(op['value']) } : {}),
  }));
  return [...before, ...moved];
}

/** Ids that were ingested there. */
const SEAM_IDS = Array.from({ length: MAX_ID }, (_, n) => n + 1).filter((id) => {
  const [x] = blockOf(id);
  return x >= SEAM[0] && x < SEAM[3];
});

/** A write, a split or a region, sometimes with a merge of what it created, or behind an undo whose effect a split must see. */
function voxelOps(random: Dice, seqs: readonly number[]): WireMap[] {
  const id = SEAM_IDS[Math.floor(SEAM_IDS.length * random())] ?? 1;
  const dice = random();
  const isUsed = random() < 0.3;
  const merge = { op: 'merge', ids: [id, { new: 0 }] };
  if (dice < 0.2)
    return [
      { op: 'region', id, region: 1 + Math.floor(3 * random()), box: someBox(random) },
      ...(isUsed ? [merge] : []),
    ];
  if (dice < 0.5) {
    // Where the id was ingested; others may have painted over it since.
    const box = blockOf(id);
    const split = [{ op: 'split', id, box, mask: maskOf(box, random) }, ...(isUsed ? [merge] : [])];
    const seq = seqs[Math.floor(seqs.length * random())];
    return seq !== undefined && random() < 0.3 ? together([{ op: 'undo', seq }], split) : split;
  }
  const box = someBox(random);
  const write = { op: 'write', box };
  if (dice < 0.65) return [{ ...write, values: valuesOf(volumeOf(box), random) }];
  if (dice < 0.75) {
    const set = someOf(volumeOf(box), random);
    const count = set.reduce((sum, one) => sum + one, 0);
    return [{ ...write, mask: encodeMask(set), values: valuesOf(count, random) }];
  }
  const masked = random() < 0.5 ? { ...write, mask: maskOf(box, random) } : write;
  if (dice < 0.85) return [{ ...masked, value: 'new' }, ...(isUsed ? [merge] : [])];
  return [{ ...masked, value: random() < 0.2 ? 0 : id }];
}

/** A box of up to 8³ voxels where two tiles meet. */
function someBox(random: Dice): number[] {
  const [x0, y0, z0, ...ends] = SEAM;
  const from = [x0, y0, z0].map((at, axis) => at + Math.floor(((ends[axis] ?? 0) - at) * random()));
  return [...from, ...from.map((at, axis) => Math.min(ends[axis] ?? 0, at + 1 + Math.floor(8 * random())))];
}

const volumeOf = ([x0 = 0, y0 = 0, z0 = 0, x1 = 0, y1 = 0, z1 = 0]: readonly number[]): number =>
  (x1 - x0) * (y1 - y0) * (z1 - z0);

/** Voxels at random, one at least; 1 where one is chosen. */
function someOf(volume: number, random: Dice): Uint8Array {
  const share = random();
  const set = Uint8Array.from({ length: volume }, () => (random() < share ? 1 : 0));
  set[Math.floor(volume * random())] = 1;
  return set;
}

const maskOf = (box: readonly number[], random: Dice): Uint8Array => encodeMask(someOf(volumeOf(box), random));

/** Ids that were ingested, or 0, as they travel. */
function valuesOf(count: number, random: Dice): Uint8Array {
  const ids = BigUint64Array.from({ length: count }, () => BigInt(Math.floor((MAX_ID + 1) * random())));
  return new Uint8Array(ids.buffer);
}
