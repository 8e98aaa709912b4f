/** Python and the packages of real clients: where they are missing, tests say that they did not run. */
import { spawn, spawnSync } from 'node:child_process';

/** The interpreter; `npm run test:clients` makes one with all that is needed. */
export const PYTHON = process.env['BFLY_PYTHON'] ?? 'python3';

/** Whether Python has some modules; says loudly that `what` does not run where it has not. */
export function hasPythonModules(what: string, modules: readonly string[]): boolean {
  if (spawnSync(PYTHON, ['-c', `import ${modules.join(', ')}`]).status === 0) return true;
  console.warn(`NOT RUN: ${what} needs Python with ${modules.join(', ')}: npm run test:clients installs it`);
  return false;
}

/** Runs a script with `input` as JSON. @returns its answer, the JSON of its last line: clients print warnings of their own. */
export function runPython(script: string, input: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = spawn(PYTHON, [script], { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (bytes) => {
      out += bytes;
    });
    child.stderr.on('data', (bytes) => {
      err += bytes;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(out.trim().split('\n').at(-1) ?? ''));
      else reject(new Error(`${script} ended with ${code}: ${err.slice(-2_000)}`));
    });
    child.stdin.end(JSON.stringify(input));
  });
}
