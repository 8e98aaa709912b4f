import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../../src/client/node.ts';
import { hasChromium, openChromium } from '../../support/chromium.ts';
import { describeWithShared } from '../../support/shared-data.ts';
import { ViewerPage } from '../../support/viewer-page.ts';
import { SEGMENTS, startViewerServer, type ViewerServer } from '../../support/viewer-server.ts';

const describeInBrowser = hasChromium('edits kept over a reload') ? describeWithShared : () => {};

describeInBrowser('an edit made while the server is away', () => {
  let server: ViewerServer;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([startViewerServer(), openChromium()]);
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  it('[E15] outlives the page and arrives exactly once', async () => {
    const origin = `http://127.0.0.1:${server.port}`;
    const ada = await ViewerPage.open(browser, origin, 'Ada');
    const url = ada.page.url();
    await server.stop();
    await ada.page.waitForSelector('[data-status="offline"]');
    await ada.page.evaluate((path) => {
      const volume = window.bfly.stage.volumes.find((one) => one.path === path);
      volume?.channel?.edit([{ op: 'merge', ids: [9775n, 10255n] }]).catch(() => {});
    }, SEGMENTS);
    await ada.page.waitForFunction(() => /1 unsent edit/.test(document.querySelector('.status')?.textContent ?? ''));
    await ada.page.waitForFunction(async () => (await window.bfly.kept.paths()).length === 1);
    await ada.page.goto('about:blank'); // a reload would find no server
    await server.start();
    await ada.page.goto(url);
    await ada.ready();
    await ada.page.waitForSelector('text=1 edit from before the page was loaded arrived');
    expect(await ada.root(10255)).toBe('9775');
    await ada.page.reload();
    await ada.ready();
    const session = await connect(`ws://127.0.0.1:${server.port}`);
    try {
      const made: string[] = [];
      for await (const edit of session.history(SEGMENTS)) made.push(...edit.ops.map(({ op }) => String(op)));
      expect(made).toEqual(['merge']);
    } finally {
      await session.close();
      await ada.close();
    }
  }, 240_000);
});
