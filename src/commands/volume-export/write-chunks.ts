/** Formats of one file a chunk: what they share. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { type Box, BYTES_PER_VOXEL, boxShape, type DType, type Vec3, volumeOf } from '../../../protocol/volume.ts';
import { copyBox } from '../../query/copy-box.ts';
import { writeFileWhole } from '../../utility/atomic-file.ts';
import { chunksOf, type ExportLevel, type ExportPiece } from './export-plan.ts';

/** How a format names and encodes its chunks. */
export interface ChunkLayout {
  /** File of a chunk, below the folder. */
  fileOf(level: ExportLevel, index: Vec3, box: Box): string;
  /** Box that a chunk's voxels fill; larger than what there is of it where edges are padded. */
  boxOf(level: ExportLevel, index: Vec3, box: Box): Box;
  /** @param voxels owned by the callee. */
  encode(voxels: Uint8Array, shape: Vec3): Promise<Uint8Array> | Uint8Array;
}

/** Writes the chunks of a piece, each whole or not at all. */
export async function writeChunks(
  folder: string,
  dtype: DType,
  layout: ChunkLayout,
  piece: ExportPiece,
  voxels: Uint8Array,
): Promise<void> {
  const size = BYTES_PER_VOXEL[dtype];
  const folders = new Set<string>();
  for (const { index, box } of chunksOf(piece)) {
    const filled = layout.boxOf(piece.level, index, box);
    const chunk = new Uint8Array(volumeOf(boxShape(filled)) * size);
    copyBox(voxels, piece.box, chunk, filled, size);
    const file = path.join(folder, layout.fileOf(piece.level, index, box));
    const parent = path.dirname(file);
    if (!folders.has(parent)) await mkdir(parent, { recursive: true });
    folders.add(parent);
    await writeFileWhole(file, [await layout.encode(chunk, boxShape(filled))]);
  }
}

/** Writes a file of JSON, whole or not at all. */
export async function writeJson(file: string, value: unknown): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFileWhole(file, [Buffer.from(`${JSON.stringify(value, null, 2)}\n`)]);
}
