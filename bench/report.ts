/** The form of every benchmark's result, and how it is kept and shown. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import path from 'node:path';

/** One comparison: medians over the rounds. */
export interface Row {
  readonly name: string;
  readonly ours: number;
  readonly rival: number;
  readonly unit: string;
  /** ours / rival. */
  readonly ratio: number;
  /** What the ratio is to reach; undefined = it is only reported. */
  readonly bar?: number;
  readonly lowerIsBetter?: boolean;
  readonly rounds: number;
  /** (largest - smallest) / median of the ratios of single rounds. */
  readonly spread: number;
  /** What a reader has to know of the figures: that a client was full, say. */
  readonly notes?: readonly string[];
}

/** A file of bench/results. */
export interface Report {
  readonly commit: string;
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly rows: readonly Row[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** Makes a row of the figures of all rounds; the ratio is the median of the rounds' ratios. */
export function makeRow(
  name: string,
  unit: string,
  ours: readonly number[],
  rival: readonly number[],
  bar?: number,
  lowerIsBetter = false,
  notes: readonly string[] = [],
): Row {
  const ratios = ours.map((value, round) => value / (rival[round] as number));
  const ratio = median(ratios);
  return {
    name,
    ours: round3(median(ours)),
    rival: round3(median(rival)),
    unit,
    ratio: round3(ratio),
    ...(bar === undefined ? {} : { bar }),
    ...(lowerIsBetter ? { lowerIsBetter } : {}),
    rounds: ours.length,
    spread: round3((Math.max(...ratios) - Math.min(...ratios)) / ratio),
    ...(notes.length === 0 ? {} : { notes }),
  };
}

function round3(value: number): number {
  return Number(value.toPrecision(4));
}

/** Writes a report to bench/results/NAME.json. */
export function writeReport(root: string, name: string, rows: readonly Row[]): void {
  const report: Report = {
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root }).toString().trim(),
    date: new Date().toISOString(),
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
    rows,
  };
  const folder = path.join(root, 'bench/results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(report, null, 2)}\n`);
  const readme = path.join(root, 'README.md');
  const text = readFileSync(readme, 'utf8');
  if (!text.includes(`<!-- bench:${name} -->`)) process.stderr.write(`README has no place for the table ${name}\n`);
  writeFileSync(readme, withTable(text, name, report));
}

/** The rows as README shows them, between the marks of a report's name. */
export function markdownTable({ rows, commit, machine, node }: Report): string {
  const lines = rows.map(({ name, ours, rival, unit, ratio, bar, rounds, spread, lowerIsBetter }) => {
    const [work, beside] = name.split(' / ');
    const wanted = bar === undefined ? '' : `${lowerIsBetter === true ? '≤' : '≥'} ${bar}`;
    const figures = `${ours} ${unit} | ${rival} ${unit} | **${ratio}** | ${wanted} | ${rounds}, ±${Math.round(spread * 50)} %`;
    return `| ${work} | ${beside ?? ''} | ${figures} |`;
  });
  const notes = rows.flatMap((row) => (row.notes ?? []).map((note) => `- ${row.name}: ${note}.`));
  return [
    '| work | beside | ours | the other | ratio | bar | rounds, spread |',
    '|---|---|---|---|---|---|---|',
    ...lines,
    '',
    ...(notes.length === 0 ? [] : [...notes, '']),
    `Medians of the rounds (the ratio is the median of the rounds' ratios) at commit ${commit}, ${machine}, Node ${node}; both sides on the same machine as the client.`,
  ].join('\n');
}

/** Puts a report's table between its marks in a text. */
export function withTable(text: string, name: string, report: Report): string {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const from = text.indexOf(open);
  const to = text.indexOf(close);
  if (from < 0 || to < from) return text;
  return `${text.slice(0, from + open.length)}\n${markdownTable(report)}\n${text.slice(to)}`;
}

/** The rows as a table for people. */
export function formatRows(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const verdict = row.bar === undefined ? 'reported' : isMet(row) ? 'met' : 'MISSED';
    return [
      row.name,
      `${row.ours} ${row.unit}`,
      `${row.rival} ${row.unit}`,
      `${row.ratio}`,
      `${row.bar ?? ''}`,
      verdict,
    ];
  });
  const all = [['work', 'ours', 'rival', 'ratio', 'bar', ''], ...lines];
  const widths = (all[0] as string[]).map((_, column) =>
    Math.max(...all.map((line) => (line[column] as string).length)),
  );
  const table = all.map((line) => line.map((cell, column) => cell.padEnd(widths[column] as number)).join('  '));
  const notes = rows.flatMap((row) => (row.notes ?? []).map((note) => `NOTE: ${row.name}: ${note}`));
  return [...table, ...notes].join('\n');
}

function isMet(row: Row): boolean {
  return row.bar === undefined || (row.lowerIsBetter === true ? row.ratio <= row.bar : row.ratio >= row.bar);
}
