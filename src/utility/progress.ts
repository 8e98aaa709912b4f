/** Progress of long work on standard error: a bar on a terminal, else a plain line every few seconds. The only place that knows cli-progress. */
import { SingleBar } from 'cli-progress';

/** How far some work is. */
export interface ProgressState {
  readonly done: number;
  readonly total: number;
  /** Bytes that were moved. */
  readonly bytes: number;
  readonly elapsedMs: number;
  /** What is being done, such as `mip 2 of 5`. */
  readonly stage?: string;
}

/** Shows progress until it ends. */
export interface Progress {
  update(state: ProgressState): void;
  /** Shows the last state and leaves the line; nothing is shown after it. */
  end(): void;
}

/** Where progress is shown. */
export interface ProgressTarget {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

/** Options of `openProgress`. */
export interface ProgressOptions {
  /** What is under way, such as `ingest`. */
  readonly label: string;
  /** What `done` and `total` count. */
  readonly unit: 'voxels' | 'bytes';
  readonly stream: NodeJS.WriteStream | ProgressTarget;
  /** Time between plain lines, ms; default 5000. */
  readonly everyMs?: number;
}

const PLAIN_LINE_MS = 5_000;

/** Opens a display; nothing is shown before the first update. */
export function openProgress(options: ProgressOptions): Progress {
  const { stream } = options;
  return stream.isTTY ? new BarProgress(options, stream as NodeJS.WriteStream) : new LineProgress(options);
}

/** What is said beside the bar: `12.3 M of 15.6 M voxels, 85.2 MB/s, 3.1 s left`. */
export function describeProgress(state: ProgressState, unit: 'voxels' | 'bytes'): string {
  const { done, total, bytes, elapsedMs, stage } = state;
  const counted = (value: number): string => (unit === 'bytes' ? scaled(value, 'B') : scaled(value, ''));
  const amount = `${counted(done)} of ${counted(total)}${unit === 'voxels' ? ' voxels' : ''}`;
  const parts = [amount];
  if (elapsedMs > 0) parts.push(`${((bytes / elapsedMs) * 1e-3).toFixed(1)} MB/s`);
  if (done >= total) parts.push(`in ${duration(elapsedMs)}`);
  else if (done > 0 && elapsedMs > 0) parts.push(`${duration((elapsedMs / done) * (total - done))} left`);
  if (stage !== undefined) parts.push(stage);
  return parts.join(', ');
}

/** A number with a decimal prefix and unit: `15.6 MB`. */
function scaled(value: number, unit: string): string {
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P'];
  let scale = 0;
  let rest = value;
  while (rest >= 999.95 && scale < prefixes.length - 1) {
    rest /= 1000;
    scale++;
  }
  return `${scale === 0 ? rest : rest.toFixed(1)} ${prefixes[scale] ?? ''}${unit}`.trimEnd();
}

/** A time as a person says it: `45 s`, `2 min 5 s`, `3 h 20 min`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${Math.max(0.1, seconds).toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

class BarProgress implements Progress {
  readonly #options: ProgressOptions;
  readonly #bar: SingleBar;
  #isStarted = false;

  constructor(options: ProgressOptions, stream: NodeJS.WriteStream) {
    this.#options = options;
    this.#bar = new SingleBar({
      format: `${options.label} {bar} {percentage}%  {text}`,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 24,
      hideCursor: true,
      gracefulExit: true,
      stream,
    });
  }

  update(state: ProgressState): void {
    const text = describeProgress(state, this.#options.unit);
    if (!this.#isStarted) this.#bar.start(state.total, state.done, { text });
    this.#isStarted = true;
    this.#bar.setTotal(state.total);
    this.#bar.update(state.done, { text });
  }

  end(): void {
    // Once: it draws the bar again, over whatever has been written since.
    if (this.#isStarted) this.#bar.stop();
    this.#isStarted = false;
  }
}

class LineProgress implements Progress {
  readonly #options: ProgressOptions;
  readonly #everyMs: number;
  #shownAtMs = 0;
  #unseen: ProgressState | undefined;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#everyMs = options.everyMs ?? PLAIN_LINE_MS;
  }

  update(state: ProgressState): void {
    this.#unseen = state;
    // The work's own clock decides, so short work has one line only: its last.
    if (state.elapsedMs - this.#shownAtMs >= this.#everyMs) this.#show(state);
  }

  end(): void {
    if (this.#unseen !== undefined) this.#show(this.#unseen);
  }

  #show(state: ProgressState): void {
    this.#unseen = undefined;
    this.#shownAtMs = state.elapsedMs;
    const percent = state.total > 0 ? Math.floor((state.done / state.total) * 100) : 100;
    const { label, unit, stream } = this.#options;
    stream.write(`${label}: ${percent}%, ${describeProgress(state, unit)}\n`);
  }
}
