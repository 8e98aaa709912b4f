/** Work on edited voxels, by name: what the Core may have done off the event loop beside tiles and pictures. */
import {
  type CutSplit,
  type CutWrite,
  cutSplit,
  cutWrite,
  mergeDeltas,
  objectVoxels,
  type SplitRequest,
  type WriteRequest,
} from './cut-voxels.ts';
import {
  coarserMask,
  type EditedFrame,
  type EditedTile,
  editTile,
  maskOfDeltas,
  type RebuiltTile,
  rebuildTile,
} from './edited-tile.ts';
import { type RemapRequest, remapTile } from './remap.ts';

/** Requests and results. */
export interface VoxelWork {
  readonly editTile: { readonly request: EditedTile; readonly result: EditedFrame };
  readonly rebuildTile: { readonly request: RebuiltTile; readonly result: EditedFrame };
  readonly maskOfDeltas: { readonly request: Parameters<typeof maskOfDeltas>[0]; readonly result: Uint8Array };
  readonly coarserMask: { readonly request: Parameters<typeof coarserMask>[0]; readonly result: Uint8Array };
  readonly remapTile: { readonly request: RemapRequest; readonly result: Uint8Array };
  readonly cutWrite: { readonly request: WriteRequest; readonly result: CutWrite };
  readonly objectVoxels: { readonly request: Parameters<typeof objectVoxels>[0]; readonly result: Uint8Array };
  readonly cutSplit: { readonly request: SplitRequest; readonly result: CutSplit };
  readonly mergeDeltas: { readonly request: Parameters<typeof mergeDeltas>[0]; readonly result: Uint8Array };
}

type Workers = {
  readonly [K in keyof VoxelWork]: (
    request: VoxelWork[K]['request'],
  ) => VoxelWork[K]['result'] | Promise<VoxelWork[K]['result']>;
};

const WORKERS: Workers = {
  editTile,
  rebuildTile,
  maskOfDeltas,
  coarserMask,
  remapTile,
  cutWrite,
  objectVoxels,
  cutSplit,
  mergeDeltas,
};

/** Does a piece of work in the calling thread. @throws BflyError as the function of that name. */
export async function doVoxelWork<K extends keyof VoxelWork>(
  name: K,
  request: VoxelWork[K]['request'],
): Promise<VoxelWork[K]['result']> {
  return WORKERS[name](request);
}
