/** Names that are shown for files: never their folders. */
import { basename } from 'node:path';
import { pathSegmentFault } from '../../protocol/volume.ts';
import { isRemoteUrl, remoteName } from '../utility/remote-url.ts';

const ENDINGS = /(\.(h5|hdf5?|he5|tiff?|btf|tf8|ome|lzf|deflate|gz|precomputed|zarr|n5|nii))+$/i;
const SEGMENT_MAX_BYTES = 128;

const lastPart = (path: string): string => (isRemoteUrl(path) ? remoteName(path) : basename(path));

/** The name of a file or folder in messages, in quotes and without its path. */
export function quotedName(path: string): string {
  return `"${lastPart(path)}"`;
}

/**
 * Short name for a channel: the file's name without its endings, and the dataset's path joined by dots.
 *
 * @param dataset path inside the file, where the name shall tell several volumes of a file apart.
 * @returns a legal path segment; characters that may not stand in one become `_`.
 */
export function volumeName(path: string, dataset?: string): string {
  const file = lastPart(path);
  const stem = file.replace(ENDINGS, '');
  const parts = dataset === undefined ? [] : dataset.split('/').filter((part) => part !== '');
  const wanted = [stem === '' ? file : stem, ...parts].join('.');
  let name = wanted
    .normalize('NFC')
    .replace(/[\p{Cc}/\\:]/gu, '_')
    .replace(/^[ .]+|[ .]+$/g, '');
  while (Buffer.byteLength(name) > SEGMENT_MAX_BYTES) name = [...name].slice(0, -1).join('');
  name = name.replace(/[ .]+$/, '');
  return pathSegmentFault(name) === undefined ? name : 'volume';
}
