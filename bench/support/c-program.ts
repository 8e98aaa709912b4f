/** Programs of `bench/support` that are written in C, compiled when they are first wanted. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const compiled = new Map<string, Promise<string | undefined>>();

/**
 * Compiles `bench/support/NAME.c` by `cc`, or what CC names, into a temporary folder that ends with this process.
 *
 * @returns the program's path; `undefined` where there is no C compiler or it refuses, and says so on stderr, once.
 */
export function compile(name: string): Promise<string | undefined> {
  const program = compiled.get(name) ?? compileNow(name);
  compiled.set(name, program);
  return program;
}

async function compileNow(name: string): Promise<string | undefined> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bfly-bench-c-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  // From the compiled JavaScript: C stays in the source tree.
  const source = fileURLToPath(new URL(`../../../bench/support/${name}.c`, import.meta.url));
  const program = path.join(folder, name);
  try {
    await promisify(execFile)(process.env['CC'] ?? 'cc', ['-O2', '-o', program, source]);
    return program;
  } catch (error) {
    const [line] = String(error instanceof Error ? error.message : error).split('\n');
    process.stderr.write(
      `no C compiler: ${line}; a client in Node measures instead of ${name}.c, and may be what is full, or a row is left out\n`,
    );
    return undefined;
  }
}
