/** Ids replaced by others: base ids by the roots of their bodies. */
import { type Box, boxShape, type DType, type EncodingName, viewVoxels, volumeOf } from '../../protocol/volume.ts';
import { boxOfFrame, decodeTileFrame, makeTileFrame, seqOfFrame } from './tile.ts';

/** A tile and what its ids become. All bytes are shared. */
export interface RemapRequest {
  readonly frame: Uint8Array;
  readonly dtype: DType;
  readonly mip: number;
  /** All ids of the tile, each once. */
  readonly ids: BigUint64Array;
  /** What each becomes, in the same order. */
  readonly to: BigUint64Array;
  /** One that can hold uint64. */
  readonly encoding: EncodingName;
}

/** The tile with other ids, as uint64. @returns an owned frame. */
export async function remapTile({ frame, dtype, mip, ids, to, encoding }: RemapRequest): Promise<Uint8Array> {
  const box: Box = boxOfFrame(frame, dtype);
  const voxels = viewVoxels(dtype, await decodeTileFrame(frame, dtype));
  const out = new BigUint64Array(volumeOf(boxShape(box)));
  if (voxels instanceof BigUint64Array || voxels instanceof BigInt64Array) remapPairs(voxels, ids, to, out);
  else remapNumbers(voxels, ids, to, out);
  const raw = new Uint8Array(out.buffer);
  return makeTileFrame({ raw, dtype: 'uint64', mip, box, seq: seqOfFrame(frame), encoding });
}

/** Voxels come in runs of one id: most look-ups are saved by remembering the last. */
function remapNumbers(voxels: ArrayLike<number>, ids: BigUint64Array, to: BigUint64Array, out: BigUint64Array): void {
  // Ids of signed types are the same bits as unsigned ones of 64 bits.
  const table = new Map<number, bigint>();
  for (let i = 0; i < ids.length; i++) table.set(Number(BigInt.asIntN(64, ids[i] as bigint)), to[i] as bigint);
  for (let start = 0; start < voxels.length; ) {
    const id = voxels[start] as number;
    let end = start + 1;
    while (end < voxels.length && voxels[end] === id) end++;
    out.fill(table.get(id) ?? BigInt.asUintN(64, BigInt(id)), start, end);
    start = end;
  }
}

/** Halves are compared: BigInts are made for the ends of runs alone. */
function remapPairs(
  voxels: BigUint64Array | BigInt64Array,
  ids: BigUint64Array,
  to: BigUint64Array,
  out: BigUint64Array,
): void {
  const table = new Map<bigint, bigint>();
  for (let i = 0; i < ids.length; i++) table.set(ids[i] as bigint, to[i] as bigint);
  const words = new Uint32Array(voxels.buffer, voxels.byteOffset, 2 * voxels.length);
  const unsigned = new BigUint64Array(voxels.buffer, voxels.byteOffset, voxels.length);
  for (let start = 0; start < voxels.length; ) {
    const low = words[2 * start];
    const high = words[2 * start + 1];
    let end = start + 1;
    while (end < voxels.length && words[2 * end] === low && words[2 * end + 1] === high) end++;
    const id = unsigned[start] as bigint;
    out.fill(table.get(id) ?? id, start, end);
    start = end;
  }
}
