/**
 * Zarr v3, one array or all levels with the metadata of OME-Zarr 0.5. Labels are gzipped, images are raw.
 *
 * Source: the Zarr v3 core specification; OME-NGFF 0.5
 */
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type Box, boxShape, type Vec3 } from '../../../protocol/volume.ts';
import { chunkOf, type ExportLevel, type ExportPlan } from './export-plan.ts';
import type { ExportFormat } from './volume-writer.ts';
import { type ChunkLayout, writeChunks, writeJson } from './write-chunks.ts';

const AXES = ['z', 'y', 'x'] as const;

/** One array in the folder itself. */
export const zarrFormat: ExportFormat = {
  about: 'one Zarr v3 array [z, y, x]',
  hasLevels: false,
  pieces: 'chunks',
  fault: () => undefined,
  open: (folder, plan) => ({
    begin: async () => {
      for (const level of plan.levels) await writeJson(path.join(folder, 'zarr.json'), arrayOf(plan, level));
    },
    write: (piece, voxels) =>
      writeChunks(
        folder,
        plan.dtype,
        layoutOf(plan, () => ''),
        piece,
        voxels,
      ),
    finish: async () => {},
    close: async () => {},
  }),
};

/** A group with an array for each level. */
export const omeZarrFormat: ExportFormat = {
  about: 'OME-Zarr 0.5 (Zarr v3), all levels',
  hasLevels: true,
  pieces: 'chunks',
  fault: () => undefined,
  open: (folder, plan) => ({
    begin: async () => {
      await writeJson(path.join(folder, 'zarr.json'), groupOf(plan));
      for (const [n, level] of plan.levels.entries())
        await writeJson(path.join(folder, String(n), 'zarr.json'), arrayOf(plan, level));
    },
    write: (piece, voxels) =>
      writeChunks(
        folder,
        plan.dtype,
        layoutOf(plan, (level) => `${plan.levels.indexOf(level)}/`),
        piece,
        voxels,
      ),
    finish: async () => {},
    close: async () => {},
  }),
};

/** z, y, x. */
const reversed = ([x, y, z]: Vec3): Vec3 => [z, y, x];

const isGzipped = ({ type }: ExportPlan): boolean => type === 'segmentation';

function arrayOf(plan: ExportPlan, level: ExportLevel): object {
  const bytes = { name: 'bytes', configuration: { endian: 'little' } };
  const codecs = isGzipped(plan) ? [bytes, { name: 'gzip', configuration: { level: 1 } }] : [bytes];
  return {
    ...{ zarr_format: 3, node_type: 'array', shape: reversed(boxShape(level.box)), data_type: plan.dtype },
    chunk_grid: { name: 'regular', configuration: { chunk_shape: reversed(chunkOf(level)) } },
    chunk_key_encoding: { name: 'default', configuration: { separator: '/' } },
    ...{ fill_value: 0, codecs, dimension_names: AXES, attributes: {} },
  };
}

function groupOf(plan: ExportPlan): object {
  const datasets = plan.levels.map(({ info: { voxel }, box }, n) => {
    // Where the centre of the first voxel lies, in nanometres; the finest volume's origin has its centre at 0.
    const finest = (plan.levels[0] as ExportLevel).info.voxel;
    const centre = (axis: 0 | 1 | 2): number => box[axis] * voxel[axis] + (voxel[axis] - finest[axis]) / 2;
    return {
      path: String(n),
      coordinateTransformations: [
        { type: 'scale', scale: reversed(voxel) },
        { type: 'translation', translation: reversed([centre(0), centre(1), centre(2)]) },
      ],
    };
  });
  const axes = AXES.map((name) => ({ name, type: 'space', unit: 'nanometer' }));
  const name = plan.path.split('/').at(-1) ?? plan.path;
  const label = plan.type === 'segmentation' ? { 'image-label': { version: '0.5' } } : {};
  return {
    ...{ zarr_format: 3, node_type: 'group' },
    attributes: { ome: { version: '0.5', multiscales: [{ name, axes, datasets }], ...label } },
  };
}

function layoutOf(plan: ExportPlan, folderOf: (level: ExportLevel) => string): ChunkLayout {
  return {
    fileOf: (level, [x, y, z]) => `${folderOf(level)}c/${z}/${y}/${x}`,
    // Chunks at the edge are whole ones, padded with zeros.
    boxOf: (level, _index, [x, y, z]): Box => {
      const [cx, cy, cz] = chunkOf(level);
      return [x, y, z, x + cx, y + cy, z + cz];
    },
    encode: (voxels) => (isGzipped(plan) ? promisify(gzip)(voxels, { level: 1 }) : voxels),
  };
}
