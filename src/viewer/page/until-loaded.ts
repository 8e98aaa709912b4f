/** Code that is loaded late: the server may be away just then. */

/** When it is tried again, ms. */
const AGAIN_MS: readonly number[] = [500, 2_000, 5_000, 10_000];

/** Loads something, and tries again where it cannot be had. @throws what the last try threw. */
export async function untilLoaded<T>(load: () => Promise<T>, againMs = AGAIN_MS): Promise<T> {
  for (const wait of againMs)
    try {
      return await load();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  return load();
}
