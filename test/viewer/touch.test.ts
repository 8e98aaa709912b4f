/** The list of volumes and a view on screens that are touched: a phone and a tablet, for looking. */
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hasChromium, openChromium } from '../support/chromium.ts';
import { describeWithShared } from '../support/shared-data.ts';
import { EM, SEGMENTS, startViewerServer, type ViewerServer } from '../support/viewer-server.ts';

/** What a finger hits, CSS pixels. */
const FINGER = 40;
/** A row of a list, CSS pixels. */
const ROW = 44;
const READY_MS = 60_000;
const SCREENS = [
  { name: 'a phone', width: 390, height: 844 },
  { name: 'a tablet', width: 820, height: 1180 },
] as const;

const describeInBrowser = hasChromium('the viewer on touch screens') ? describeWithShared : () => {};

describeInBrowser('on a touch screen', () => {
  let server: ViewerServer;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([startViewerServer(), openChromium()]);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  it.each(SCREENS)(
    '$name: all can be hit, nothing is cut, and fingers move and zoom',
    async ({ width, height }) => {
      const context = await browser.newContext({ viewport: { width, height }, hasTouch: true, isMobile: true });
      const page = await context.newPage();
      await page.goto(`http://127.0.0.1:${server.port}/`);
      await page.locator('.home-canvas').nth(1).waitFor();
      expect(await tooSmall(page, '.home'), 'home').toEqual([]);
      expect(await outside(page, '.home')).toEqual([]);

      await page.goto(`http://127.0.0.1:${server.port}/?open=${EM},${SEGMENTS}`);
      await page.waitForFunction(() => window.viewer?.isReady(), undefined, { timeout: READY_MS });
      const panels = page.locator('button[aria-controls="volume-dock"]');
      const isDrawer = (await panels.getAttribute('aria-expanded')) === 'false';
      expect(isDrawer).toBe(width < 760);
      expect(await tooSmall(page, '.volume-bar'), 'bar').toEqual([]);
      expect(await outside(page, '.volume-bar')).toEqual([]);
      if (isDrawer) await panels.tap();
      await page.locator('.dock-toggle').first().waitFor();
      await annotate(page);
      const row = await page.locator('.annotation-row').first().boundingBox();
      expect(row?.height).toBeGreaterThanOrEqual(ROW);
      expect(await page.locator('.annotation-row button').count()).toBeGreaterThanOrEqual(3);
      expect(await tooSmall(page, '.volume-dock'), 'dock').toEqual([]);
      if (isDrawer) {
        await page.touchscreen.tap(15, height / 2);
        await page.locator('.dock-toggle').first().waitFor({ state: 'hidden' });
      }
      await checkFingers(page, context);
      await context.close();
    },
    90_000,
  );
});

/** Puts a point in, and waits for its row. */
async function annotate(page: Page): Promise<void> {
  await page.evaluate(async (at) => {
    const channel = window.bfly.stage.volumes.find((volume) => volume.path === at)?.channel;
    const rows = [{ kind: 'point', points: [100, 100, 125], text: 'a note' }];
    await channel?.edit([{ op: 'put', table: 'annotation', rows }]);
  }, SEGMENTS);
  await page.locator('.annotation-row').first().waitFor();
}

/** Fingers on the first slice: two of them move it and zoom, one goes through the slices, as Neuroglancer has it. */
async function checkFingers(page: Page, context: BrowserContext): Promise<void> {
  const touch = await Fingers.on(page, context);
  const [x0, y0, z0, nm0] = await touch.look();
  await touch.move([[0, 0]], [[0, 60]]);
  const [x1, y1, z1] = await touch.look();
  // Less than a pixel: the middle of the panel is none of its own.
  expect(Math.hypot(x1 - x0, y1 - y0)).toBeLessThan(nm0);
  expect(z1).not.toBe(z0);
  const apart = 30;
  await touch.move(
    [
      [-apart, 0],
      [apart, 0],
    ],
    [
      [-apart + 40, 40],
      [apart + 40, 40],
    ],
  );
  const [x2, y2] = await touch.look();
  expect(x2 - x0).toBeLessThan(0);
  expect(y2 - y0).toBeLessThan(0);
  await touch.move(
    [
      [-apart, 0],
      [apart, 0],
    ],
    [
      [-2 * apart, 0],
      [2 * apart, 0],
    ],
  );
  const [, , , nm1] = await touch.look();
  expect(nm1).toBeLessThan(nm0 * 0.7);
}

