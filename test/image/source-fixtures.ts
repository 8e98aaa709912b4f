/** What the tests of the file sources share: real volumes, temporary folders, whole reads and broken inputs. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { mipBox, type Vec3, viewVoxels } from '../../protocol/volume.ts';
import type { Source } from '../../src/image/source.ts';

const SHARED = fileURLToPath(new URL('../../../shared/data/', import.meta.url));
const present = existsSync(SHARED);
if (!present) console.warn('TESTS NOT RUN: the shared volumes are missing, so no real data were read');

/** A suite on the real volumes beside the repository. */
export function describeShared(name: string, suite: () => void): void {
  describe.skipIf(!present)(name, suite);
}

/** Path of a real volume. */
export function shared(path: string): string {
  return join(SHARED, path);
}

/** A folder that goes away after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bfly-source-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** All voxels of a level. */
export function readWhole(source: Source, mip = 0): Promise<Uint8Array> {
  const level = source.info.mips[mip];
  if (level === undefined) throw new Error(`no mip ${mip}`);
  return source.read(mip, mipBox(level));
}

/** One voxel of mip 0, read by itself. */
export async function voxelAt(source: Source, [x, y, z]: Vec3): Promise<number> {
  const bytes = await source.read(0, [x, y, z, x + 1, y + 1, z + 1]);
  return Number(viewVoxels(source.info.dtype, bytes)[0]);
}

/** Sum of voxels. */
export function sumOf(source: Source, bytes: Uint8Array): number {
  let sum = 0;
  for (const value of viewVoxels(source.info.dtype, bytes)) sum += Number(value);
  return sum;
}

/** The error that a promise ends with; fails where it ends well or with another kind of error. */
export async function errorOf(promise: Promise<unknown>): Promise<BflyError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof BflyError) return outcome;
  throw new Error(`expected a BflyError, got ${outcome === undefined ? 'none' : String(outcome)}`);
}

/** Seeded random numbers from 0 to 1 (mulberry32); the seed is printed where a test fails by the tests that use it. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Random bytes. */
export function randomBytes(seed: number, length: number): Uint8Array {
  const random = randomFrom(seed);
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

/** Bytes that this process has read from files so far; undefined where the system does not tell. */
export function bytesRead(): number | undefined {
  try {
    return Number(/^rchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}
