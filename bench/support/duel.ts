/** Two sides measured in one run: in turns, each round in fresh processes, who comes first alternating; what comes of it is a row. */
import { makeRow, median, type Row } from '../report.ts';
import type { ServerProcess } from './child.ts';
import type { BenchOptions } from './options.ts';

/** What one round of a side gave. */
export interface Figure {
  readonly value: number;
  /** Share of a core that the client of the load used; undefined = there was none, or nobody looked. */
  readonly clientShare?: number | undefined;
}

/** One round of a side, from its start to its end. */
export type Side = () => Promise<Figure>;

/** What a row says besides its figures. */
export interface RowForm {
  /** `WORK / BESIDE`. */
  readonly name: string;
  readonly unit: string;
  /** What ours / rival is to reach; undefined = it is only reported. */
  readonly bar?: number;
  readonly lowerIsBetter?: boolean;
}

/** A row to be measured. */
export interface Duel extends RowForm {
  readonly ours: Side;
  readonly rival: Side;
  /** Run once, before anything is measured. @throws where a side gives something wrong. */
  check(): Promise<void>;
}

/** Checks and measures those duels whose name contains `only`, one after the other. */
export async function fightAll(duels: readonly Duel[], { rounds, only }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const duel of duels.filter(({ name }) => name.includes(only))) {
    announce(duel.name);
    await duel.check();
    const { ours, rival } = await alternate(duel.ours, duel.rival, rounds);
    rows.push(rowOf(duel, ours, rival));
  }
  return rows;
}

/** Says on stderr what is measured now. */
export function announce(name: string): void {
  process.stderr.write(`${name} …\n`);
}

/** Measures both sides in every round. Who comes first alternates, so that neither always runs on the warmer machine. */
export async function alternate(
  ours: Side,
  rival: Side,
  rounds: number,
): Promise<{ readonly ours: Figure[]; readonly rival: Figure[] }> {
  const figures: Record<'ours' | 'rival', Figure[]> = { ours: [], rival: [] };
  for (let round = 0; round < rounds; round++)
    for (const side of round % 2 === 0 ? (['ours', 'rival'] as const) : (['rival', 'ours'] as const))
      figures[side].push(await (side === 'ours' ? ours : rival)());
  return figures;
}

/** A row of the figures of all rounds, with a note where a client was full. */
export function rowOf(form: RowForm, ours: readonly Figure[], rival: readonly Figure[]): Row {
  const values = (figures: readonly Figure[]): number[] => figures.map(({ value }) => value);
  const notes = [noteOf('our side', ours), noteOf('the other side', rival)].filter((note) => note !== undefined);
  return makeRow(form.name, form.unit, values(ours), values(rival), form.bar, form.lowerIsBetter, notes);
}

/** Above this share of a core the client may be what is measured. */
const FULL = 0.95;

function noteOf(side: string, figures: readonly Figure[]): string | undefined {
  const shares = figures.map(({ clientShare }) => clientShare).filter((share) => share !== undefined);
  if (shares.length === 0 || median(shares) <= FULL) return undefined;
  return `the client of ${side} was full (${median(shares).toFixed(2)} of a core): that side can do at least this much`;
}

/** A side that is a server of its own in every round. */
export function served(start: () => Promise<ServerProcess>, measure: (server: ServerProcess) => Promise<Figure>): Side {
  return () => withServer(start, measure);
}

/** Starts a server, works with it, stops it. */
export async function withServer<T>(
  start: () => Promise<ServerProcess>,
  work: (server: ServerProcess) => Promise<T>,
): Promise<T> {
  const server = await start();
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}

/** As many times a fixed value as there are figures: a limit to be beside. */
export function limitFor(figures: readonly Figure[], value: number): Figure[] {
  return figures.map(() => ({ value }));
}

/** Runs a load's Node client and says how much of a core this process used meanwhile. */
export async function withOwnShare<T extends object>(work: () => Promise<T>): Promise<T & { clientShare: number }> {
  const start = performance.now();
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return { ...result, clientShare: (user + system) / 1_000 / (performance.now() - start) };
}
