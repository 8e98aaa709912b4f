/** The volumes that the servers of storms serve: see `storm-child.mjs`. */

/** Path of the segmentation of 32³ voxels uint64: blocks of 8³, ids 1..64. */
export const SEGMENTATION = 'storm/s/d/seg';
/** Path of the image of random bytes, where there is one. */
export const NOISE = 'storm/s/d/em';
