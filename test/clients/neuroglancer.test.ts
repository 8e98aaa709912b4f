/**
 * Neuroglancer as npm has it, unmodified, in a browser, on our volumes. Pictures are compared with stored ones, one voxel being 8 × 8 pixels:
 * BFLY_NEW_PICTURES=1 stores them anew, to be looked at.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WireMap } from '../../protocol/messages.ts';
import { loadUws } from '../../src/access/transport/uws-transport.ts';
import { ALL_RIGHTS } from '../../src/core/rights.ts';
import { hasChromium, openChromium } from '../support/chromium.ts';
import { type StaticFiles, serveFolder } from '../support/static-files.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';
import { buildNeuroglancer } from './neuroglancer/build.ts';

const PICTURES = path.resolve(import.meta.dirname, 'neuroglancer');
const SIZE = 512;
const PIXELS_PER_VOXEL = 8;
const SHAPE = [100, 90, 70] as const;
const CENTRE = [50.5, 45.5, 35.5];
const EM = 'lab/fly/cube/em';
const IDS = 'lab/fly/cube/ids';
/** Pixels of a picture that may differ, by more than so much in a channel: the edges of voxels; far less than one voxel. */
const MAX_PIXELS = 24;
const MAX_DIFFERENCE = 12;

const [NX, NY] = SHAPE;
const COUNT = NX * NY * SHAPE[2];
const em = Uint8Array.from({ length: COUNT }, (_, n) => {
  const [x, y, z] = [n % NX, Math.floor(n / NX) % NY, Math.floor(n / (NX * NY))];
  return (x * 7 + y * 13 + z * 31 + ((x * y) % 17) * 9) & 255;
});
const ids = BigUint64Array.from({ length: COUNT }, (_, n) => {
  const [x, y, z] = [n % NX, Math.floor(n / NX) % NY, Math.floor(n / (NX * NY))];
  return 2n ** 40n + BigInt((x >> 3) + 20 * (y >> 3) + 400 * (z >> 3));
});

/** Pixels of two pictures of one size that differ. */
async function differing(one: Buffer, other: Buffer): Promise<number> {
  const [a, b] = await Promise.all(
    [one, other].map((png) => sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true })),
  );
  if (a === undefined || b === undefined || a.data.length !== b.data.length) return Number.POSITIVE_INFINITY;
  let count = 0;
  for (let at = 0; at < a.data.length; at += 3)
    if ([0, 1, 2].some((c) => Math.abs((a.data[at + c] as number) - (b.data[at + c] as number)) > MAX_DIFFERENCE))
      count++;
  return count;
}

