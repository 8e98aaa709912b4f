/** Windows of Neuroglancer that are loaded when they are opened, in a browser: they do what they did. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hasChromium, openChromium } from '../support/chromium.ts';
import { describeWithShared } from '../support/shared-data.ts';
import { ViewerPage } from '../support/viewer-page.ts';
import { SEGMENTS, startViewerServer, type ViewerServer } from '../support/viewer-server.ts';

const describeInBrowser = hasChromium('late windows of the viewer') ? describeWithShared : () => {};

describeInBrowser('windows that come when they are opened', () => {
  let server: ViewerServer;
  let browser: Browser;
  let view: ViewerPage;

  beforeAll(async () => {
    [server, browser] = await Promise.all([startViewerServer(), openChromium()]);
    view = await ViewerPage.open(browser, `http://127.0.0.1:${server.port}`, 'Ada');
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  const library = (): boolean => [...view.assets].some((name) => name.startsWith('window-library-'));

  it('are not loaded before', () => {
    expect(library()).toBe(false);
  });

  it('show the source of a layer, and again of a layer that came later', async () => {
    const { page } = view;
    await page.locator('.neuroglancer-layer-item').first().click({ button: 'right' });
    await page.locator('.neuroglancer-tab-label', { hasText: 'Source' }).click();
    const source = page.locator('.neuroglancer-layer-data-source-url-input').first();
    await source.waitFor();
    expect(await source.textContent()).toContain(SEGMENTS);
    expect(library()).toBe(true);
    await page.getByTitle('Add layer', { exact: false }).first().click();
    await page.locator('.neuroglancer-layer-data-sources-tab').last().waitFor();
    expect(view.complaints).toEqual([]);
  }, 60_000);

  it('show the segments of a layer', async () => {
    const { page } = view;
    await page.locator('.neuroglancer-layer-item').first().click({ button: 'right' });
    await page.locator('.neuroglancer-tab-label', { hasText: /^Seg/ }).click();
    await page.locator('.neuroglancer-segment-display-tab').waitFor();
    await page.locator('.neuroglancer-segment-display-tab:visible').waitFor();
  }, 60_000);

  it('let the state of the view be read as JSON', async () => {
    const { page } = view;
    await page.getByTitle('Edit JSON state').click();
    const editor = page.locator('.neuroglancer-state-editor');
    await editor.waitFor();
    await expect.poll(() => editor.textContent()).toContain('crossSectionScale');
    await page.keyboard.press('Escape');
    await editor.waitFor({ state: 'detached' });
  }, 60_000);

  it('take screenshots', async () => {
    const { page } = view;
    await page.getByTitle('Screenshot').click();
    await page.locator('.neuroglancer-screenshot-dialog').waitFor();
  }, 60_000);

  it('leave the console clean', () => {
    expect(view.complaints).toEqual([]);
  });
});
