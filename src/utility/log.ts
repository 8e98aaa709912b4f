/** The log: JSON lines on standard error. The only place that knows pino. */
import { pino } from 'pino';

/** What the layers log with; `fields` hold sizes and ids, never bytes of data or tokens. */
export interface Logger {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Opens the log on standard error, written at once so that an exit loses nothing. */
export function openLog(level: LogLevel): Logger {
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}

const nothing = (): void => {};
/** A log that nobody reads, for tests and tools. */
export const SILENT_LOG: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
