/** Which files of this machine may be read: those under the allowed folders, wherever symbolic links lead. */
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../protocol/errors.ts';

/** The folders that data may lie in. */
export class AllowedPaths {
  readonly #roots: readonly string[];

  /** @param roots folders or files; relative ones start at the working directory. */
  constructor(roots: readonly string[]) {
    this.#roots = roots.map((root) => path.resolve(root));
  }

  /**
   * Finds what a path really is, and that it may be read.
   *
   * @returns the path without symbolic links: open this one, as a link may lead elsewhere by then.
   * @throws BflyError FORBIDDEN where it lies outside, whether it exists or not; NOT_FOUND where nothing is there inside.
   */
  async resolve(file: string): Promise<string> {
    const wanted = path.resolve(file);
    const real = await realpath(wanted).catch(() => undefined);
    const roots = await Promise.all(this.#roots.map((root) => realpath(root).catch(() => root)));
    const place = real ?? (await nearestReal(wanted));
    if (!roots.some((root) => isWithin(root, place))) {
      throw new BflyError('FORBIDDEN', 'the data of this channel lies outside the allowed-paths of this server');
    }
    if (real === undefined) throw new BflyError('NOT_FOUND', 'the data of this channel does not exist on this server');
    return real;
  }

  /** As `resolve`, without the answer. @throws BflyError FORBIDDEN, NOT_FOUND */
  async check(file: string): Promise<void> {
    await this.resolve(file);
  }
}

/** The real place of the nearest folder above that exists, with the rest behind it. */
async function nearestReal(wanted: string): Promise<string> {
  const parent = path.dirname(wanted);
  if (parent === wanted) return wanted;
  const real = (await realpath(parent).catch(() => undefined)) ?? (await nearestReal(parent));
  return path.join(real, path.basename(wanted));
}

function isWithin(root: string, place: string): boolean {
  const relative = path.relative(root, place);
  return relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}
