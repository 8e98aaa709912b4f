/**
 * Neuroglancer precomputed, unsharded: labels of 32 and 64 bits as compressed_segmentation, all else raw.
 *
 * Source: Neuroglancer, src/datasource/precomputed/volume.md
 */
import path from 'node:path';
import { encodeCompressedSegmentation } from '../../../protocol/compressed-segmentation.ts';
import { boxShape } from '../../../protocol/volume.ts';
import { chunkOf, type ExportLevel, type ExportPlan } from './export-plan.ts';
import type { ExportFormat } from './volume-writer.ts';
import { type ChunkLayout, writeChunks, writeJson } from './write-chunks.ts';

export const precomputedFormat: ExportFormat = {
  about: 'Neuroglancer precomputed, all levels',
  hasLevels: true,
  pieces: 'chunks',
  fault: () => undefined,
  open: (folder, plan) => ({
    begin: () => writeJson(path.join(folder, 'info'), infoOf(plan)),
    write: (piece, voxels) => writeChunks(folder, plan.dtype, layoutOf(plan), piece, voxels),
    finish: async () => {},
    close: async () => {},
  }),
};

/** Voxels of the labels that the encoding holds. */
function labelType({ type, dtype }: ExportPlan): 'uint32' | 'uint64' | undefined {
  return type === 'segmentation' && (dtype === 'uint32' || dtype === 'uint64') ? dtype : undefined;
}

function infoOf(plan: ExportPlan): object {
  const encoding =
    labelType(plan) === undefined
      ? { encoding: 'raw' }
      : { encoding: 'compressed_segmentation', compressed_segmentation_block_size: [8, 8, 8] };
  const scales = plan.levels.map((level) => ({
    key: keyOf(level),
    size: boxShape(level.box),
    resolution: level.info.voxel,
    voxel_offset: level.box.slice(0, 3),
    chunk_sizes: [chunkOf(level)],
    ...encoding,
  }));
  return {
    '@type': 'neuroglancer_multiscale_volume',
    ...{ type: plan.type, data_type: plan.dtype, num_channels: 1, scales },
  };
}

const keyOf = ({ mip, info }: ExportLevel): string => `s${mip}_${info.voxel.join('_')}`;

function layoutOf(plan: ExportPlan): ChunkLayout {
  const labels = labelType(plan);
  return {
    fileOf: (level, _index, [x0, y0, z0, x1, y1, z1]) => `${keyOf(level)}/${x0}-${x1}_${y0}-${y1}_${z0}-${z1}`,
    boxOf: (_level, _index, box) => box,
    encode: (voxels, shape) => (labels === undefined ? voxels : encodeCompressedSegmentation(voxels, shape, labels)),
  };
}
