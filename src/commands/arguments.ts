/** Reads what stands on the command line. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Box, Vec3 } from '../../protocol/volume.ts';
import { LOG_LEVELS, type LogLevel } from '../utility/log.ts';

/** A port, 0..65535; 0 = any that is free. */
export function readPort(text: string): number {
  return readWhole(text, 0, 65_535, 'a port from 0 to 65535');
}

/** A resolution level. */
export function readMip(text: string): number {
  return readWhole(text, 0, 255, 'a whole number from 0 up, 0 being the finest level');
}

/** MiB of memory. */
export function readMebibytes(text: string): number {
  return readWhole(text, 0, 2 ** 30, 'a whole number of MiB');
}

/** An origin of pages, as browsers name it, or `*`; behind those that were given before. */
export function readOrigin(text: string, before: readonly string[] = []): string[] {
  const isLegal = /^https?:\/\/[\w.:[\]-]+\/?$/.test(text) && URL.canParse(text);
  if (text !== '*' && !isLegal)
    throw new InvalidArgumentError('It is scheme and host, and no path: https://em.example.org; * is every page.');
  return [...before, text === '*' ? text : new URL(text).origin];
}

/** `x0,y0,z0,x1,y1,z1` in voxels, half-open. */
export function readBox(text: string): Box {
  const legal = 'x0,y0,z0,x1,y1,z1 in whole voxels, with x0 < x1 and so on: 0,0,0,64,64,1 is 64 × 64 × 1 voxels';
  const [x0, y0, z0, x1, y1, z1, ...rest] = text.split(',').map((item) => readNumber(item, legal));
  if (x0 === undefined || y0 === undefined || z0 === undefined) throw new InvalidArgumentError(`It is ${legal}.`);
  if (x1 === undefined || y1 === undefined || z1 === undefined) throw new InvalidArgumentError(`It is ${legal}.`);
  const box: Box = [x0, y0, z0, x1, y1, z1];
  const isLegal = box.every(Number.isSafeInteger) && x0 < x1 && y0 < y1 && z0 < z1;
  if (!isLegal || rest.length > 0) throw new InvalidArgumentError(`It is ${legal}.`);
  return box;
}

/** A number of an edit, 1 and up; 0 is before all of them. */
export function readSeq(text: string): number {
  return readWhole(text, 0, Number.MAX_SAFE_INTEGER, 'the number of an edit, from 1 up (0 = before the first)');
}

/** Which state of a channel a command reads. */
export interface StateOptions {
  readonly at?: number;
  readonly merged?: boolean;
}

/** Adds `--at` and `--merged`. */
export function withStateOptions(command: Command): Command {
  return command
    .option('--at <seq>', 'as it was after this edit (default: as it is)', readSeq)
    .option('--merged', 'ids of bodies instead of the base ids that the voxels hold');
}

/** The options of the SDK that ask for a state. */
export function stateOf({ at, merged }: StateOptions): { readonly at?: number; readonly map?: 'merged' } {
  return { ...(at === undefined ? {} : { at }), ...(merged === true ? { map: 'merged' } : {}) };
}

/** How many of something, at least one. */
export function readCount(text: string): number {
  return readWhole(text, 1, Number.MAX_SAFE_INTEGER, 'a whole number from 1 up');
}

/** `x,y,z` in nanometres, each above 0. */
export function readVoxel(text: string): Vec3 {
  const legal = 'x,y,z in nanometres, each above 0, such as 4,4,30';
  const [x, y, z, ...rest] = text.split(',').map((item) => readNumber(item, legal));
  if (x === undefined || y === undefined || z === undefined || rest.length > 0 || Math.min(x, y, z) <= 0) {
    throw new InvalidArgumentError(`It is ${legal}.`);
  }
  return [x, y, z];
}

function readNumber(text: string, legal: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError(`It is ${legal}.`);
  return value;
}

function readWhole(text: string, min: number, max: number, legal: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) throw new InvalidArgumentError(`It is ${legal}.`);
  return value;
}

/** Adds `--log-level` to a command. */
export function withLogLevel(command: Command, about: string): Command {
  const levels = LOG_LEVELS.join(', ');
  return command.option('--log-level <level>', about, (text): LogLevel => {
    const level = LOG_LEVELS.find((legal) => legal === text);
    if (level === undefined) throw new InvalidArgumentError(`It is one of ${levels}.`);
    return level;
  });
}

/** Adds the options of every command that talks to a server. */
export function withRemoteOptions(command: Command): Command {
  command.addOption(new Option('--token <token>', 'says who you are, where the server asks for it').env('BFLY_TOKEN'));
  return withLogLevel(command, 'debug = with the stack of an error');
}
