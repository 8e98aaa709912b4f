/** Python and the packages of real clients: where they are missing, tests say that they did not run. */
import { spawnSync } from 'node:child_process';

/** The interpreter; `npm run test:clients` makes one with all that is needed. */
export const PYTHON = process.env['BFLY_PYTHON'] ?? 'python3';

/** Whether Python has some modules; says loudly that `what` does not run where it has not. */
export function hasPythonModules(what: string, modules: readonly string[]): boolean {
  if (spawnSync(PYTHON, ['-c', `import ${modules.join(', ')}`]).status === 0) return true;
  console.warn(`NOT RUN: ${what} needs Python with ${modules.join(', ')}: npm run test:clients installs it`);
  return false;
}
