/** What the real volumes must give, from the README of their folder. */
import type { DType, Vec3, VolumeType } from '../../protocol/volume.ts';

/** A volume as it was published. */
export interface PublishedVolume {
  /** Under which discovery shows it, where the folder is laid out as `laySources` of the test does. */
  readonly path: string;
  readonly type: VolumeType;
  readonly shape: Vec3;
  readonly dtype: DType;
  readonly source: string;
  /** Size of a voxel, nm; 1 where the source does not tell. */
  readonly voxel: number;
  readonly voxels: readonly (readonly [x: number, y: number, z: number, value: number])[];
  /** Of all voxels. */
  readonly sum?: number;
  /** Of the voxels' bytes, little-endian, x fastest. */
  readonly crc32?: string;
}

const CUBE: Vec3 = [250, 250, 250];
const PAGES: Vec3 = [250, 250, 40];

/** Every volume of the table that the tests of the line serve. */
export const PUBLISHED_VOLUMES: readonly PublishedVolume[] = [
  {
    path: 'root/real/fib25/grayscale_maps',
    type: 'image',
    dtype: 'uint8',
    source: 'stack',
    shape: CUBE,
    voxel: 1,
    voxels: [
      [0, 0, 0, 89],
      [249, 249, 249, 165],
      [125, 125, 125, 151],
      [83, 50, 35, 142],
    ],
    sum: 2031651896,
  },
  {
    path: 'root/real/fib25/groundtruth.h5',
    type: 'segmentation',
    dtype: 'int32',
    source: 'hdf5',
    shape: CUBE,
    voxel: 1,
    voxels: [
      [0, 0, 0, 0],
      [249, 249, 249, 21273],
      [125, 125, 125, 10255],
      [83, 50, 35, 2397],
    ],
    sum: 157833281758,
    crc32: '87803689',
  },
  {
    path: 'root/real/fib25/oversegmented_stack_labels.h5',
    type: 'segmentation',
    dtype: 'int32',
    source: 'hdf5',
    shape: CUBE,
    voxel: 1,
    voxels: [
      [0, 0, 0, 11],
      [249, 249, 249, 53009],
      [125, 125, 125, 9775],
      [83, 50, 35, 11],
    ],
    sum: 246225314616,
    crc32: 'b27c693c',
  },
  {
    path: 'root/real/fib25-ts2-crop-cremi.h5/volumes.raw',
    type: 'image',
    dtype: 'uint8',
    source: 'hdf5',
    shape: [160, 160, 48],
    voxel: 10,
    voxels: [
      [0, 0, 0, 89],
      [159, 159, 47, 149],
      [80, 80, 24, 132],
      [53, 32, 6, 88],
    ],
    sum: 151879707,
    crc32: '979737cb',
  },
  {
    path: 'root/real/fib25-ts2-crop-cremi.h5/volumes.labels.neuron_ids',
    type: 'segmentation',
    dtype: 'uint64',
    source: 'hdf5',
    shape: [160, 160, 48],
    voxel: 10,
    voxels: [
      [0, 0, 0, 0],
      [159, 159, 47, 60683],
      [80, 80, 24, 2150],
      [53, 32, 6, 37164],
    ],
    sum: 16940552939,
    crc32: '7f640ca0',
  },
  {
    path: 'root/real/gala/test-image.h5',
    type: 'image',
    dtype: 'uint8',
    source: 'hdf5',
    shape: [200, 100, 50],
    voxel: 1,
    voxels: [
      [0, 0, 0, 77],
      [199, 99, 49, 166],
      [100, 50, 25, 173],
      [66, 20, 7, 177],
    ],
    sum: 142056807,
    crc32: '62b00e66',
  },
  {
    path: 'root/real/fib25-derived/fib25-ts2-bodies-z000-039.deflate.tif',
    type: 'segmentation',
    dtype: 'uint32',
    source: 'tiff',
    shape: PAGES,
    voxel: 1,
    voxels: [
      [0, 0, 0, 0],
      [249, 249, 39, 114488],
      [125, 125, 20, 2150],
      [83, 50, 5, 37164],
    ],
    sum: 51444733086,
    crc32: '146a81b3',
  },
  {
    path: 'root/real/fib25-derived/fib25-ts2-z000-039.tif',
    type: 'image',
    dtype: 'uint8',
    source: 'tiff',
    shape: PAGES,
    voxel: 1,
    voxels: [
      [0, 0, 0, 89],
      [249, 249, 39, 101],
      [125, 125, 20, 128],
      [83, 50, 5, 75],
    ],
    sum: 315677774,
    crc32: '4c6faa93',
  },
  {
    path: 'root/real/gala-snemi-mini/train-fragments.tif',
    type: 'image',
    dtype: 'uint16',
    source: 'tiff',
    shape: [160, 160, 32],
    voxel: 1,
    voxels: [
      [0, 0, 0, 1],
      [159, 159, 31, 1385],
      [80, 80, 16, 682],
      [53, 32, 4, 177],
    ],
    sum: 542878671,
    crc32: '0a5cb873',
  },
  {
    path: 'root/real/gala-snemi-mini/train-labels.tif',
    type: 'image',
    dtype: 'uint8',
    source: 'tiff',
    shape: [160, 160, 32],
    voxel: 1,
    voxels: [
      [0, 0, 0, 23],
      [159, 159, 31, 8],
      [80, 80, 16, 6],
      [53, 32, 4, 19],
    ],
    sum: 11470529,
    crc32: '2cd05375',
  },
  {
    path: 'root/real/precomputed/bodies_cseg',
    type: 'segmentation',
    dtype: 'uint32',
    source: 'precomputed',
    shape: CUBE,
    voxel: 10,
    voxels: [
      [0, 0, 0, 0],
      [249, 249, 249, 125274],
      [125, 125, 125, 114488],
      [83, 50, 35, 2150],
    ],
    sum: 1152802292437,
    crc32: '2be2539e',
  },
  {
    path: 'root/real/precomputed/em_jpeg',
    type: 'image',
    dtype: 'uint8',
    source: 'precomputed',
    shape: CUBE,
    voxel: 10,
    voxels: [], // lossy
  },
];
