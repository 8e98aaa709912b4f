/** The viewer's page and its files. Nothing of them is of data: the page asks for that over its socket, with its own token. */
import type { Route, WebAnswer } from './route.ts';
import type { BuiltViewer, ViewerFolder } from './viewer-folder.ts';

/** Told where the page is not built. */
export const NOT_BUILT = 'The viewer, which browsers would see here, is not built: npm run build makes it.\n';

/** `/assets/NAME`: files that never change, for their names hold a digest of them. */
export function assetsRoute(viewer: ViewerFolder): Route {
  return {
    prefix: '/assets',
    isPublic: true,
    handle: async ({ segments: [name = '', ...more], isFolder }) => {
      if (more.length > 0 || isFolder) return undefined;
      const file = await viewer.asset(name);
      return file === undefined ? undefined : { ...file, cache: 'immutable', headers: FILE_HEADERS };
    },
  };
}

/**
 * The page.
 *
 * @param framers origins, besides the server's own, whose pages may show it in a frame.
 */
export function pageAnswer({ page }: BuiltViewer, framers: readonly string[]): WebAnswer {
  return { ...page, cache: 'revalidate', headers: pageHeaders(framers) };
}

/** Whether an Accept header asks for a page rather than for plain text: browsers name it, programs say nothing or take anything. */
export function wantsPage(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const html = weightOf(accept, 'text/html');
  return html > 0 && html >= weightOf(accept, 'text/plain');
}

function weightOf(accept: string, type: string): number {
  for (const item of accept.toLowerCase().split(',')) {
    const [name, ...parameters] = item.split(';').map((part) => part.trim());
    if (name !== type) continue;
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    return weight === undefined ? 1 : Number(weight.slice(2)) || 0;
  }
  return 0;
}

/** What scripts, workers and pictures of the page may be: its own alone. */
const POLICY: readonly string[] = [
  "default-src 'none'",
  // Decoders of chunks are WebAssembly; Neuroglancer makes functions of text where it writes annotations and compresses segmentations.
  "script-src 'self' 'unsafe-eval'",
  "worker-src 'self'",
  // Styles are set by scripts, which this does not touch; no page of ours has any in its text.
  "style-src 'self'",
  // Icons, and pictures that are made in the page.
  "img-src 'self' data: blob:",
  "font-src 'self'",
  // People open sources of other servers beside ours: which, nobody knows before.
  "connect-src 'self' ws: wss: http: https:",
  "base-uri 'none'",
  "object-src 'none'",
  "form-action 'none'",
];

/** Of its files too: a worker is held to what came with its own script, not with the page. */
const FILE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY.join('; '),
  // Addresses hold what people look at.
  'referrer-policy': 'no-referrer',
};

function pageHeaders(framers: readonly string[]): Readonly<Record<string, string>> {
  return {
    ...FILE_HEADERS,
    'content-security-policy': [...POLICY, ['frame-ancestors', "'self'", ...framers].join(' ')].join('; '),
    // Whoever opened the page, or was opened by it for a login, holds nothing of it but that window.
    'cross-origin-opener-policy': 'same-origin-allow-popups',
  };
}
