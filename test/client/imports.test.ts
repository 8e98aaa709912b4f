import { readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** What a module imports or re-exports, types included. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|import\s*\(?\s*['"]([^'"]+)['"]/g,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? '');
}

/** All modules reachable from one, and all bare names imported on the way. */
function reach(entry: string): { files: string[]; packages: Map<string, string> } {
  const files = new Set<string>();
  const packages = new Map<string, string>();
  const todo = [resolve(ROOT, entry)];
  for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const name of importsOf(file)) {
      if (name.startsWith('.')) todo.push(resolve(dirname(file), name));
      else packages.set(name, relative(ROOT, file));
    }
  }
  return { files: [...files].map((file) => relative(ROOT, file)), packages };
}

describe('the client', () => {
  it('for browsers imports no package but msgpackr, and that in the protocol alone', () => {
    const { packages } = reach('src/client/index.ts');
    expect(Object.fromEntries(packages)).toEqual({ msgpackr: 'protocol/msgpack.ts' });
  });

  it('imports nothing of ours but itself and the protocol', () => {
    const { files } = reach('src/client/index.ts');
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter((file) => !/^(src\/client|protocol)\//.test(file))).toEqual([]);
  });

  it('for Node adds ws, in its entry alone', () => {
    const { packages } = reach('src/client/node.ts');
    expect(Object.fromEntries(packages)).toEqual({ msgpackr: 'protocol/msgpack.ts', ws: 'src/client/node.ts' });
  });

  it('uses no name that browsers lack', () => {
    for (const file of reach('src/client/index.ts').files) {
      const text = readFileSync(resolve(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      expect(text.match(/\b(?:Buffer|process|require|setImmediate|__dirname)\b\s*[.(]/g), file).toBeNull();
    }
  });
});
