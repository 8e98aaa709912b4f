/** README shows nothing that is not so. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Report, withTable } from '../bench/report.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8');

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
