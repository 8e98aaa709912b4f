/** Who may what by a file that may change while the server runs. */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { AuthConfig } from '../../utility/auth-config.ts';
import type { Logger } from '../../utility/log.ts';
import { readAuthConfig } from '../../utility/read-auth-config.ts';
import type { Admission, Authority, Identity, Refusal } from './authority.ts';
import { digestOf, FileWatch, WATCH_TIMINGS, type WatchTimings } from './file-watch.ts';
import { AuthRules } from './rules.ts';

/** Options of `openFileAuthority`. */
export interface FileAuthorityOptions {
  readonly log: Logger;
  /** Milliseconds since 1970; default: the system's clock. */
  readonly time?: () => number;
  readonly timings?: Partial<WatchTimings>;
}

/** A reading of the files: rules, or why there are none, and what was read. */
interface Reading {
  readonly rules?: AuthRules;
  readonly config?: AuthConfig;
  readonly fault?: unknown;
  /** The file first, then those that it names. */
  readonly files: readonly string[];
  readonly digest: string;
}

/**
 * Opens the file of `--auth` and follows it. A new file that is broken changes nothing: the rules before it go on, and the log says
 * what is wrong.
 *
 * @throws BflyError NOT_FOUND, BAD_REQUEST naming file, line and key of what is wrong.
 */
export async function openFileAuthority(file: string, options: FileAuthorityOptions): Promise<Authority> {
  const first = await read(file);
  if (first.rules === undefined) throw first.fault;
  return new FileAuthority(file, first.rules, first, options);
}

class FileAuthority implements Authority {
  readonly isOpen = false;
  readonly #file: string;
  readonly #log: Logger;
  readonly #time: () => number;
  readonly #watch: FileWatch;
  readonly #listeners = new Set<() => void>();
  #files: readonly string[];
  #rules: AuthRules;

  constructor(file: string, rules: AuthRules, { files, digest }: Reading, options: FileAuthorityOptions) {
    this.#file = file;
    this.#rules = rules;
    this.#files = files;
    this.#log = options.log;
    this.#time = options.time ?? Date.now;
    const timings = { ...WATCH_TIMINGS, ...options.timings };
    this.#watch = new FileWatch(
      () => this.#files,
      digest,
      (settled) => this.#reload(settled),
      timings,
    );
  }

  identify(token: string | undefined, name?: string): Admission | Refusal | Promise<Admission | Refusal> {
    return this.#rules.identify(token, name, this.#time());
  }

  renew(identity: Identity): Identity | undefined {
    return this.#rules.renew(identity);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    return this.#watch.close();
  }

  /** @param settled digest of the files that have come to rest. */
  async #reload(settled: string): Promise<void> {
    const { rules, config, fault, files, digest } = await read(this.#file);
    this.#files = files;
    // Written to again, or other files than before: these have to come to rest too.
    if (digest !== settled) return this.#watch.look();
    const name = path.basename(this.#file);
    if (rules === undefined) {
      const why = fault instanceof Error ? fault.message : String(fault);
      this.#log.error({ file: name, fault: why }, 'the new rules of who may what are broken; those before them go on');
      return;
    }
    this.#rules = rules;
    const counts = { tokens: config?.tokens.length ?? 0, keys: config?.jwt.length ?? 0 };
    this.#log.info({ file: name, ...counts }, 'the rules of who may what have changed');
    for (const listener of this.#listeners) listener();
  }
}

async function read(file: string): Promise<Reading> {
  const contents = new Map<string, Uint8Array | undefined>([[file, undefined]]);
  const keep = async (name: string): Promise<Uint8Array> => {
    contents.set(name, undefined);
    const bytes = await readFile(name);
    contents.set(name, bytes);
    return bytes;
  };
  const reading = (): { files: string[]; digest: string } => ({
    files: [...contents.keys()],
    digest: digestOf(contents),
  });
  try {
    const config = await readAuthConfig(file, keep);
    return { rules: new AuthRules(config), config, ...reading() };
  } catch (fault) {
    return { fault, ...reading() };
  }
}
