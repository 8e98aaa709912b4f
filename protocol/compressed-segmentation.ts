/**
 * Neuroglancer's compressed_segmentation, one channel: blocks of voxels, each a table of its ids and packed indices into it.
 *
 * File: the word 1, then a header of two words for each block (x fastest), then values and tables in any order. Header: table offset
 * (24 bits) and bits of an index (8 bits), offset of the packed indices; offsets in words from the end of the first word. Indices stand
 * lowest bits first, x fastest, in whole blocks, whose voxels beyond the volume may have any legal index. Words are little-endian.
 *
 * Ids are handled as two 32-bit halves: BigInt is some twenty times slower.
 *
 * Source: Neuroglancer, src/sliceview/compressed_segmentation/README.md
 */
export { decodeCompressedSegmentation } from './decode-segmentation.ts';
export { encodeCompressedSegmentation } from './encode-segmentation.ts';
export type { SegmentationDType } from './segmentation-layout.ts';
