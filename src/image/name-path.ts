/** Names of files within a volume. */

/** Joins the parts of a path; '' is the volume's own folder. */
export function joinPath(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('/');
}

/** Whether a path that metadata or people name stays inside the volume. */
export function isInside(path: string): boolean {
  return !path.startsWith('/') && !path.split('/').includes('..');
}
