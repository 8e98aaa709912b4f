/** Every format that voxels can be exported to. The list below is all there is to add one to. */
import type { ExportFormat } from './volume-writer.ts';
import { h5Format, npyFormat, tiffFormat } from './write-planes.ts';
import { precomputedFormat } from './write-precomputed.ts';
import { omeZarrFormat, zarrFormat } from './write-zarr.ts';

/** By their names on the command line. */
export const EXPORT_FORMATS: Readonly<Record<string, ExportFormat>> = {
  precomputed: precomputedFormat,
  zarr: zarrFormat,
  'ome-zarr': omeZarrFormat,
  tiff: tiffFormat,
  npy: npyFormat,
  h5: h5Format,
};
