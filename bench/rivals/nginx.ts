/** nginx with one worker over a folder of files, the usual way to serve chunks. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ServerProcess } from '../support/child.ts';

/** Whether nginx can be started here. */
export function hasNginx(): boolean {
  return spawnSync('nginx', ['-v']).error === undefined;
}

/** Starts nginx on a free port. `root`: the folder that it serves. */
export async function startNginx(root: string): Promise<ServerProcess> {
  const port = await freePort();
  const folder = mkdtempSync(path.join(tmpdir(), 'bfly-nginx-'));
  writeFileSync(path.join(folder, 'nginx.conf'), configOf(root, folder, port));
  const child = spawn('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await untilItAnswers(port, child);
  return {
    port,
    ask: () => Promise.reject(new Error('nginx cannot be asked')),
    stop: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configOf(root: string, folder: string, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `worker_processes 1; daemon off; error_log stderr crit; pid ${folder}/pid; user root;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000;
  open_file_cache max=8192 inactive=60s; open_file_cache_valid 60s;
  types { application/json json; } default_type application/octet-stream;
  ${temporary.join(' ')}
  server { listen 127.0.0.1:${port}; root ${root}; }
}`;
}

async function untilItAnswers(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
    const answered = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    if (answered !== undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('nginx did not answer');
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
