/** Volumes that a JSON file describes, and the files that such a file names. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import { AllowedPaths } from '../utility/allowed-paths.ts';
import { quotedName } from './volume-name.ts';

/** An object out of a JSON file. */
export type JsonMap = Readonly<Record<string, unknown>>;

/**
 * Reads a file that ends in `.json`.
 *
 * @param isMeant whether the bytes look like what is wanted: others are not parsed, as many a large file has the same ending.
 * @param maxBytes a larger file is not looked at.
 * @returns undefined where it is no such file.
 * @throws BflyError UNSUPPORTED where it looks like one and is no JSON.
 */
export async function readJsonFile(
  path: string,
  isMeant: (bytes: Buffer) => boolean,
  maxBytes: number,
): Promise<unknown> {
  if (!/\.json$/i.test(path)) return undefined;
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true || found.size > maxBytes) return undefined;
  const bytes = await readFile(path);
  if (!isMeant(bytes)) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new BflyError('UNSUPPORTED', `${quotedName(path)} is not JSON, or cut off`, { cause });
  }
}

/** Whether a value is an object with names. */
export function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A whole number; undefined where the value is something else, also a text. */
export function wholeNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
}

/** The file that a JSON file names, relative to its own folder. */
export function fileNamedIn(jsonFile: string, name: string): string {
  return resolve(dirname(jsonFile), name);
}

/**
 * What a named file really is, and that it may be read.
 *
 * @param within folders that it must lie in; undefined = anywhere.
 * @returns undefined where it does not exist.
 * @throws BflyError FORBIDDEN where it lies elsewhere.
 */
export async function admitFile(file: string, within: readonly string[] | undefined): Promise<string | undefined> {
  if (within === undefined) return (await stat(file).catch(() => undefined)) === undefined ? undefined : file;
  return new AllowedPaths(within).resolve(file).catch((cause: unknown) => {
    if (cause instanceof BflyError && cause.code === 'NOT_FOUND') return undefined;
    throw cause;
  });
}
