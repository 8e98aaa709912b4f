/** Waits that end: a test that waits for what never comes must say what that was. */

/**
 * What `work` comes to, or an error once `ms` have gone.
 *
 * @param what says in the error what was waited for, and how far it had come.
 * @throws Error that says so; what `work` throws.
 */
export async function within<T>(ms: number, what: () => string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms / 1000} s for ${what()}`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
