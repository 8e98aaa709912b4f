/**
 * What people find who do not see the screen, or have no mouse: axe's rules on our own elements, and the way of the Tab key.
 *
 * Neuroglancer's own elements are left out: they are as Neuroglancer has them.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hasChromium, openChromium } from '../support/chromium.ts';
import { describeWithShared } from '../support/shared-data.ts';
import { EM, SEGMENTS, startViewerServer, type ViewerServer } from '../support/viewer-server.ts';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
/** What Neuroglancer draws, and its messages. */
const NOT_OURS = ['.neuroglancer-viewer', '#neuroglancer-status-container', '#neuroglancer-status-container-modal'];
const READY_MS = 60_000;

declare const axe: {
  run(
    context: { exclude: string[][] },
    options: { runOnly: string[] },
  ): Promise<{
    violations: { id: string; help: string; nodes: { target: unknown[]; html: string }[] }[];
  }>;
};

const describeInBrowser = hasChromium('axe on the viewer') ? describeWithShared : () => {};

describeInBrowser('the page, for who does not see it or has no mouse', () => {
  let server: ViewerServer;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let script: string;
  const url = (rest = ''): string => `http://127.0.0.1:${server.port}/${rest}`;

  beforeAll(async () => {
    const file = path.join(path.dirname(createRequire(import.meta.url).resolve('axe-core')), 'axe.min.js');
    [server, browser, script] = await Promise.all([startViewerServer(), openChromium(), readFile(file, 'utf8')]);
    // The page allows no script but its own.
    context = await browser.newContext({ viewport: { width: 1280, height: 720 }, bypassCSP: true });
    page = await context.newPage();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** What breaks a rule: the rule, and the elements. */
  const faults = async (on: Page = page): Promise<string[]> => {
    await on.evaluate(script);
    const { violations } = await on.evaluate(
      ([exclude, runOnly]) => axe.run({ exclude: exclude.map((selector) => [selector]) }, { runOnly }),
      [NOT_OURS, RULES] as const,
    );
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`));
  };
  /** What has the focus, in a few words; '' for nothing of the page. */
  const focused = (): Promise<string> =>
    page.evaluate(() => {
      const { activeElement: at } = document;
      if (!(at instanceof HTMLElement) || at === document.body) return '';
      return at.getAttribute('aria-label') ?? at.title ?? '';
    });

  it('breaks no rule on the list of volumes', async () => {
    await page.goto(url());
    await page.locator('.home-canvas').nth(1).waitFor();
    expect(await faults()).toEqual([]);
  }, 180_000);

  it('breaks no rule where nothing is served', async () => {
    const empty = await startViewerServer({ catalogue: { experiments: [] } as never });
    try {
      await page.goto(`http://127.0.0.1:${empty.port}/`);
      await page.getByRole('heading', { name: 'Nothing is served here yet' }).waitFor();
      expect(await faults()).toEqual([]);
    } finally {
      await empty.close();
    }
  }, 180_000);

  it('breaks no rule in a view with people, annotations and history, nor in its help and its status', async () => {
    await page.goto(url(`?open=${EM},${SEGMENTS}`));
    await page.waitForFunction(() => window.viewer?.isReady(), undefined, { timeout: READY_MS });
    await page.evaluate(async (at) => {
      const channel = window.bfly.stage.volumes.find((volume) => volume.path === at)?.channel;
      await channel?.edit([{ op: 'merge', ids: [9775n, 7319n] }]);
      const rows = [{ kind: 'point', points: [100, 100, 125], text: 'a note' }];
      await channel?.edit([{ op: 'put', table: 'annotation', rows }]);
    }, SEGMENTS);
    await page.locator('.volume-dock').getByText('a note').waitFor();
    await page.locator('.hist-row, .hist-go').first().waitFor();
    expect(await faults()).toEqual([]);
    for (const name of ['Help (?)', 'Change your name and colour', 'Paint', 'Split by seeds']) {
      await page.locator(`[aria-label="${name}"]`).click();
      expect(await faults(), name).toEqual([]);
    }
    await page.locator('.status-button').click();
    expect(await faults(), 'status').toEqual([]);
    await page.keyboard.press('Escape');
  }, 180_000);

  it('lets Tab reach everything, with a focus that is seen, and leave it again', async () => {
    await page.keyboard.press('Escape');
    await page.locator('.help-home').focus();
    const reached: string[] = [];
    const unseen: string[] = [];
    for (let n = 0; n < 120; n++) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate(() => {
        const { activeElement } = document;
        if (!(activeElement instanceof HTMLElement) || activeElement === document.body) return undefined;
        const { outlineStyle, boxShadow } = getComputedStyle(activeElement);
        const sibling = activeElement.nextElementSibling;
        const isSeen =
          outlineStyle !== 'none' ||
          boxShadow !== 'none' ||
          (sibling !== null && getComputedStyle(sibling).boxShadow !== 'none');
        const where = activeElement.closest('.volume-bar, .volume-dock, .neuroglancer-viewer')?.className ?? '';
        const name = activeElement.getAttribute('aria-label') ?? activeElement.textContent ?? '';
        return { where: where.split(' ')[0] ?? '', name: name.trim(), isSeen };
      });
      if (at === undefined) break;
      reached.push(`${at.where} ${at.name}`);
      if (!at.isSeen && at.where !== 'neuroglancer-viewer') unseen.push(`${at.where} ${at.name}`);
    }
    expect(unseen).toEqual([]);
    const all = reached.join('\n');
    for (const one of [
      'volume-bar Pointer',
      'volume-bar Help',
      'volume-bar Panels',
      'neuroglancer-viewer',
      'volume-dock People',
    ])
      expect(all).toContain(one);
    for (const one of ['volume-dock Annotations', 'a note', 'volume-dock History', 'merged 2 segments'])
      expect(all).toContain(one);
  }, 180_000);

  it('reads out what is said at the bottom of the window, and errors at once', async () => {
    const messages = page.locator('#neuroglancer-status-container');
    const status = page.getByRole('status').filter({ has: messages });
    await page.evaluate(() => window.bfly.stage.say('a word'));
    await status.getByRole('listitem').filter({ hasText: 'a word' }).waitFor();
    await page.evaluate(() => window.bfly.stage.say('a refusal', 'error'));
    await status.getByRole('alert').filter({ hasText: 'a refusal' }).waitFor();
    expect(await status.getByRole('alert').filter({ hasText: 'a word' }).count()).toBe(0);
    expect(await status.getAttribute('aria-atomic')).toBe('false');
  }, 180_000);

  it('closes what is open with Escape, and gives the focus back', async () => {
    const help = page.getByRole('button', { name: 'Help (?)' });
    await help.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('heading', { name: 'Keys' }).waitFor({ state: 'hidden' });
    expect(await focused()).toBe('Help (?)');
    const form = page.getByLabel('Name', { exact: true });
    if (!(await form.isVisible())) await page.getByRole('button', { name: 'Change your name and colour' }).click();
    await form.focus();
    await page.keyboard.press('Escape');
    await form.waitFor({ state: 'hidden' });
    expect(await focused()).toBe('Change your name and colour');
  }, 180_000);

  it('says what is missing where the browser has no WebGL 2, and leads home', async () => {
    const bare = await context.newPage();
    await bare.addInitScript(() => {
      const { getContext } = HTMLCanvasElement.prototype;
      HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement, kind: string, ...rest: unknown[]) {
        return kind === 'webgl2' ? null : Reflect.apply(getContext, this, [kind, ...rest]);
      } as typeof getContext;
    });
    await bare.goto(url(`?open=${EM},${SEGMENTS}`));
    await bare.getByRole('heading', { name: 'This browser has no WebGL 2' }).waitFor();
    await bare.getByRole('alert').filter({ hasText: 'Turn on hardware acceleration' }).waitFor();
    expect(await faults(bare)).toEqual([]);
    await bare.getByRole('link', { name: 'All volumes of this server' }).click();
    await bare.locator('.home-canvas').nth(1).waitFor();
    await bare.close();
  }, 180_000);
});
