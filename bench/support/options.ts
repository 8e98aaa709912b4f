/** How a run measures: what every table of `bench/` is handed. */
export interface BenchOptions {
  /** Folder of the store of random tiles (`support/store.ts`), the same for all tables of a run. */
  readonly dataDir: string;
  /** Of our server. */
  readonly transport: 'uws' | 'ws';
  /** How often each side is measured. */
  readonly rounds: number;
  /** Measured time of one round, without its warm-up. */
  readonly seconds: number;
  /** Rows whose name contains it; empty = all. */
  readonly only: string;
}
