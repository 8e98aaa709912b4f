/** Where the server is that this page came from: everything is asked beside the page, whatever prefix a proxy gave it. */

/** The folder of the page, with a slash at its end. */
export function pageFolder(href: string = location.href): string {
  return new URL('.', href.replace(/[#?].*$/s, '')).href;
}

/** Address of the server's socket. */
export function socketUrl(folder: string): string {
  return new URL('v1', folder).href.replace(/^http/, 'ws');
}

/** Address of a file of a volume, as Neuroglancer precomputed. */
export function precomputedUrl(folder: string, path: string, file: string): string {
  return new URL(`precomputed/${path}/${file}`, folder).href;
}
