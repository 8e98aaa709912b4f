/** Plain HTTP under load from wrk: one thread, eight connections, a list of paths in turn. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

/** What wrk saw. */
export interface HttpRate {
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** Whether wrk is here. */
export function hasWrk(): boolean {
  return spawnSync('wrk', ['-v']).error === undefined;
}

const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };

/** Requests `paths` of a server over and over. @throws where an answer was not 2xx. */
export async function measureHttp(port: number, paths: readonly string[], seconds: number): Promise<HttpRate> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bfly-wrk-'));
  const script = path.join(folder, 'paths.lua');
  const list = paths.map((one) => JSON.stringify(one)).join(',\n');
  writeFileSync(
    script,
    `local paths = {${list}}\nlocal n = 0\nfunction request() n = n % #paths + 1 return wrk.format("GET", paths[n]) end\n`,
  );
  try {
    const { stdout } = await promisify(execFile)('wrk', [
      ...['-t', '1', '-c', '8', '-d', `${Math.max(1, Math.round(seconds))}s`, '-s', script],
      `http://127.0.0.1:${port}`,
    ]);
    if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk was not answered well:\n${stdout}`);
    const requests = /Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1];
    const [, amount, unit = ''] = /Transfer\/sec:\s+([\d.]+)(\w+)/.exec(stdout) ?? [];
    if (requests === undefined || amount === undefined) throw new Error(`wrk said something else:\n${stdout}`);
    return { requestsPerSecond: Number(requests), bytesPerSecond: Number(amount) * (UNITS[unit] ?? Number.NaN) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
