/** README shows nothing that is not so. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Report, withTable } from '../bench/report.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8');

const tour = readFileSync(path.join(ROOT, 'src/README.md'), 'utf8');

/** Whether there is a file or folder; one `*` stands for some of a file's name. */
function isThere(name: string): boolean {
  const file = path.join(ROOT, name);
  if (!name.includes('*')) return existsSync(file);
  const [before = '', after = ''] = path.basename(name).split('*');
  const names = existsSync(path.dirname(file)) ? readdirSync(path.dirname(file)) : [];
  return names.some((found) => found.startsWith(before) && found.endsWith(after));
}

describe('the tour, src/README.md', () => {
  it('names files and folders that exist, beside the one before where no folder is named', () => {
    const rows = tour.split('| what | where |')[1]?.split('## ')[0]?.split('\n') ?? [];
    const missing: string[] = [];
    let count = 0;
    for (const row of rows) {
      let beside = '';
      for (const [, name = ''] of (row.split('|')[2] ?? '').matchAll(/`([^`]+)`/g)) {
        if (!/\/$|\.tsx?$/.test(name) || name.includes('NAME')) continue;
        count++;
        const found = [`src/${name}`, name, `${beside}/${name}`].find(isThere);
        if (found === undefined) missing.push(name);
        else beside = name.endsWith('/') ? found : path.dirname(found);
      }
    }
    expect(count).toBeGreaterThan(100);
    expect(missing).toEqual([]);
  });
});

describe('README', () => {
  it('shows the figures of bench/results, and no others', () => {
    const names = [...readme.matchAll(/<!-- bench:([a-z-]+) -->/g)].map((match) => match[1] ?? '');
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const file = path.join(ROOT, 'bench/results', `${name}.json`);
      const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
      expect(withTable(readme, name, report)).toBe(readme);
    }
  });

  it('names commands that exist', () => {
    const commands = readdirSync(path.join(ROOT, 'src/commands')).map((file) => file.replace('.ts', ''));
    const named = [...readme.matchAll(/npx bfly ([a-z]+)/g)].map((match) => match[1] ?? '');
    expect(named.length).toBeGreaterThan(5);
    for (const name of new Set(named)) expect(commands).toContain(name);
  });

  it('holds the two commands that do all the set-up on its first screen', () => {
    const screen = readme.split('\n').slice(0, 30).join('\n');
    expect(screen).toContain('npm ci && npm start');
    expect(screen).toContain('npm ci && npm test');
  });

  it('links to files that exist', () => {
    for (const [, target = ''] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g))
      expect(existsSync(path.join(ROOT, target)), target).toBe(true);
  });
});