type Spot = readonly [x: number, y: number];

/** Fingers on the middle of the first slice. */
class Fingers {
  readonly #page: Page;
  readonly #session: CDPSession;
  readonly #middle: Spot;

  private constructor(page: Page, session: CDPSession, middle: Spot) {
    this.#page = page;
    this.#session = session;
    this.#middle = middle;
  }

  static async on(page: Page, context: BrowserContext): Promise<Fingers> {
    const middle = await page.evaluate((): [number, number] => {
      const box = window.bfly.stage.panels[0]?.element.getBoundingClientRect();
      return box === undefined ? [0, 0] : [box.x + box.width / 2, box.y + box.height / 2];
    });
    return new Fingers(page, await context.newCDPSession(page), middle);
  }

  /** Middle of the view in nm, and nm of a pixel. */
  look(): Promise<[number, number, number, number]> {
    return this.#page.evaluate(() => {
      const { place, nmPerPixel } = window.bfly.stage.look;
      return [Math.round(place[0]), Math.round(place[1]), Math.round(place[2]), nmPerPixel];
    });
  }

  /** Moves fingers, from and to places around the middle. */
  async move(from: readonly Spot[], to: readonly Spot[]): Promise<void> {
    const steps = 8;
    await this.#send('touchStart', from);
    for (let step = 1; step <= steps; step++) {
      const at = from.map(([x, y], i): Spot => {
        const [toX, toY] = to[i] ?? [x, y];
        return [x + ((toX - x) * step) / steps, y + ((toY - y) * step) / steps];
      });
      await this.#send('touchMove', at);
      await this.#page.evaluate(() => new Promise(requestAnimationFrame));
    }
    await this.#send('touchEnd', []);
    await this.#page.evaluate(() => new Promise(requestAnimationFrame));
  }

  async #send(type: 'touchStart' | 'touchMove' | 'touchEnd', spots: readonly Spot[]): Promise<void> {
    const [x0, y0] = this.#middle;
    const touchPoints = spots.map(([x, y], id) => ({ x: x0 + x, y: y0 + y, id }));
    await this.#session.send('Input.dispatchTouchEvent', { type, touchPoints });
  }
}

const CONTROLS = ':is(a, button, select, input, summary)';

/** Controls that are smaller than a finger; a link that fills its card is as large as that, a choice as its label. */
function tooSmall(page: Page, area: string): Promise<string[]> {
  return page.evaluate(
    ([selector, least]) =>
      [...document.querySelectorAll(selector)].flatMap((control) => {
        const { width, height } = (
          control.closest('.home-card, label:has(> [type=radio], > [type=checkbox])') ?? control
        ).getBoundingClientRect();
        const isSmall = width > 0 && (width < least || height < least);
        return isSmall ? [`${control.outerHTML.slice(0, 120)}: ${width} × ${height}`] : [];
      }),
    [`${area} ${CONTROLS}`, FINGER - 0.5] as const,
  );
}

/** Controls that are not wholly on the screen. */
function outside(page: Page, area: string): Promise<string[]> {
  return page.evaluate((selector) => {
    const { clientWidth } = document.documentElement;
    return [...document.querySelectorAll(selector)].flatMap((control) => {
      const { left, right, width } = control.getBoundingClientRect();
      return width > 0 && (left < -0.5 || right > clientWidth + 0.5) ? [control.outerHTML.slice(0, 120)] : [];
    });
  }, `${area} ${CONTROLS}`);
}
