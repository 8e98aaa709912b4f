/** Images on a slow line: JPEG is offered, taken and given back, in a browser. */
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect, type Session } from '../../src/client/node.ts';
import { hasChromium, openChromium } from '../support/chromium.ts';
import { describeWithShared } from '../support/shared-data.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { EM, startViewerServer, type ViewerServer } from '../support/viewer-server.ts';

const MEGABIT = 1e6;
/** The image alone, each voxel in its own grey. */
const IMAGE_ONLY = {
  dimensions: { x: [1e-8, 'm'], y: [1e-8, 'm'], z: [1e-8, 'm'] },
  position: [125.5, 125.5, 220.5],
  crossSectionScale: 0.5,
  layers: [{ type: 'image', name: 'em', source: `bfly://${EM}`, opacity: 1 }],
  layout: 'xy',
  showAxisLines: false,
  showScaleBar: false,
  showDefaultAnnotations: false,
};
/** Where the image is looked at, in its slice: away from its edges and from what lies over the middle. */
const SPOTS = Array.from({ length: 400 }, (_, i) => [30 + 10 * (i % 20), 30 + 10 * Math.floor(i / 20)] as const);
/** Slices far enough from each other that neither is fetched for the other. */
const [FIRST_Z, OTHER_Z] = [220, 20];

const describeInBrowser = hasChromium('images on a slow line') ? describeWithShared : () => {};

describeInBrowser('images on a slow line', () => {
  let server: ViewerServer;
  let browser: Browser;
  let line: TcpProxy;
  let page: Page;
  let session: Session;
  const complaints: string[] = [];

  beforeAll(async () => {
    [server, browser] = await Promise.all([startViewerServer(), openChromium()]);
    line = await TcpProxy.open(server.port, { bitsPerSecond: 8 * MEGABIT, latencyMs: 20 });
    session = await connect(`ws://127.0.0.1:${server.port}/v1`);
    page = await (await browser.newContext({ viewport: { width: 1000, height: 700 } })).newPage();
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error.stack ?? error)));
    await page.goto(`http://127.0.0.1:${line.port}/#!${encodeURIComponent(JSON.stringify(IMAGE_ONLY))}`);
  }, 120_000);
  afterAll(async () => {
    session?.close();
    await browser?.close();
    await line?.close();
    await server?.close();
  });

  /** How far the screen is from the voxels of a slice, in grey levels: on average, and at most. */
  const error = async (z: number): Promise<{ mean: number; most: number }> => {
    const pixels = await page.evaluate(
      ([spots, at]) => {
        const panel = window.bfly.stage.panels[0];
        const box = panel?.element.getBoundingClientRect();
        return spots.map(([x, y]) => {
          const point = panel?.project([(x + 0.5) * 10, (y + 0.5) * 10, (at + 0.5) * 10]);
          const [left, top] = [
            (box?.x ?? 0) + (panel?.element.clientLeft ?? 0),
            (box?.y ?? 0) + (panel?.element.clientTop ?? 0),
          ];
          return { x: Math.floor(left + (point?.x ?? 0)), y: Math.floor(top + (point?.y ?? 0)) };
        });
      },
      [SPOTS, z] as const,
    );
    const { data: voxels } = await session.cutout(EM, { box: [0, 0, z, 250, 250, z + 1] });
    const shot = await sharp(await page.screenshot())
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const errors = SPOTS.map(([x, y], i) => {
      const { x: px = 0, y: py = 0 } = pixels[i] ?? {};
      return Math.abs((shot.data[3 * (py * shot.info.width + px)] ?? 0) - Number(voxels[y * 250 + x]));
    });
    return { mean: errors.reduce((sum, one) => sum + one, 0) / errors.length, most: Math.max(...errors) };
  };
  const ready = (): Promise<unknown> => page.waitForFunction(() => window.viewer?.isReady() === true);
  const number = (text: string, name: RegExp): number => Number(name.exec(text)?.[1]);
  /** What the server has sent over sockets. */
  const sent = async (): Promise<{ tiles: number; bytes: number }> => {
    const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    return {
      tiles: number(text, /^bfly_tiles_sent_total (\d+)$/m),
      bytes: number(text, /^bfly_bytes_sent_total\{protocol="bfly\.v1"\} (\d+)$/m),
    };
  };
  /** Bytes of a tile, of those that are sent while `act` lasts. */
  const bytesOfTile = async (act: () => Promise<unknown>): Promise<number> => {
    const before = await sent();
    await act();
    const after = await sent();
    expect(after.tiles).toBeGreaterThan(before.tiles);
    return (after.bytes - before.bytes) / (after.tiles - before.tiles);
  };
  const goTo = (z: number): Promise<void> =>
    page.evaluate((at) => window.bfly.stage.goTo([1255, 1255, 10 * (at + 0.5)]), z);

  it('offers JPEG, and shows exact voxels until it is taken', async () => {
    await page.locator('.quality-offer').waitFor();
    await ready();
    await expect.poll(() => error(FIRST_Z), { timeout: 20_000 }).toMatchObject({ most: 0 });
  }, 60_000);

  it('fetches less, and shows nearly the same, once it is taken', async () => {
    await page.getByRole('button', { name: 'Show compressed' }).click();
    await page.locator('.quality-offer').waitFor({ state: 'detached' });
    // What was on its way arrives.
    let before = -1;
    const stands = async (): Promise<boolean> => {
      const { bytes } = await sent();
      const same = bytes === before;
      before = bytes;
      return same;
    };
    await expect.poll(stands, { interval: 500, timeout: 20_000 }).toBe(true);
    const bytes = await bytesOfTile(async () => {
      await goTo(OTHER_Z);
      await ready();
    });
    expect(bytes).toBeLessThan(100_000);
    const { mean } = await error(OTHER_Z);
    expect(mean).toBeGreaterThan(0);
    expect(mean).toBeLessThan(6);
  }, 60_000);

  it('shows exact voxels again when it is given back', async () => {
    line.weather = {};
    await page.getByRole('button', { name: 'Live' }).first().click();
    const bytes = await bytesOfTile(async () => {
      await page.getByLabel('Show images compressed').uncheck();
      // Its shadow lies over the image.
      await page.keyboard.press('Escape');
      await expect.poll(() => error(OTHER_Z), { timeout: 20_000 }).toMatchObject({ most: 0 });
    });
    expect(bytes).toBeGreaterThan(200_000);
    expect(await page.evaluate(() => Object.entries(localStorage).find(([key]) => /images/.test(key))?.[1])).toBe(
      'exact',
    );
  }, 60_000);

  it('leaves the console clean', () => {
    expect(complaints).toEqual([]);
  });
});
