/** Paths of requests as segments: the only place that takes percent-encoding apart. */
import { BflyError } from '../../../protocol/errors.ts';

/** A path, taken apart. */
export interface WebPath {
  /** Percent-decoded; none is empty, `.` or `..`, or holds a control character, a slash or a backslash. */
  readonly segments: readonly string[];
  /** It ended with a slash. */
  readonly isFolder: boolean;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: what is looked for
const FORBIDDEN = /[\x00-\x1f\x7f/\\]/;
const MAX_SEGMENTS = 64;

/**
 * Takes a path apart.
 *
 * @param path percent-encoded, of printable ASCII, beginning with a slash, without query.
 * @throws BflyError NOT_FOUND where a segment is empty or one or two dots: nothing has such a path, and nobody is told more; BAD_REQUEST naming
 *   what else is wrong.
 */
export function splitPath(path: string): WebPath {
  const parts = path.split('/', MAX_SEGMENTS + 3);
  const isFolder = parts.length > 1 && parts[parts.length - 1] === '';
  const segments = parts.slice(1, isFolder ? -1 : undefined);
  if (segments.length > MAX_SEGMENTS) throw wrong(`may have ${MAX_SEGMENTS} segments`);
  const isPlain = !path.includes('%');
  for (let i = 0; i < segments.length; i++) {
    const segment = isPlain ? (segments[i] as string) : decode(segments[i] as string);
    if (segment === '' || segment === '.' || segment === '..')
      throw new BflyError('NOT_FOUND', 'there is nothing at a path with an empty segment, . or ..');
    if (FORBIDDEN.test(segment)) throw wrong('must hold no control character, no backslash and no encoded slash');
    segments[i] = segment;
  }
  return { segments, isFolder };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw wrong('must be percent-encoded UTF-8');
  }
}

const wrong = (rule: string): BflyError => new BflyError('BAD_REQUEST', `the path ${rule}`);
