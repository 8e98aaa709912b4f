/** Addresses of volumes on other machines, as people write them. */
import { BflyError } from '../../protocol/errors.ts';

/** What Neuroglancer writes before the address to say which format is there; we look for ourselves. */
const FORMAT_PREFIX = /^(precomputed|zarr[23]?|n5|ome-zarr):\/\//i;
/** What its newer versions write behind it instead. */
const FORMAT_SUFFIX = /\|(neuroglancer-)?(precomputed|zarr[23]?|n5|auto):?\/?$/i;
const SCHEME = /^(https?|gs|s3):\/\//i;

/** Whether a text is the address of a volume on another machine, rather than a path of this one. */
export function isRemoteUrl(text: string): boolean {
  return FORMAT_PREFIX.test(text) || SCHEME.test(text);
}

/**
 * The plain address that a text means: `precomputed://gs://bucket/em` is `https://storage.googleapis.com/bucket/em`.
 *
 * @param text that `isRemoteUrl`.
 * @returns `http(s)://host/path`, without a slash at its end; a query is kept, for addresses that are signed.
 * @throws BflyError BAD_REQUEST where it is no address, or holds a password, which would end up in configurations and logs.
 */
export function plainRemoteUrl(text: string): string {
  const bare = text.trim().replace(FORMAT_PREFIX, '').replace(FORMAT_SUFFIX, '');
  const address = ofBucket(bare);
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '')
    throw new BflyError(
      'BAD_REQUEST',
      'that is no address of a volume: https://host/path/to/volume would be right, also gs:// and s3://bucket/path',
    );
  if (url.username !== '' || url.password !== '')
    throw new BflyError('BAD_REQUEST', 'an address with a user and password in it is not read: leave them out');
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}${url.search}`;
}

/** Public buckets have plain addresses. */
function ofBucket(text: string): string {
  const [, scheme, bucket = '', rest = ''] = /^(gs|s3):\/\/([^/]+)(\/.*)?$/i.exec(text) ?? [];
  if (scheme === undefined) return text;
  if (scheme.toLowerCase() === 'gs') return `https://storage.googleapis.com/${bucket}${rest}`;
  // No certificate is for a bucket with dots in its name.
  return bucket.includes('.')
    ? `https://s3.amazonaws.com/${bucket}${rest}`
    : `https://${bucket}.s3.amazonaws.com${rest}`;
}

/** The last part of an address's path, or its host: what a volume there is called. */
export function remoteName(url: string): string {
  const { pathname, hostname } = new URL(url);
  const last = pathname.split('/').findLast((part) => part !== '');
  if (last === undefined) return hostname;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
