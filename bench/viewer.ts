/** The rows of the viewer: how soon others see what one did. Part of `npm run bench`; see `run.ts`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { makeRow, median, type Row } from './report.ts';
import { startServerProcess } from './support/child.ts';
import type { BenchOptions } from './support/options.ts';
import { makeViewerStore, measureViewer, openBrowser, type SeenAfter } from './workloads/viewer.ts';

/** Edits of a kind in one round. */
const EDITS = 20;
const TITLES = {
  merge: 'viewer: a merge is drawn in another window, p50, software GL, idle view / 30 ms',
  paint: 'viewer: painted voxels are drawn in another window, p50, software GL, idle view / 60 ms',
} as const;
const BARS_MS = { merge: 30, paint: 60 } as const;

/** Measures the viewer's rows; says what is not installed. */
export async function viewerRows({ transport, rounds, only }: BenchOptions): Promise<Row[]> {
  const wanted = (['merge', 'paint'] as const).filter((kind) => TITLES[kind].includes(only));
  if (wanted.length === 0) return [];
  const browser = await openBrowser();
  if (browser === undefined) {
    process.stderr.write('NOT RUN: rows of the viewer need Chromium\n');
    return [];
  }
  process.stderr.write('viewer …\n');
  const found: SeenAfter[] = [];
  try {
    for (let round = 0; round < rounds; round++) found.push(await measureOnce(browser, transport));
  } finally {
    await browser.close();
  }
  return wanted.map((kind) =>
    makeRow(
      TITLES[kind],
      'ms',
      found.map((one) => median(one[kind])),
      found.map(() => BARS_MS[kind]),
      1,
      true,
    ),
  );
}

async function measureOnce(browser: Browser, transport: string): Promise<SeenAfter> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'bfly-bench-viewer-'));
  try {
    await makeViewerStore(dataDir);
    const server = await startServerProcess('servers/ours.js', [dataDir, transport, String(2 ** 28)]);
    return await measureViewer(browser, server.port, EDITS).finally(() => server.stop());
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}
