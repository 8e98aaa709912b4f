/** What an export has done so far, in its folder: a second run goes on where the first was cut. */
import { appendFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../../protocol/errors.ts';
import { writeFileWhole } from '../../utility/atomic-file.ts';
import type { ExportPiece } from './export-plan.ts';

/** What is exported; two runs with the same are one export. */
export interface ExportIdentity {
  readonly path: string;
  readonly to: string;
  /** Hex. */
  readonly epoch: string;
  readonly at: number;
  readonly merged: boolean;
  readonly mips: readonly number[];
  readonly box: readonly number[];
}

/** Which state an export reads, where its first run has settled it. */
export interface EarlierRun {
  readonly at: number;
  readonly epoch: string;
}

const IDENTITY = '.bfly-export.json';
const DONE = '.bfly-export.done';
const END = 'complete';

/** A folder that an export is written into. */
export class ExportJournal {
  readonly #folder: string;
  readonly #done: Set<string>;

  private constructor(folder: string, done: Set<string>) {
    this.#folder = folder;
    this.#done = done;
  }

  /** The state that an earlier run in the folder has settled; undefined: there was none. */
  static async earlier(folder: string): Promise<EarlierRun | undefined> {
    return readIdentity(folder);
  }

  /**
   * Opens the folder, and makes it where it is not there.
   *
   * @throws BflyError CONFLICT where it holds something else.
   */
  static async open(folder: string, identity: ExportIdentity): Promise<ExportJournal> {
    await mkdir(folder, { recursive: true });
    const known = await readIdentity(folder);
    if (known === undefined) {
      const [other] = (await readdir(folder)).filter((name) => name !== DONE && !name.startsWith(`.${IDENTITY}`));
      if (other !== undefined)
        throw new BflyError(
          'CONFLICT',
          `the folder holds other files, such as ${JSON.stringify(other)}: give an empty one`,
        );
      await rm(path.join(folder, DONE), { force: true });
      await writeFileWhole(path.join(folder, IDENTITY), [Buffer.from(`${JSON.stringify(identity, null, 2)}\n`)]);
      return new ExportJournal(folder, new Set());
    }
    if (JSON.stringify(known) !== JSON.stringify(identity))
      throw new BflyError(
        'CONFLICT',
        `the folder holds another export (${known.path} as ${known.to}, edit ${known.at}): give another folder, or the same options`,
      );
    await removeParts(folder);
    const text = await readFile(path.join(folder, DONE), 'utf8').catch(() => '');
    // A line that was cut off is not done.
    return new ExportJournal(folder, new Set(text.split('\n').slice(0, -1)));
  }

  /** Everything was written. */
  get isComplete(): boolean {
    return this.#done.has(END);
  }

  has(piece: ExportPiece): boolean {
    return this.#done.has(nameOf(piece));
  }

  /** Notes a piece that is on disk. */
  async note(piece: ExportPiece): Promise<void> {
    await this.#append(nameOf(piece));
  }

  async complete(): Promise<void> {
    await this.#append(END);
  }

  async #append(name: string): Promise<void> {
    this.#done.add(name);
    await appendFile(path.join(this.#folder, DONE), `${name}\n`);
  }
}

const nameOf = ({ level, box }: ExportPiece): string => `${level.mip} ${box.join(',')}`;

/** Removes files that were under way under a temporary name when an earlier run was cut, see `writeFileWhole`. */
async function removeParts(folder: string): Promise<void> {
  for (const name of await readdir(folder, { recursive: true }))
    if (/^\..+\.[0-9a-f]{8}\.part$/.test(path.basename(name))) await rm(path.join(folder, name), { force: true });
}

async function readIdentity(folder: string): Promise<ExportIdentity | undefined> {
  const text = await readFile(path.join(folder, IDENTITY), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as ExportIdentity; // only this file writes it
  } catch (cause) {
    throw new BflyError('CONFLICT', `${IDENTITY} in the folder is damaged: give another folder`, { cause });
  }
}
