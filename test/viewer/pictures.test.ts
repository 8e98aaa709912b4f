/** The pictures of README.md: taken anew with BFLY_NEW_PICTURES=1, to be looked at. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { connect } from '../../src/client/node.ts';
import { hasChromium, openChromium } from '../support/chromium.ts';
import { describeWithShared } from '../support/shared-data.ts';
import { EM, SEGMENTS, startViewerServer } from '../support/viewer-server.ts';

const FOLDER = path.resolve(import.meta.dirname, '../../src/viewer/pictures');
const READY_MS = 60_000;
const IS_WANTED = process.env['BFLY_NEW_PICTURES'] === '1';

it('has the pictures that README.md shows', async () => {
  for (const name of ['home', 'volume']) {
    const { width, height, format } = await sharp(path.join(FOLDER, `${name}.jpg`)).metadata();
    expect([width, height, format], name).toEqual([1280, 720, 'jpeg']);
  }
});

const describePictures = IS_WANTED && hasChromium('pictures of the viewer') ? describeWithShared : () => {};

describePictures('pictures of the viewer', () => {
  it('shows the list of volumes, and two people in one', async () => {
    await mkdir(FOLDER, { recursive: true });
    const [server, browser] = await Promise.all([startViewerServer(), openChromium()]);
    const session = await connect(`http://127.0.0.1:${server.port}`, { name: 'Grace', color: '#42d4f4' });
    try {
      const context = await browser.newContext({ viewport: { width: 1280, height: 720 } });
      await context.addInitScript(() => localStorage.setItem('bfly.identity', '{"name":"Ada","color":"#f58231"}'));
      const page = await context.newPage();
      const grace = session.open(SEGMENTS, { presence: true });
      await grace.subscription.ready;
      await grace.edit([{ op: 'merge', ids: [9775n, 7319n] }]);
      await grace.edit([
        { op: 'put', table: 'annotation', rows: [{ kind: 'point', points: [160, 95, 125], text: 'mitochondrion?' }] },
      ]);
      await grace.edit([{ op: 'write', box: [96, 150, 120, 112, 162, 131], value: 22512n }]);
      grace.subscription.presence.set({ cursor: [112, 108, 125], tool: 'merge' });
      await page.goto(`http://127.0.0.1:${server.port}/`);
      await page.waitForSelector('canvas', { timeout: READY_MS });
      await page.waitForTimeout(3_000);
      await save(page, 'home');
      await page.goto(`http://127.0.0.1:${server.port}/?open=${EM},${SEGMENTS}`);
      await page.waitForFunction(() => window.viewer?.isReady(), undefined, { timeout: READY_MS });
      await page.waitForTimeout(500);
      await page.mouse.move(240, 200);
      grace.subscription.presence.set({ cursor: [112, 108, 125.5], tool: 'merge' });
      await page.waitForTimeout(2_000);
      await save(page, 'volume');
    } finally {
      await session.close();
      await browser.close();
      await server.close();
    }
    expect.assertions(0);
  }, 240_000);
});

async function save(page: Page, name: string): Promise<void> {
  await sharp(await page.screenshot())
    .jpeg({ quality: 86, mozjpeg: true })
    .toFile(path.join(FOLDER, `${name}.jpg`));
}