describe.skipIf(!hasChromium('Neuroglancer'))('Neuroglancer 2.41.2, unmodified', { timeout: 180_000 }, () => {
  let folder = '';
  let files: StaticFiles;
  let browser: Browser;
  let server: TestServer;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bfly-neuroglancer-'));
    await buildNeuroglancer(folder);
    files = await serveFolder(folder);
    browser = await openChromium();
    server = await startTestServer({
      kind: loadUws().missing === undefined ? 'uws' : 'ws',
      volumes: [
        { path: EM, data: em, shape: SHAPE, dtype: 'uint8' },
        { path: IDS, data: new Uint8Array(ids.buffer), shape: SHAPE, dtype: 'uint64', type: 'segmentation' },
      ],
    });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop(0);
    await files?.close();
    await rm(folder, { recursive: true, force: true });
  });

  let wseq = 0;
  async function edit(channel: string, ops: readonly WireMap[]): Promise<void> {
    const log = server.logs.logOf(await server.core.updateQuery({ path: channel }))?.log;
    const author = { user: { id: 'ada', name: 'Ada' }, rights: ALL_RIGHTS };
    const outcome = await log?.submit({ wid: new Uint8Array(16).fill(1), wseq: ++wseq, base: null, ops }, author);
    expect(outcome?.status).toBe('applied');
  }

  const urlOf = (prefix: string, channel: string): string => `http://127.0.0.1:${server.port}/${prefix}/${channel}`;

  /** Opens layers, waits until all is drawn, and takes a picture. Fails where the page complains. */
  async function picture(layers: readonly object[]): Promise<Buffer> {
    const page = await browser.newPage({ viewport: { width: SIZE, height: SIZE } });
    const complaints: string[] = [];
    page.on('console', (message) => {
      // What is probed for and is not there is a 404 by design.
      if (message.type() === 'error' && !message.text().includes('404')) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    const state = {
      dimensions: { x: [1e-9, 'm'], y: [1e-9, 'm'], z: [1e-9, 'm'] },
      position: CENTRE,
      crossSectionScale: 1 / PIXELS_PER_VOXEL,
      layers,
      layout: 'xy',
      ...{ showAxisLines: false, showScaleBar: false, showDefaultAnnotations: false },
    };
    try {
      await page.goto(`${files.url}/#!${encodeURIComponent(JSON.stringify(state))}`);
      await ready(page);
      // The middle, without the letters and icons in the corners.
      const clip = { x: SIZE / 8, y: SIZE / 8, width: (3 * SIZE) / 4, height: (3 * SIZE) / 4 };
      const canvas = await page.screenshot({ clip });
      expect(complaints).toEqual([]);
      return canvas;
    } finally {
      await page.close();
    }
  }

  async function ready(page: Page): Promise<void> {
    const isDrawn =
      'window.viewer !== undefined && window.viewer.layerManager.managedLayers.length > 0 && window.viewer.isReady()';
    await page.waitForFunction(isDrawn, undefined, { timeout: 60_000 });
    // Two frames later what is loaded is drawn.
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  }

  async function compare(name: string, png: Buffer): Promise<void> {
    const file = path.join(PICTURES, `${name}.png`);
    if (process.env['BFLY_NEW_PICTURES'] === '1' || !existsSync(file)) await writeFile(file, png);
    expect(await differing(png, await readFile(file))).toBeLessThanOrEqual(MAX_PIXELS);
  }

  const image = (source: string): object => ({
    ...{ type: 'image', source, tab: 'source', name: 'em' },
    shader: '#uicontrol invlerp normalized(range=[0, 255])\nvoid main() { emitGrayscale(normalized()); }',
  });
  const segmentation = (source: string): object => ({ type: 'segmentation', source, name: 'ids', selectedAlpha: 1 });

  for (const [format, prefix, suffix] of [
    ['precomputed', 'precomputed', 'neuroglancer-precomputed'],
    ['Zarr v3', 'zarr', 'zarr3'],
    ['Zarr v2', 'zarr2', 'zarr2'],
  ] as const) {
    it(`shows an image as ${format}`, async () => {
      await compare('image', await picture([image(`${urlOf(prefix, EM)}/|${suffix}:`)]));
    });

    it(`shows a segmentation as ${format}`, async () => {
      await compare('segmentation', await picture([segmentation(`${urlOf(prefix, IDS)}/|${suffix}:`)]));
    });
  }

  it('shows points of the tables', async () => {
    const points = [
      [42, 40, 35],
      [50, 45, 35],
      [60, 52, 35],
    ];
    const rows = points.map((pos) => ({ kind: 'point', points: pos }));
    await edit(IDS, [{ op: 'put', table: 'annotation', rows }]);
    const source = `${urlOf('precomputed', IDS)}/annotations/annotation-point/|neuroglancer-precomputed:`;
    const shader = 'void main() { setColor(vec3(1.0, 1.0, 0.0)); setPointMarkerSize(20.0); }';
    await compare('points', await picture([{ type: 'annotation', source, name: 'points', shader }]));
  });

  it('shows bodies where segments were merged, and the past where it is asked for', async () => {
    const id = (x: number, y: number): bigint => 2n ** 40n + BigInt((x >> 3) + 20 * (y >> 3) + 400 * (35 >> 3));
    const source = (suffix: string): string => `${urlOf('precomputed', IDS + suffix)}/|neuroglancer-precomputed:`;
    const before = await picture([segmentation(source('@merged'))]);
    const { head } = (await server.core.getInfo({ path: IDS })) as { readonly head: number };
    await edit(IDS, [{ op: 'merge', ids: [id(42, 40), id(50, 45)] }]);
    const after = await picture([segmentation(source('@merged'))]);
    // One square of 8 × 8 voxels has another colour.
    expect(await differing(before, after)).toBeGreaterThan((6 * PIXELS_PER_VOXEL) ** 2);
    await compare('segmentation', await picture([segmentation(source(''))]));
    expect(await differing(before, await picture([segmentation(source(`@${head}@merged`))]))).toBeLessThanOrEqual(
      MAX_PIXELS,
    );
  });

  it('shows one voxel that was painted, which no stored picture forgives', async () => {
    const before = await picture([image(`${urlOf('precomputed', EM)}/|neuroglancer-precomputed:`)]);
    await edit(EM, [{ op: 'write', box: [50, 45, 35, 51, 46, 36], value: 255 }]);
    const after = await picture([image(`${urlOf('precomputed', EM)}/|neuroglancer-precomputed:`)]);
    const pixels = await differing(before, after);
    expect(pixels).toBeGreaterThan(MAX_PIXELS);
    expect(pixels).toBeLessThanOrEqual(PIXELS_PER_VOXEL ** 2 + MAX_PIXELS);
  });
});
